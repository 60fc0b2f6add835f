# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a person would look at first on a node whose check failed."""

from __future__ import annotations

from collections.abc import Sequence

from ..plan.check import Check
from .kinds import places
from .session import Session, enter

LINES = 60  # of each command

COMMANDS: tuple[Sequence[str], ...] = (
    ("ovs-vsctl", "show"),
    ("ovs-ofctl", "--names", "--no-stats", "dump-flows", "br-int"),
    ("ovs-ofctl", "--names", "--no-stats", "dump-flows", "br-tun"),
    ("ip", "-brief", "address"),
    ("ip", "neighbour"),
    ("conntrack", "-L"),
)
INSIDE: tuple[Sequence[str], ...] = (("ip", "-brief", "address"), ("ip", "route"), ("ip", "neighbour"))


def diagnostics(session: Session, check: Check) -> list[tuple[str, str]]:
    """(what was run where, what it said) for each node and namespace that a check speaks of."""
    found = []
    nodes = dict.fromkeys([check.node, *(p["node"] for p in places(check))])
    inside = [p for p in places(check) if p["namespace"]]
    asked = [({"node": node, "namespace": ""}, command) for node in nodes for command in COMMANDS]
    asked += [(place, command) for place in inside for command in INSIDE]
    for place, command in asked:
        argv = enter(place, command)
        result = session.host(place["node"]).run(" ".join(["%s"] * len(argv)), *argv)
        found.append((f"{place['node']}: {' '.join(argv)}", trimmed(result.stdout + result.stderr)))
    return found


def trimmed(text: str) -> str:
    """The first lines, and how many are left out."""
    lines = text.splitlines()
    left = [f"… {len(lines) - LINES} more lines"] if len(lines) > LINES else []
    return "\n".join([*lines[:LINES], *left])
