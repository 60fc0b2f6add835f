# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Kernel settings below /proc/sys, by their names in sysctl(8).

Those below `net` are of the network namespace that the calling thread is in (see Netns.enter).
"""

from __future__ import annotations

import pathlib

from .errors import TenantnetError

_SWAPPED = str.maketrans("./", "/.")


def read(name: str) -> str | None:
    """The value with single spaces; None when the kernel does not know the name."""
    path = _path(name)
    try:
        return " ".join(path.read_text(encoding="ascii").split())
    except FileNotFoundError:
        # A device without IPv6 (kernel option, or MTU below 1280) has what whoever turns IPv6 off wants to have.
        return "1" if path.match("/proc/sys/net/ipv6/conf/*/disable_ipv6") else None


def write(name: str, value: str) -> None:
    """Set a value, unless it is set already; raises TenantnetError."""
    if read(name) == value:
        return
    try:
        _path(name).write_text(value, encoding="ascii")
    except OSError as exc:
        raise TenantnetError(f"sysctl {name} cannot be set to {value}: {exc.strerror}") from exc


def conf(device: str, key: str) -> str:
    """Name of a device's setting: ("eth0", "ipv4.arp_ignore") is net/ipv4/conf/eth0/arp_ignore."""
    family, _dot, setting = key.partition(".")
    return f"net/{family}/conf/{device}/{setting}"


def _path(name: str) -> pathlib.Path:
    """The separator is whichever of . and / comes first; where it is the dot, eth0.7 is written eth0/7."""
    separator = next((character for character in name if character in "./"), "/")
    return pathlib.Path("/proc/sys", name.translate(_SWAPPED) if separator == "." else name)
