# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The lock file, topology.lock.yml: every value that is in use, who has it, and what is not free again yet.

One line a value, sorted, so that a review reads it and two branches that choose the same value conflict. `id` is what
counts; the name beside it is for people. A value under `retiring` belonged to something that is gone, and nothing else
gets it before each node named there has confirmed that it no longer carries it. An address answers at one `node`; those
that it is `leaving` may answer for it, too, until they have confirmed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import ipaddress
import json
import os
import pathlib
import re
import tempfile
import typing

from ..topology.source import Report, Sources, read

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
_MAC: typing.Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_RESTORE: typing.Final = "restore it from version control"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A value and who has it.

    `nodes`: of a retiring one, those that may still carry it. Of an address that is in use, `node` is where it answers,
    and `leaving` are other nodes where it may still do so.
    """

    kind: Kind
    scope: str
    value: int | str
    id: str
    name: str
    nodes: tuple[str, ...] = ()
    node: str = ""
    leaving: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[Kind, str, int | str]:
        """What no two pins may share."""
        return self.kind, self.scope, self.value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What was chosen for a deployment."""

    pins: tuple[Pin, ...] = ()
    retiring: tuple[Pin, ...] = ()


def owner(label: str) -> str:
    """The project of what has a label such as `demo/router:private`; "" for what is the administrators'."""
    return label.partition("/")[0] if "/" in label else ""


def seen_by(label: str, other: str, hidden: str = "another project") -> str:
    """The label of another thing for whoever owns the first one; of another project's it tells only that it is."""
    return other if owner(label) in ("", owner(other)) or not owner(other) else hidden


def confirmed(lock: Lock, nodes: typing.Collection[str]) -> Lock:
    """The lock after these nodes removed everything that is not desired: what only they carried is free."""
    pins = (dataclasses.replace(p, leaving=tuple(n for n in p.leaving if n not in nodes)) for p in lock.pins)
    left = [dataclasses.replace(p, nodes=tuple(n for n in p.nodes if n not in nodes)) for p in lock.retiring]
    return Lock(pins=tuple(pins), retiring=tuple(p for p in left if p.nodes))


def load(path: pathlib.Path) -> Lock:
    """The lock in a file, empty when there is none. Raises TopologyErrors when it is not one that tenantnet wrote."""
    path = path.resolve()
    if not path.exists():
        return Lock()
    report = Report(Sources())
    data = read(path, path.name, report, times=100)
    report.stop()
    if not isinstance(data, dict) or data.get("version") != VERSION:
        report.add(path.name, ("version",), f"is not a lock file of version {VERSION}", _RESTORE)
        report.stop()
    lock = Lock(
        pins=tuple(pin for kind in SCOPES for pin in _entries(data, kind, path.name, report)),
        retiring=tuple(_entries(data, "retiring", path.name, report)),
    )
    report.stop()
    return lock


def dump(lock: Lock) -> str:
    """The text of a lock file: the same lock gives the same bytes."""
    lines = [HEADER + f"version: {VERSION}"]
    for kind in SCOPES:
        pins = sorted((p for p in lock.pins if p.kind == kind), key=_order)
        lines += [f"{kind}:", *map(_line, pins)] if pins else []
    if lock.retiring:
        lines += ["retiring:", *map(_line, sorted(lock.retiring, key=lambda p: (p.kind, _order(p))))]
    return "\n".join(lines) + "\n"


def write(path: pathlib.Path, lock: Lock) -> bool:
    """Replace the file in one step if its text differs; tells whether it did.

    A run as root leaves the file to whoever owns it, or owns the directory.
    """
    path = path.resolve()
    return replace(path, dump(lock), like=path)


def replace(path: pathlib.Path, text: str, like: pathlib.Path) -> bool:
    """Replace a file in one step if its text, mode or owner differs from what it should be; tells whether it did.

    `like` is the file whose mode and owner it gets; where that is missing, its directory's owner, and everyone reads.
    """
    content, made = text.encode(), like.exists()
    model = like.stat() if made else like.parent.stat()
    mode = model.st_mode & 0o666 if made else 0o644
    if path.exists() and path.read_bytes() == content and _is_as(path.stat(), mode, model):
        return False
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), model.st_uid, model.st_gid)
            file.flush()
            os.fsync(file.fileno())
            pathlib.Path(file.name).rename(path)
        except BaseException:
            pathlib.Path(file.name).unlink(missing_ok=True)
            raise
    return True


def _is_as(found: os.stat_result, mode: int, model: os.stat_result) -> bool:
    owned = (found.st_uid, found.st_gid) == (model.st_uid, model.st_gid) or os.geteuid() != 0
    return owned and found.st_mode & 0o777 == mode


def make_directory(path: pathlib.Path) -> None:
    """Make a directory, unless it is there. A run as root leaves it to whoever owns the one above."""
    if not path.is_dir():
        path.mkdir(mode=0o755)
        if os.geteuid() == 0:
            os.chown(path, path.parent.stat().st_uid, path.parent.stat().st_gid)


@contextlib.contextmanager
def held(path: pathlib.Path) -> typing.Iterator[None]:
    """Keep other runs from changing a lock file between reading and writing it: they wait for this one."""
    descriptor = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _entries(data: dict[str, typing.Any], section: str, file: str, report: Report) -> list[Pin]:
    """The pins of one section; two that share a place are told."""
    found: dict[tuple[Kind, str, int | str], Pin] = {}
    entries = data.get(section) or []
    for index, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        try:
            pin = _pin(section, entry)
        except (KeyError, TypeError, ValueError):
            report.add(file, (section, index), "is not an entry of a lock file", _RESTORE)
            continue
        if other := found.get(pin.place):
            message = f"{pin.value} is given twice, to '{other.name}' and to '{pin.name}'"
            hint = "after a merge of two branches, delete the line of the one that no node has yet"
            report.add(file, (section, index), message, hint)
        found[pin.place] = pin
    return list(found.values())


def _pin(section: str, item: typing.Any) -> Pin:
    entry: dict[str, typing.Any] = dict(item)
    kind = typing.cast(Kind, entry["kind"] if section == "retiring" else section)
    scope = entry[SCOPES[kind]] if SCOPES[kind] else ""
    nodes = tuple(entry["nodes"]) if section == "retiring" else ()
    node, leaving = entry.get("node", "") if kind == "address" else "", tuple(entry.get("leaving", ()))
    texts = (scope, entry["id"], entry["name"], *nodes, node, *leaving)
    if not all(isinstance(text, str) for text in texts) or not _is_value(kind, value := entry["value"]):
        raise ValueError(entry)
    named = {"id": entry["id"], "name": entry["name"], "nodes": nodes, "node": node, "leaving": leaving}
    return Pin(kind=kind, scope=scope, value=value, **named)


def _is_value(kind: Kind, value: typing.Any) -> bool:
    if kind == "address":
        return bool(str(ipaddress.IPv4Address(value)) == value)
    if kind == "mac":
        return _MAC.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def _line(pin: Pin) -> str:
    # Double quotes as in JSON: a name holds colons, and a MAC would be a number to some readers.
    fields: dict[str, typing.Any] = {"kind": pin.kind} if pin.nodes else {}
    fields |= {"value": pin.value, "name": pin.name, "id": pin.id}
    fields |= {SCOPES[pin.kind]: pin.scope} if SCOPES[pin.kind] else {}
    fields |= {"nodes": pin.nodes} if pin.nodes else {}
    fields |= {"node": pin.node} if pin.node else {}
    fields |= {"leaving": pin.leaving} if pin.leaving else {}
    return f"- {{{', '.join(f'{key}: {json.dumps(value)}' for key, value in fields.items())}}}"


def _order(pin: Pin) -> tuple[str, str, tuple[int, ...], str]:
    value = pin.value
    numbers = (value,) if isinstance(value, int) else tuple(int(part, 16) for part in re.split(r"[.:]", value))
    return (pin.scope if SCOPES[pin.kind] != "network" else "", pin.name, numbers, pin.id)
