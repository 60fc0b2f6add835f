# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The lock file, topology.lock.yml: every value that is in use, who has it, and what is not free again yet.

One line a value, sorted, so that a review reads it and two branches that choose the same value conflict. `id` is what
counts; the name beside it is for people. A value under `retiring` belonged to something that is gone, and nothing else gets
it before each node named there has confirmed that it no longer carries it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import tempfile
import typing

from ..topology.errors import Problem, TopologyErrors
from ..topology.source import Report, Sources, dotted, read

VERSION: typing.Final = 1
HEADER: typing.Final = """\
# Written by tenantnet: what it chose, and what is in use. Commit it; never edit it by hand.
"""

#: Kinds of values; the scope within which each is unique: the physical network, the network's id, the node.
Kind = typing.Literal["vxlan", "gre", "vlan", "address", "mac", "local_vlan", "zone"]
SCOPES: typing.Final[dict[Kind, str]] = {
    "vxlan": "",
    "gre": "",
    "vlan": "physical_network",
    "address": "network",
    "mac": "network",
    "local_vlan": "node",
    "zone": "node",
}
_TEXTS: typing.Final = ("address", "mac")  # kinds whose values are text


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A value and who has it. `nodes`: of a retiring one, those that may still carry it."""

    kind: Kind
    scope: str
    value: int | str
    id: str
    name: str
    nodes: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[Kind, str, int | str]:
        """What no two pins may share."""
        return self.kind, self.scope, self.value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What was chosen for a deployment."""

    pins: tuple[Pin, ...] = ()
    retiring: tuple[Pin, ...] = ()


def confirmed(lock: Lock, nodes: typing.Collection[str]) -> Lock:
    """The lock after these nodes removed everything that is not desired: what only they carried is free."""
    left = [dataclasses.replace(p, nodes=tuple(n for n in p.nodes if n not in nodes)) for p in lock.retiring]
    return dataclasses.replace(lock, retiring=tuple(p for p in left if p.nodes))


def load(path: pathlib.Path) -> Lock:
    """The lock in a file, empty when there is none. Raises TopologyErrors when it is not one that tenantnet wrote."""
    if not path.exists():
        return Lock()
    report = Report(Sources())
    data = read(path, path.name, report, large=True)
    if isinstance(data, dict) and data.get("version") != VERSION:
        report.add(path.name, ("version",), f"is not {VERSION}, the version that this tenantnet reads")
    report.stop()
    try:
        pins = tuple(_pin(kind, entry, path.name) for kind in SCOPES for entry in data.get(_heading(kind), ()))
        retiring = tuple(_pin(entry["kind"], entry, path.name) for entry in data.get("retiring", ()))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise TopologyErrors([Problem(file=path.name, message="is not a lock file", hint=_RESTORE)]) from None
    lock = Lock(pins=pins, retiring=retiring)
    _check(lock, path.name)
    return lock


_RESTORE: typing.Final = "restore it from version control"
