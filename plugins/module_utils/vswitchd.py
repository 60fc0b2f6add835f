# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Requests to ovs-vswitchd about what its database and OpenFlow know nothing of, as ovs-appctl(8) makes them."""

from __future__ import annotations

import pathlib
import typing

from .errors import TenantnetError
from .ovsdb import SOCKET

try:
    from ovs.unixctl.client import UnixctlClient
except ImportError:  # told to the person at the first use
    UnixctlClient = None


def forget_macs(bridges: typing.Iterable[str]) -> None:
    """Empty the tables of MACs that the action NORMAL of bridges learned: the next packet of each MAC fills them again.

    Raises TenantnetError when ovs-vswitchd does not answer. Source: ovs-vswitchd(8), "fdb/flush".
    """
    if UnixctlClient is None:
        raise TenantnetError("the Python library ovs is not installed on this node")
    try:
        pid = pathlib.Path(SOCKET.parent, "ovs-vswitchd.pid").read_text(encoding="ascii").strip()
    except FileNotFoundError as exc:
        raise TenantnetError("ovs-vswitchd is not running on this node") from exc
    error, client = UnixctlClient.create(str(SOCKET.parent / f"ovs-vswitchd.{pid}.ctl"))
    if error:
        raise TenantnetError("ovs-vswitchd does not answer")
    try:
        for bridge in bridges:
            error, refused, _said = client.transact("fdb/flush", [bridge])
            if error or refused:
                raise TenantnetError(f"ovs-vswitchd does not forget the MACs of bridge {bridge}: {refused or error}")
    finally:
        client.close()
