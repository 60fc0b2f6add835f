# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Which function measures which kind of check."""

from __future__ import annotations

import typing
from collections.abc import Callable

from ..plan.check import Check
from . import dns, exhaustion, fragments, frames, hidden, lease, metadata, offers, reach, structure, wire
from .outcome import NotMeasured
from .session import Session

KINDS: typing.Final[dict[str, Callable[[Session, Check], None]]] = {
    "answered": wire.answered,
    "bridge": structure.bridge,
    "closed": reach.closed,
    "conntrack": exhaustion.conntrack,
    "daemons": structure.daemons,
    "endpoint": wire.endpoint,
    "fragments": fragments.fragments,
    "frame": frames.frame,
    "lease": lease.lease,
    "leaving": reach.leaving,
    "log": structure.log,
    "mac_table": exhaustion.mac_table,
    "metadata": metadata.own,
    "metadata_forged": metadata.forged,
    "mtu": reach.mtu,
    "names": dns.names,
    "namespace": structure.namespace,
    "node_hidden": frames.node_hidden,
    "nodes_hidden": hidden.nodes_hidden,
    "no_offer": offers.no_offer,
    "north": reach.north,
    "offer": offers.offer,
    "open": reach.opened,
    "port_hidden": hidden.port_hidden,
    "starvation": exhaustion.starvation,
    "status": structure.status,
    "untracked": wire.untracked,
    "wire": wire.wire,
}


def measure(session: Session, check: Check) -> None:
    """Return when it is as it must be; raises Unmet, NotMeasured, or RuntimeError when measuring itself failed."""
    for place in places(check):
        if not place.get("ours", True):
            raise NotMeasured(f"{place['label']} is a virtual machine: no probe can be run in it")
    for machine in check.args.get("needs", ()):
        if machine not in session.hosts:
            raise NotMeasured(f"there is no machine {machine}")
    KINDS[check.kind](session, check)


def places(check: Check) -> list[dict[str, typing.Any]]:
    """All places that a check's arguments name."""
    values = [v for arg in check.args.values() for v in (arg if isinstance(arg, list) else [arg])]
    return [v for v in values if isinstance(v, dict) and "namespace" in v]
