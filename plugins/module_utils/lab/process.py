# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Processes by their id and start time: an id alone may have been given to somebody else meanwhile."""

from __future__ import annotations

import os
import pathlib
import select
import signal
import typing

from ..errors import TenantnetError

#: Marks a process, and all that it starts, as one of a lab: "<lab>/<machine>".
MARK = "TENANTNET_LAB"


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks after boot; None when it has ended."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name, in brackets, may contain anything
    return None if fields[0] in "ZX" else int(fields[19])


def marked(mark: str) -> list[int]:
    """Processes of a machine ("<lab>/<machine>") or of a whole lab ("<lab>/"), other than the present one."""
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _all() if pid != os.getpid() and any(_matches(v, wanted) for v in _environment(pid))]


def _matches(variable: bytes, wanted: bytes) -> bool:
    return variable.startswith(wanted) if wanted.endswith(b"/") else variable == wanted


def _all() -> typing.Iterator[int]:
    return (int(path.name) for path in pathlib.Path("/proc").iterdir() if path.name.isdigit())


def _environment(pid: int) -> list[bytes]:
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or it is not ours to look at
        return []


def kill(pid: int, seconds: float = 10.0) -> None:
    """End a process at once and wait until it has gone; raises TenantnetError after so many seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        if not select.select([descriptor], [], [], seconds)[0]:
            raise TenantnetError(f"waited {seconds:g} s in vain for process {pid} to end")
    except ProcessLookupError:  # it has ended, and waits for its parent to ask how
        return
    finally:
        os.close(descriptor)
