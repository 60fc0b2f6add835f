# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The difference between what is and what should be, as data: pure functions over the resources of a node state.

A list of changes is the plan of an apply. The same list is carried out, shown in check mode, printed as a diff and
turned around for a rollback.
"""

from __future__ import annotations

import collections
import dataclasses
import typing

from .printable import printable
from .state import MODULES, File, Key, Resource, digest

Verb = typing.Literal["add", "change", "remove"]


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One resource as it is and as it should be; None where it does not exist."""

    before: Resource | None
    after: Resource | None

    @property
    def subject(self) -> Resource:
        """The resource as it should be, or as it was when it goes."""
        resource = self.after or self.before
        if resource is None:
            raise ValueError("a change needs a resource before or after it")
        return resource

    @property
    def verb(self) -> Verb:
        """What happens to the resource."""
        if self.before is None:
            return "add"
        return "remove" if self.after is None else "change"

    @property
    def kind(self) -> type[Resource]:
        """Class of the resource."""
        return type(self.subject)

    @property
    def key(self) -> Key:
        """Key of the resource."""
        return self.subject.key

    @property
    def slice(self) -> str:
        """Slice that the resource belongs to, or belonged to when it goes."""
        return self.subject.slice

    def describe(self) -> str:
        """One line for people: the fields that differ, or for a new resource all that are not at their default."""
        if self.before is None:
            return f"+ {line(self.subject)}"
        if self.after is None:
            return printable(f"- {title(self.subject)}")
        names = [field.name for field in dataclasses.fields(self.after) if field.compare]
        pairs = {name: (getattr(self.before, name), getattr(self.after, name)) for name in names}
        parts = [f"{name}={_difference(old, new, name)}" for name, (old, new) in pairs.items() if old != new]
        return printable(f"~ {title(self.after)}: {' '.join(parts)}")


def diff(live: typing.Mapping[Key, Resource], desired: typing.Mapping[Key, Resource]) -> list[Change]:
    """What turns `live` into `desired`: first what comes or changes, then what goes, last one first."""
    build = [Change(live.get(key), after) for key, after in desired.items() if live.get(key) != after]
    return build + [Change(live[key], None) for key in reversed(list(live)) if key not in desired]


def merged(changes: typing.Iterable[Change]) -> tuple[Change, ...]:
    """One change for each thing that changes in several steps."""
    found: dict[object, Change] = {}
    for change in changes:
        first = found.get(name := (change.kind, change.key), change)
        found[name] = Change(first.before, change.after)
    return tuple(found.values())


def text(resources: typing.Iterable[Resource | None]) -> str:
    """Resources one a line in a stable order, for Ansible's diff mode."""
    return "".join(sorted(f"{line(r)}\n" for r in resources if r is not None))


def counts(changes: typing.Iterable[Change]) -> dict[str, int]:
    """Number of changes by kind of resource."""
    return dict(collections.Counter(_kind(c.kind) for c in changes))


def title(resource: Resource) -> str:
    """Kind and key: `port br-int tap0a1b2c3d-4e`."""
    parts = resource.key[1:] if _is_owners(resource) and resource.key[0] == resource.slice else resource.key
    return " ".join([_kind(type(resource)), *(part for part in parts if part)])


def line(resource: Resource) -> str:
    """Kind, key and every field that is not at its default: `port br-int tap0a1b2c3d-4e: tag=1`."""
    shown = " ".join(f"{name}={_shown(value, name)}" for name, value in _fields(resource).items())
    return printable(f"{title(resource)}: {shown}" if shown else title(resource))


def _kind(cls: type[Resource]) -> str:
    return cls.__name__.lower()


def _is_owners(resource: Resource) -> bool:
    """Whether the slice is that of a resource module, which tells a person nothing that the module's name does not."""
    return resource.slice in MODULES


def _fields(resource: Resource) -> dict[str, typing.Any]:
    """Fields that are neither part of the key nor at their default."""
    named: dict[str, typing.Any] = {}
    for field in dataclasses.fields(resource):
        if not field.compare or (field.name == "content" and isinstance(resource, File) and resource.secret):
            continue  # of a secret its name says enough
        value = getattr(resource, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        in_key = default is dataclasses.MISSING and str(value) in resource.key
        if value != default and not in_key and not (field.name == "slice" and _is_owners(resource)):
            named[field.name] = value
    return named


def _shown(value: typing.Any, name: str) -> str:
    """A value in one line. The content of a file may be a secret and is long: a digest stands for it."""
    if name == "content":
        return f"<{digest(value)}>"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}={v}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return str(value) if value not in ("", None) else "none"


def _difference(before: typing.Any, after: typing.Any, name: str) -> str:
    """Two values of one field; of a list only what comes and what goes, unless just its order differs."""
    if isinstance(before, tuple) and isinstance(after, tuple) and set(before) != set(after):
        gone = [f"-[{item}]" for item in before if item not in after]
        return " ".join([*gone, *(f"+[{item}]" for item in after if item not in before)])
    return f"{_shown(before, name)} -> {_shown(after, name)}"
