# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch bridges.

A bridge or port of ours carries its deployment and slice in external_ids. An adopted bridge is an administrator's: it
counts as satisfied as it is, is never changed, and stays unmarked.
"""

from __future__ import annotations

import typing

from ..changes import Change
from ..errors import TenantnetError
from ..ovsdb import Command, Row, Writer
from ..state import Bridge, Key, Resource, maker, owner_name
from . import Context

DEPLOYMENT, SLICE = "tenantnet-deployment", "tenantnet-slice"


class BridgeDriver:
    """Bridges. The port and interface of the bridge itself come and go with it."""

    kind: type[Resource] = Bridge

    def __init__(self, context: Context) -> None:
        self._ovsdb = context.ovsdb
        self._deployment = context.deployment

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """Bridges with our mark, and those to be adopted."""
        live: dict[Key, Resource] = {}
        rows = self._ovsdb.rows("Bridge")
        targets = {key: row["target"] for key, row in self._ovsdb.rows("Controller").items()}
        for row in rows.values():
            wanted = desired.get((row["name"],))
            if owner_of(row) == self._deployment:
                controllers = tuple(sorted(targets[key] for key in row["controller"] if key in targets))
                live[(row["name"],)] = _bridge(row, controllers, whole=bool(owner_name(self._deployment)))
            elif isinstance(wanted, Bridge) and wanted.adopt:
                live[wanted.key] = wanted
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """Bridges of others that are wanted and not to be adopted, or missing and to be adopted."""
        rows = {row["name"]: row for row in self._ovsdb.rows("Bridge").values()}
        sentences = [
            f"bridge {name} belongs to deployment {owner}; a node carries one, and {self._deployment} is another"
            for name, row in rows.items()
            if are_rivals(owner := owner_of(row), self._deployment)
        ]
        for bridge in (b for b in desired.values() if isinstance(b, Bridge)):
            if bridge.adopt and bridge.name not in rows:
                sentences.append(f"bridge {bridge.name} is to be adopted, and does not exist on this node")
            elif not bridge.adopt and bridge.name in rows and not self._may_be_ours(owner_of(rows[bridge.name])):
                sentences.append(
                    f"bridge {bridge.name} exists and was not made by {maker(self._deployment)}; "
                    f"remove it, or {adoption(self._deployment)} to use it as it is"
                )
        return sentences

    def _may_be_ours(self, owner: str) -> bool:
        """Whether a bridge is ours, or is told as another deployment's already."""
        return owner == self._deployment or are_rivals(owner, self._deployment)

    def apply(self, changes: typing.Sequence[Change]) -> None:
        """All changes in one transaction; raises TenantnetError when a new bridge then does not work."""
        self._ovsdb.transact([self._command(change) for change in changes])
        for bridge in (c.after for c in changes if c.before is None and isinstance(c.after, Bridge)):
            what = f"bridge {bridge.name} to work with datapath_type {bridge.datapath_type}"
            kernel = " (does the kernel have the module of Open vSwitch?)" if bridge.datapath_type == "system" else ""
            self._ovsdb.wait(lambda name=bridge.name: name in self._ovsdb.ofports(name), f"{what}{kernel}")  # type: ignore[misc]

    def _command(self, change: Change) -> Command:
        bridge = typing.cast(Bridge, change.subject)
        if change.after is None and bridge.adopt:
            return lambda writer: None
        if change.after is None:
            return lambda writer: _remove_bridge(writer, bridge.name, self._deployment)
        if bridge.adopt:
            return lambda writer: _release_bridge(writer, bridge.name)
        columns = {
            "datapath_type": bridge.datapath_type,
            "fail_mode": [bridge.fail_mode],
            "protocols": list(bridge.protocols),
            "other_config": bridge.other_config,
            "mcast_snooping_enable": bridge.mcast_snooping,
            "external_ids": {**bridge.external_ids, **mark(self._deployment, bridge.slice)},
        }
        return lambda writer: _write_bridge(writer, bridge, columns)


def owner_of(row: Row) -> str:
    """Deployment that a bridge or port belongs to, "" for things of others."""
    return str(row["external_ids"].get(DEPLOYMENT, ""))


def are_rivals(one: str, other: str) -> bool:
    """Whether both are deployments, of which a node carries one; an owner is nobody's rival."""
    return bool(one) and one != other and not owner_name(one) and not owner_name(other)


def adoption(deployment: str) -> str:
    """How a person lets a bridge of others be used."""
    return "give it adopt: true" if owner_name(deployment) else "let tenantnet_adopt_bridges name it"


def mark(deployment: str, slice_: str) -> dict[str, str]:
    """External_ids that make a bridge or port ours."""
    return {DEPLOYMENT: deployment, SLICE: slice_}


def _bridge(row: Row, controllers: tuple[str, ...], whole: bool) -> Bridge:
    """Canonical form; `whole`: external_ids too, which in a deployment's bridge anybody may write."""
    return Bridge(
        slice=row["external_ids"].get(SLICE, ""),
        name=row["name"],
        datapath_type=row["datapath_type"] or "system",
        fail_mode=(row["fail_mode"] or ["standalone"])[0],
        protocols=tuple(sorted(row["protocols"])),
        other_config=row["other_config"],
        mcast_snooping=row["mcast_snooping_enable"],
        controllers=controllers,
        external_ids=_unmarked(row["external_ids"]) if whole else {},
    )


def _unmarked(external_ids: typing.Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in external_ids.items() if key not in (DEPLOYMENT, SLICE)}


def _write_bridge(writer: Writer, bridge: Bridge, columns: Row) -> None:
    row = writer.find("Bridge", bridge.name)
    present = {controller.target: controller for controller in row.controller} if row else {}
    # A controller that stays keeps its row, and with it its connection.
    controllers = [present.get(to) or writer.insert("Controller", {"target": to}) for to in bridge.controllers]
    columns = {**columns, "controller": controllers}
    if row:
        writer.write(row, columns)
        return
    interface = writer.insert("Interface", {"name": bridge.name, "type": "internal"})
    port = writer.insert("Port", {"name": bridge.name, "interfaces": [interface]})
    writer.root().addvalue("bridges", writer.insert("Bridge", {"name": bridge.name, "ports": [port], **columns}))


def _release_bridge(writer: Writer, name: str) -> None:
    """Our mark goes, the bridge stays as it is: it is an administrator's from now on."""
    if row := writer.find("Bridge", name):
        writer.write(row, {"external_ids": _unmarked(row.external_ids)})


def _remove_bridge(writer: Writer, name: str, deployment: str) -> None:
    row = writer.find("Bridge", name)
    if row is None:
        return
    ports = (port for port in row.ports if port.name != name)
    if others := sorted(port.name for port in ports if port.external_ids.get(DEPLOYMENT) != deployment):
        who = maker(deployment)
        raise TenantnetError(f"bridge {name} still holds ports that were not made by {who}: {', '.join(others)}")
    writer.root().delvalue("bridges", row)
