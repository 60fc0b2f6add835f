# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Nodes against the wires that the provider declares."""

from __future__ import annotations

from ..errors import suggest
from ..inventory import at
from ..model import Node
from ..raw import Raw
from ..source import Report


def check(raw: Raw, report: Report) -> None:
    """The interfaces, bridges and tunnel addresses of nodes."""
    for node in raw.nodes.values():
        _check_interfaces(raw, node, report)
        _check_bridges(raw, node, report)
    _check_tunnel_ips(raw, report)


def _check_interfaces(raw: Raw, node: Node, report: Report) -> None:
    uses: dict[str, str] = {}
    known = ["management", "tunnel", *raw.provider.physical_networks]
    for use, device in node.interfaces.items():
        if use not in known:
            message = f"'{use}' is neither management, tunnel nor a physical network of provider.yml"
            at(report, node.name, "interfaces", message, suggest(use, known), (use,))
        elif device in uses:
            at(report, node.name, "interfaces", f"'{device}' is already the interface of {uses[device]}", "", (use,))
        uses.setdefault(device, use)


def _check_bridges(raw: Raw, node: Node, report: Report) -> None:
    bridges = [p.bridge for p in raw.provider.physical_networks.values()]
    for index, bridge in enumerate(node.adopt_bridges):
        if bridge not in bridges:
            message = f"'{bridge}' is not the bridge of a physical network"
            at(report, node.name, "adopt_bridges", message, suggest(bridge, bridges), (index,))


def _check_tunnel_ips(raw: Raw, report: Report) -> None:
    seen: dict[str, str] = {}
    for node in raw.nodes.values():
        if node.tunnel_ip and node.tunnel_ip in seen:
            at(report, node.name, "tunnel_ip", f"{node.tunnel_ip} is already the address of {seen[node.tunnel_ip]}")
        seen.setdefault(node.tunnel_ip or "", node.name)
