# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""System calls about namespaces and mounts (some of them are in Python's os module only from 3.12 on)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import signal
import typing

# <sched.h>
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# <sys/mount.h>
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SHARED = 0x100000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x1, 0x2, 0x4, 0x8
MNT_DETACH = 0x2

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces of the given kinds for new ones; a new PID namespace begins with the next child."""
    _call(_libc.unshare, flags)


def setns(descriptor: int) -> None:
    """Enter the network namespace of an open descriptor."""
    _call(_libc.setns, descriptor, CLONE_NEWNET)


def mount(source: str, target: str, kind: str = "none", flags: int = 0, options: str = "") -> None:
    """Mount; raises OSError with the target as its file name."""
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode() or None)
    _call(_libc.mount, *arguments, path=target)


def bind(source: str, target: str) -> None:
    """Make what is at source visible at target as well."""
    mount(source, target, flags=MS_BIND)


def detach(target: str) -> None:
    """Unmount now for those who come, and really when the last user has gone."""
    _call(_libc.umount2, target.encode(), MNT_DETACH, path=target)


def make_private() -> None:
    """Keep what is mounted from now on in this mount namespace, and what others mount out of it."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def pivot_root(root: str) -> None:
    """Make a mount point the root, with nothing left of the old one; the working directory is the new root."""
    os.chdir(root)
    here = ctypes.c_char_p(b".")
    _call(_libc.syscall, ctypes.c_long(_PIVOT_ROOT[os.uname().machine]), here, here, path=root)
    detach(".")  # the old root lies on top of the new one, pivot_root(2)
    os.chdir("/")


def set_hostname(name: str) -> None:
    """Name the present UTS namespace."""
    _call(_libc.sethostname, name.encode(), ctypes.c_size_t(len(name.encode())))


def die_with_parent() -> None:
    """Be killed when the parent ends, however it does."""
    _call(_libc.prctl, _PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))


@contextlib.contextmanager
def inside(namespace: str) -> typing.Iterator[None]:
    """Be in another network namespace (a path) for a while: sockets opened meanwhile stay in it."""
    own = pathlib.Path("/proc/thread-self/ns/net")
    with own.open("rb") as home, pathlib.Path(namespace).open("rb") as target:
        setns(target.fileno())
        try:
            yield
        finally:
            setns(home.fileno())


def _call(function: typing.Any, *arguments: typing.Any, path: str | None = None) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}", path)
