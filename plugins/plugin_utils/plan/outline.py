# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A resolved topology as its owners know it, and what differs between two: networks, ports, routers by their names.

Of a project's objects the numbers of the wire and of nodes are left out: they tell how much others have.
"""

from __future__ import annotations

import dataclasses
import typing

from ...module_utils.printable import printable
from ...module_utils.state import digest
from ..topology import model
from .lock import owner

#: Id of an object -> its fields, "kind" and "name" among them; values are plain data.
Outline = dict[str, dict[str, typing.Any]]

_IDENTITY: typing.Final = {"id", "project", "label", "name"}
_NUMBERS: typing.Final = ("segmentation_id", "physical_network", "zone", "leaving")
_INFRASTRUCTURE: typing.Final = (
    "l2_population",
    "arp_responder",
    "deployment",
    "nodes",
    "physical_networks",
    "local_vlans",
)


def outline(topology: model.Topology, project: str | None = None) -> Outline:
    """All objects of a topology, or those of one project, under names that its own file has."""
    names, found = _names(topology, project), {}
    hidden = _NUMBERS if project else ()
    for kind, thing in _things(topology):
        if project in (None, thing.project):
            fields = {key: value for key, value in _fields(thing, names).items() if key not in hidden}
            subnets = fields.pop("subnets", ())
            found[thing.id] = {"kind": kind, "name": names[thing.id], **fields}
            found |= {subnet.pop("id"): {"kind": "subnet"} | subnet for subnet in subnets}
    return found


def _things(topology: model.Topology) -> typing.Iterator[tuple[str, typing.Any]]:
    """Everything that belongs to somebody, with what it is called."""
    for field in dataclasses.fields(topology):
        if field.name not in _INFRASTRUCTURE:
            kind = field.name[:-1].replace("_", " ").replace("ip", "IP")
            yield from ((kind, thing) for thing in getattr(topology, field.name).values())


def _names(topology: model.Topology, project: str | None) -> dict[str, str]:
    """Names by id, those of a project's own things without the project."""
    labels = {
        **{n.id: n.label for n in topology.networks.values()},
        **{s.id: f"{n.label}/{s.name}" for n in topology.networks.values() for s in n.subnets},
        **{r.id: r.label for r in topology.routers.values()},
        **{p.id: p.label for p in topology.ports.values()},
        **{f.id: topology.ports[f.port].label for f in topology.floating_ips.values()},
        **{f.id: topology.ports[f.port].label for f in topology.port_forwardings.values()},
        **{g.id: f"{g.project}/{g.name}" for g in topology.security_groups.values()},
        **{i.id: i.label for i in topology.instances.values()},
    }
    return {id_: label.removeprefix(f"{project}/") for id_, label in labels.items()}


def _fields(thing: typing.Any, names: dict[str, str]) -> dict[str, typing.Any]:
    return {
        field.name: _plain(getattr(thing, field.name), field.name, names)
        for field in dataclasses.fields(thing)
        if field.name not in _IDENTITY
    }


def _plain(value: typing.Any, field: str, names: dict[str, str]) -> typing.Any:
    """A value as plain data: a name for an id, a digest for what may be somebody's secret."""
    if field == "user_data":
        return f"<{digest(value)}>" if value else None
    if isinstance(value, model.Subnet):
        return {"id": value.id, "name": names[value.id], **_fields(value, names)}
    if dataclasses.is_dataclass(value):
        return _fields(value, names)
    if isinstance(value, list | tuple):
        return [_plain(item, "", names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


class Change(typing.NamedTuple):
    """One object before and after; None where it does not exist."""

    before: dict[str, typing.Any] | None
    after: dict[str, typing.Any] | None

    def describe(self) -> str:
        """One line for people."""
        subject = self.after or self.before or {}
        title = f"{subject['kind']} {subject['name']}"
        if self.before is None:
            return f"+ {line(subject)}"
        if self.after is None:
            return f"- {title}"
        before, after = self.before, self.after
        names = [name for name in before | after if before.get(name) != after.get(name)]
        shown = (f"{name}={_shown(before.get(name))} -> {_shown(after.get(name))}" for name in names)
        return printable(f"~ {title}: {' '.join(shown)}")

    def to_json(self) -> dict[str, typing.Any]:
        """The same for machines."""
        verb = "add" if self.before is None else "remove" if self.after is None else "change"
        return {"verb": verb, "before": self.before, "after": self.after}


def changes(before: Outline, after: Outline) -> list[Change]:
    """What turns one outline into another, in the order of their names; what goes comes last."""
    built = [Change(before.get(id_), of) for id_, of in after.items() if before.get(id_) != of]
    gone = [Change(of, None) for id_, of in before.items() if id_ not in after]
    return sorted(built, key=_order) + sorted(gone, key=_order)


def _order(change: Change) -> tuple[str, str, str]:
    subject = change.after or change.before or {}
    return owner(subject["name"]), subject["kind"], subject["name"]


def text(outline: Outline) -> str:
    """An object a line, for Ansible's diff mode."""
    return "".join(sorted(f"{line(of)}\n" for of in outline.values()))


def line(of: dict[str, typing.Any]) -> str:
    """Kind, name and whatever is not empty."""
    fields = (f"{k}={_shown(v)}" for k, v in of.items() if k not in ("kind", "name") and v not in (None, [], ""))
    return printable(" ".join([f"{of['kind']} {of['name']}:", *fields]))


def _shown(value: typing.Any) -> str:
    if isinstance(value, dict):
        return "/".join(_shown(item) for item in value.values() if item not in (None, [], ""))
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return "none" if value in (None, "") else str(value).lower() if isinstance(value, bool) else str(value)
