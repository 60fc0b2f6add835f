# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Requests to ovs-vswitchd about what its database and OpenFlow know nothing of, as ovs-appctl(8) makes them."""

from __future__ import annotations

import contextlib
import pathlib
import time
import typing

from .errors import TenantnetError

try:
    from ovs.unixctl.client import UnixctlClient
except ImportError:  # told to the person at the first use
    UnixctlClient = None

MAX_REVALIDATOR = 0.5  # seconds between two looks at a cached flow at most: other_config:max-revalidator, its default


def forget_macs(rundir: pathlib.Path, bridges: typing.Iterable[str]) -> None:
    """Empty the tables of MACs that the action NORMAL of bridges learned: the next packet of each MAC fills them again.

    `rundir` is where ovs-vswitchd has its sockets. Raises TenantnetError when it does not answer. Source:
    ovs-vswitchd(8), "fdb/flush".
    """
    with _asked(rundir) as ask:
        for bridge in bridges:
            if refusal := ask("fdb/flush", bridge):
                raise TenantnetError(f"ovs-vswitchd does not forget the MACs of bridge {bridge}: {refusal}")


def revalidate(rundir: pathlib.Path) -> None:
    """Wait until all cached flows, whoever is looking at them now, have been looked at again: a second at most.

    Raises TenantnetError when ovs-vswitchd does not answer. Source: "revalidator/wait" in ofproto-dpif-upcall.c.
    """
    with _asked(rundir) as ask:
        for _round in ("the one that may be under way", "one that begins now"):
            if ask("revalidator/wait"):  # it knows to wait for those of one datapath only
                time.sleep(MAX_REVALIDATOR)


@contextlib.contextmanager
def _asked(rundir: pathlib.Path) -> typing.Iterator[typing.Callable[..., str]]:
    """How to ask: it returns why ovs-vswitchd refuses, "" when it does not."""
    if UnixctlClient is None:
        raise TenantnetError("the Python library ovs is not installed on this node")
    try:
        pid = (rundir / "ovs-vswitchd.pid").read_text(encoding="ascii").strip()
    except FileNotFoundError as exc:
        raise TenantnetError("ovs-vswitchd is not running on this node") from exc
    error, client = UnixctlClient.create(str(rundir / f"ovs-vswitchd.{pid}.ctl"))
    if error:
        raise TenantnetError("ovs-vswitchd does not answer")

    def ask(command: str, *arguments: str) -> str:
        error, refusal, _said = client.transact(command, list(arguments))
        if error:
            raise TenantnetError("ovs-vswitchd does not answer")
        return str(refusal or "")

    try:
        yield ask
    finally:
        client.close()
