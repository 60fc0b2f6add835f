# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Supervised processes, each with the files that it reads."""

from __future__ import annotations

import re
import typing

from ..errors import TenantnetError
from ..resources import Item, View
from ..state import Daemon, File, Resource, digest
from . import words

_MODE = re.compile(r"0?[0-7]{3}")
_PLAIN_MODE = 0o644


def normal(item: Item, owner: str) -> Item:
    """Modes have four octal digits."""
    what = f"daemon {words.label(item['name'], 'daemon')}"
    if item.get("namespace"):
        words.label(item["namespace"], "namespace")
    if item.get("command") == []:
        raise TenantnetError(f"{what}: its command is empty")
    if "files" not in item:
        return item
    words.unique([file["path"] for file in item["files"]], f"{what} has file")
    return {**item, "files": [_file(file, f"{what}, file {file['path']!r}") for file in item["files"]]}


def _file(file: Item, what: str) -> Item:
    if any(part in ("", ".", "..") for part in file["path"].split("/")):
        raise TenantnetError(f"{what}: a path is relative to the daemon's own directory, like dns.conf or zones/lan")
    if not _MODE.fullmatch(mode := file.get("mode", "0644")):
        raise TenantnetError(f"{what}: mode {mode!r} is not three or four octal digits in quotes, like '0644'")
    return {**file, **({"mode": f"{int(mode, 8):04o}"} if "mode" in file else {})}


def build(item: Item) -> list[Resource]:
    """The daemon, which knows what it has read by a digest, then its files."""
    name = item["name"]
    if "command" not in item:
        raise TenantnetError(f"daemon {name} is a new one and needs a command")
    files = [_resource(name, file) for file in sorted(item.get("files", ()), key=lambda file: str(file["path"]))]
    read = digest(*(text for file in files for text in (file.path, file.content))) if files else ""
    return [
        Daemon(
            slice=VIEW.name,
            name=name,
            namespace=item.get("namespace", ""),
            command=tuple(item["command"]),
            **{item.get("on_change", "restart"): read},
        ),
        *files,
    ]


def _resource(name: str, file: Item) -> File:
    if "content" not in file:
        raise TenantnetError(f"daemon {name}: file {file['path']} is a new one and needs a content")
    mode = int(file.get("mode", f"{_PLAIN_MODE:o}"), 8)
    return File(slice=VIEW.name, path=f"{name}/{file['path']}", content=file["content"], mode=mode)


def show(resources: typing.Sequence[Resource]) -> list[Item]:
    """Daemons, each with its files."""
    found: dict[str, Item] = {}
    for daemon in (r for r in resources if isinstance(r, Daemon)):
        found[daemon.name] = words.shown(daemon, ["restart", "reload"], {"namespace": ""})
        if daemon.reload:
            found[daemon.name]["on_change"] = "reload"
    for file in (r for r in resources if isinstance(r, File)):
        name, _slash, path = file.path.partition("/")
        mode = {"mode": f"{file.mode:04o}"} if file.mode != _PLAIN_MODE else {}
        if name in found:
            found[name].setdefault("files", []).append({"path": path, "content": file.content, **mode})
    return [found[name] for name in sorted(found)]


VIEW: typing.Final = View(
    name="daemons",
    kinds=(File, Daemon),
    key=("name",),
    inner={"files": "path"},
    values=("command",),
    normal=normal,
    build=build,
    show=show,
)
