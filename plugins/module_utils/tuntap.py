# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Taps: network cards of virtual machines as their node sees them, in the network namespace of the calling thread."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import struct
import typing

from .errors import TenantnetError

# <linux/if_tun.h>
_TUNSETIFF, _TUNSETPERSIST, _TUNSETOWNER = 0x400454CA, 0x400454CB, 0x400454CC
_IFF_TAP, _IFF_MULTI_QUEUE, _IFF_NO_PI, _IFF_TUN_EXCL = 0x0002, 0x0100, 0x1000, 0x8000

DEVICE = "/dev/net/tun"


@contextlib.contextmanager
def new(name: str, owner: str, multi_queue: bool) -> typing.Iterator[None]:
    """A tap of a user's, which goes again unless this ends well: nobody sees it without its mark, and it stays.

    Raises OSError, with EBUSY when the name is taken, and TenantnetError when there is no such user.
    """
    uid = _uid(owner)
    tap = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        flags = _IFF_TAP | _IFF_NO_PI | _IFF_TUN_EXCL | (_IFF_MULTI_QUEUE if multi_queue else 0)
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        fcntl.ioctl(tap, _TUNSETOWNER, uid)
        yield
        fcntl.ioctl(tap, _TUNSETPERSIST, 1)
    finally:
        os.close(tap)


def _uid(owner: str) -> int:
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError:
        raise TenantnetError(f"this node has no user {owner}, whom its tap is for") from None


def user(uid: int) -> str:
    """Name of a tap's owner, or the number of one who has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
