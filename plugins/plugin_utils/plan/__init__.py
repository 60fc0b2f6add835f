# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The plan: a resolved topology becomes one node state for each node.

Pure: no input or output, no clock, no randomness. A compiler is named after the Neutron agent whose work it describes;
each gives one slice.
"""

from __future__ import annotations

from ...module_utils.state import NodeState
from ..topology import model
from . import dhcp, guests, instances, metadata, routing, switching

COMPILERS = (switching, routing, dhcp, metadata, instances, guests)


def compile(topology: model.Topology) -> dict[str, NodeState]:
    """Node states by the name of the node."""
    return {name: node_state(topology, node) for name, node in sorted(topology.nodes.items())}


def node_state(topology: model.Topology, node: model.Node) -> NodeState:
    """All slices of one node."""
    resources = tuple(resource for compiler in COMPILERS for resource in compiler.compile(topology, node))
    return NodeState(deployment=topology.deployment, node=node.name, resources=resources)
