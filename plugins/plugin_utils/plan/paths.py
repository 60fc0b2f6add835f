# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The way of a packet through project networks, from router to router, as the topology has it.

Written from what routers and clients are told, and not from what is on nodes, so that verification compares both.
"""

from __future__ import annotations

import ipaddress

from ..topology import model
from . import dhcp

LIMIT = 8  # routers on the way; more is a circle


def trace(topology: model.Topology, port: model.Port, address: str) -> list[str]:
    """Labels of the routers between an instance's port and a fixed address beyond its network; empty without a way."""
    network, path = topology.networks[port.network], list[str]()
    subnet = topology.subnet(port.fixed_ips[0].subnet)
    routes = [(subnet.cidr, None), *dhcp.classless_routes(topology, network, subnet)]
    routes += [("0.0.0.0/0", subnet.gateway_ip)] if subnet.gateway_ip else []
    here, hop = port.network, _lookup(routes, address)
    while hop is not None and len(path) < LIMIT:
        neighbour = _neighbour(topology, here, hop)
        if hop == address:
            return path if neighbour else []
        router = topology.routers.get(neighbour.device) if neighbour else None
        if router is None:
            return []
        path.append(router.label)
        here, hop = _forward(topology, router, address)
    return []


def islands(topology: model.Topology) -> dict[str, str]:
    """For each network that has a router one of those that routers join to it, the same for all of them."""
    networks: dict[str, set[str]] = {}
    for port in topology.ports.values():
        if port.owner == "router_interface":
            networks.setdefault(port.device, set()).add(port.network)
    found: dict[str, str] = {}
    for joined in networks.values():
        before = {found[network] for network in joined if network in found}
        name = min(before or joined)
        also = [network for network, island in found.items() if island in before] if len(before) > 1 else []
        found |= dict.fromkeys((*joined, *also), name)
    return found


def _forward(topology: model.Topology, router: model.Router, address: str) -> tuple[str, str | None]:
    """The network that a router sends to, and the next hop there; none on a way out of the project's networks."""
    ports = [p for p in topology.ports.values() if p.device == router.id and p.owner == "router_interface"]
    for port in ports:
        if any(topology.subnet(ip.subnet).holds(address) for ip in port.fixed_ips):
            return port.network, address
    hop = _lookup(list(router.routes), address)
    for port in ports:
        if hop and any(topology.subnet(ip.subnet).holds(hop) for ip in port.fixed_ips):
            return port.network, hop
    return "", None


def _lookup(routes: list[tuple[str, str]] | list[tuple[str, str | None]], address: str) -> str | None:
    """The next hop of the longest prefix; on the wire itself that is the destination."""
    nets = [(ipaddress.IPv4Network(prefix), hop) for prefix, hop in routes]
    found = [(net.prefixlen, hop) for net, hop in nets if ipaddress.IPv4Address(address) in net]
    if not found:
        return None
    hop = max(found, key=lambda item: item[0])[1]
    return address if hop in (None, "0.0.0.0") else hop


def _neighbour(topology: model.Topology, network: str, address: str) -> model.Port | None:
    found = (
        p for p in topology.ports.values() if p.network == network and any(i.address == address for i in p.fixed_ips)
    )
    return next(found, None)
