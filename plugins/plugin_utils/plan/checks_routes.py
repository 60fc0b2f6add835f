# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of routes: those that routers have beside their subnets', and those that clients are told.

To each subnet somebody asks who is led there by other routers than its own, and somebody who is not. Neighbours, and
those behind the same router, are asked already (checks_reach.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from .check import Check
from .checks_pairs import Pair, pair
from .paths import islands, trace

ASKED = 8  # sources that are looked at for each subnet


def checks(topology: model.Topology) -> Iterator[Check]:
    """From one network that leads to a subnet, and from one that does not, as far as routers join them somehow."""
    ports = [p for p in places.addressed(topology) if topology.instances[p.device].ports[0] == p.id]
    sources = [*_by_subnet(ports, first=True).values()]
    destinations, island = _by_subnet(ports), islands(topology)
    gateways = {p.id: places.router_of(topology, p) for p in (*sources, *destinations.values())}
    for subnet, destination in destinations.items():
        inner = {ip.subnet: ip.address for ip in reversed(destination.fixed_ips)}[subnet]
        far = [
            source
            for source in sources
            if source.network != destination.network
            and gateways[source.id] != gateways[destination.id]
            and island.get(source.network) is not None
            and island.get(source.network) == island.get(destination.network)
        ]
        asked: dict[bool, tuple[model.Port, list[str]]] = {}
        for source in far[:ASKED]:
            way = trace(topology, source, inner)
            routed = bool(way and trace(topology, destination, source.fixed_ips[0].address))
            asked.setdefault(routed, (source, way))
        for routed, (source, way) in asked.items():
            yield from _pair(topology, source, destination, inner, way if routed else [])


def _pair(
    topology: model.Topology, source: model.Port, destination: model.Port, inner: str, way: list[str]
) -> Iterator[Check]:
    place = places.of(topology, source)
    yield from pair(
        topology,
        Pair(
            name=f"routes.{place['label']}>{places.label(topology, destination)}.{inner}",
            group="routing",
            source=place,
            source_port=source,
            port=destination,
            inner=inner,
            routed=bool(way),
            how=f"by {' and '.join(way)}",
        ),
    )


def _by_subnet(ports: list[model.Port], first: bool = False) -> dict[str, model.Port]:
    """One port of each subnet; `first`: of the one that its instance sends from."""
    found: dict[str, model.Port] = {}
    for port in ports:
        for ip in port.fixed_ips[:1] if first else port.fixed_ips:
            found.setdefault(ip.subnet, port)
    return found
