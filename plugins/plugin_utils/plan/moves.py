# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What moves from one node to another: an address answers at one place, so it leaves the old one first.

The lock file tells where an address answered before. Until that node has confirmed that it is gone there, the ports
with the address are born dead at the new place (see `Port.late`), and a floating IP is not there yet (`Link.late`).
"""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterator

from ...module_utils.errors import TenantnetError
from ..topology import model


def moves(topology: model.Topology) -> list[dict[str, typing.Any]]:
    """Each port and floating IP that moves: what it is, the nodes where it may answer still, and where it goes."""
    return [{"what": what, "from": list(old), "to": new} for what, old, new in _moving(topology)]


def check(topology: model.Topology, hosts: Collection[str]) -> None:
    """Raise TenantnetError for what may still answer on a node that is not among these hosts."""
    problems = [
        f"{what} moves to {new}, and may still answer on {', '.join(absent)}, which this run leaves out"
        for what, old, new in _moving(topology)
        if (absent := [node for node in old if node not in hosts])
    ]
    if problems:
        hint = "include it, or when it is gone for good, run playbooks/forget.yml for it"
        raise TenantnetError("\n".join([*problems, hint]))


def _moving(topology: model.Topology) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """What, from which nodes, to which."""
    for port in topology.ports.values():
        if port.leaving:
            yield port.label, port.leaving, port.node
    outer = {floating.address: floating for floating in topology.floating_ips.values()}
    for floating in (outer | {one.address: one for one in topology.port_forwardings.values()}).values():
        if floating.leaving:
            yield f"floating IP {floating.address}", floating.leaving, topology.routers[floating.router].node
