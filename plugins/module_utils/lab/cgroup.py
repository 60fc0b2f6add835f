# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Control groups of the machines that run systemd, which has one of its own to divide. Only version 2 serves."""

from __future__ import annotations

import contextlib
import os
import pathlib

from ..errors import TenantnetError

#: Where systemd-nspawn puts the init of its container, below the group that it was started in.
_INIT = "payload/init.scope/cgroup.procs"


def enter(machine: str) -> None:
    """Make the group of a machine ("<lab>/<machine>") and be in it, as all will be that the present process starts."""
    if not _mount_point():
        raise TenantnetError("no file system cgroup2 is mounted on this host, which systemd in a machine needs")
    _path(machine).mkdir(parents=True, exist_ok=True)
    _path(machine).joinpath("cgroup.procs").write_text("0", encoding="ascii")


def systemd(machine: str) -> int | None:
    """Process id of a machine's systemd, as this host sees it; None while it is not up."""
    try:
        return int(_path(machine).joinpath(_INIT).read_text(encoding="ascii").split()[0])
    except (FileNotFoundError, IndexError, OSError):  # OSError: it is being removed
        return None


def exists(machine: str) -> bool:
    """Whether a machine has a group: one without runs no systemd."""
    return bool(_mount_point()) and _path(machine).is_dir()


def remove(machine: str) -> None:
    """Remove the group of a machine that has ended, and those above it when it was the last."""
    if not exists(machine):
        return
    for path, _directories, _files in os.walk(_path(machine), topdown=False):
        pathlib.Path(path).rmdir()
    for parent in list(_path(machine).parents)[:2]:
        with contextlib.suppress(OSError):  # others are in it
            parent.rmdir()


def _path(machine: str) -> pathlib.Path:
    return pathlib.Path(_mount_point(), "tenantnet", machine)


def _mount_point() -> str:
    """Where this host has version 2 of control groups; "" where it has not."""
    lines = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return next((place for _source, place, kind, *_rest in map(str.split, lines) if kind == "cgroup2"), "")
