# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Instances: the way of a network card to br-int, and its security groups, by the firewall of its node."""

from __future__ import annotations

from ...module_utils.state import Resource
from ..topology import model
from . import firewall, iptables_firewall, ovs_firewall

SLICE = firewall.SLICE

FIREWALLS = {"iptables_hybrid": iptables_firewall.compile, "openvswitch": ovs_firewall.compile}


def compile(topology: model.Topology, node: model.Node) -> list[Resource]:
    """Plumbing and firewall of all instance ports of a node."""
    if "compute" not in node.roles:
        return []
    ports = [p for p in topology.ports_on(node.name) if p.owner == "instance"]
    shared = [resource for port in ports for resource in firewall.plugged(topology, port)]
    return [*shared, *FIREWALLS[node.firewall](topology, node, ports)]
