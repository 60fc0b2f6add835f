# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Verification as data: what must be true of the running network, and what must not, read off the plan.

Nothing about the topology is decided while measuring: a check's arguments say all. The number of checks grows with that
of ports, not with that of their pairs: where there are many pairs, some are asked and the title says how many are not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...module_utils.state import SLICES, NodeState
from ..topology import model
from . import (
    checks_evasion,
    checks_exhaustion,
    checks_floating,
    checks_frames,
    checks_hidden,
    checks_injected,
    checks_isolation,
    checks_leases,
    checks_metadata,
    checks_names,
    checks_reach,
    checks_routes,
    checks_structure,
    checks_wire,
)
from .check import GROUPS, Check, Group, from_json, to_json

__all__ = ["GROUPS", "Check", "Group", "checks", "from_json", "to_json"]


def checks(topology: model.Topology, states: Mapping[str, NodeState], slices: Collection[str] = SLICES) -> list[Check]:
    """All checks of a topology and of the node states that were compiled from it, by group.

    Packets find their way only where all slices are: of fewer, as in the test of one role, the structure is checked.
    """
    if not set(slices) >= set(SLICES):
        return list(checks_structure.checks(topology, states))
    found = [
        *checks_structure.checks(topology, states),
        *checks_leases.checks(topology),
        *checks_names.checks(topology),
        *checks_metadata.checks(topology),
        *checks_reach.checks(topology),
        *checks_routes.checks(topology),
        *checks_floating.checks(topology),
        *checks_frames.checks(topology),
        *checks_evasion.checks(topology),
        *checks_hidden.checks(topology),
        *checks_isolation.checks(topology),
        *checks_injected.checks(topology),
        *checks_wire.checks(topology, states),
        *checks_exhaustion.checks(topology),
    ]
    return sorted(found, key=lambda check: GROUPS.index(check.group))
