# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of who reaches whom: an instance the outside (Case 1), and its neighbours."""

from __future__ import annotations

from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from .check import Check, Group
from .checks_frames import udp
from .checks_pairs import Pair, pair
from .verdict import Service, Side, reaches


def checks(topology: model.Topology) -> Iterator[Check]:
    """Everything about reachability."""
    for port in places.addressed(topology):
        yield from _case1(topology, port)
        yield from _mtu(topology, port)
    yield from _leaving(topology)
    yield from _east_west(topology)


# ------------------------------------------------------------------------------------------------------- north-south


def _case1(topology: model.Topology, port: model.Port) -> Iterator[Check]:
    """An instance's first port reaches the external network, and whoever it talks to sees the right address."""
    router = places.router_of(topology, port)
    if router is None or topology.instances[port.device].ports[0] != port.id:
        return
    gateway = places.gateway_port(topology, router)
    if gateway is None:
        yield _north(topology, port, places.BEYOND, Service(protocol="icmp"), None)
        return
    seen = places.seen_outside(topology, port, router)
    if not router.enable_snat and seen == port.fixed_ips[0].address:
        return  # whether the world outside knows the way back to it is not ours to say
    near = topology.subnet(gateway.fixed_ips[0].subnet).gateway_ip
    for target in filter(None, (near, places.BEYOND)):
        for service in (Service(protocol="icmp"), Service(protocol="tcp", port=80)):
            ends = Side(address=port.fixed_ips[0].address, port=port), Side(address=target)
            yield _north(topology, port, target, service, seen if reaches(topology, *ends, service) else None)


def _north(topology: model.Topology, port: model.Port, target: str, service: Service, seen: str | None) -> Check:
    place = places.of(topology, port)
    how = "by ping" if service.protocol == "icmp" else "by HTTP"
    does = f"reaches {target} outside {how}" if seen else f"does not reach {target} outside {how}"
    return Check(
        id=f"case1.{place['label']}.{'ping' if service.protocol == 'icmp' else 'http'}.{target}",
        title=f"{place['label']} {does}" + (f" and is seen there as {seen}" if seen and service.port else ""),
        group="routing",
        node=port.node,
        kind="north",
        args={
            "source": place,
            "address": target,
            "service": service.protocol,
            "seen": seen,
            "gateway": topology.subnet(port.fixed_ips[0].subnet).gateway_ip,
            "needs": [places.OUTSIDE],
        },
        negative=seen is None,
        requires_guest=True,
    )


def _leaving(topology: model.Topology) -> Iterator[Check]:
    """Of each router one instance without floating IP: as whom the outside sees what it sends, and never otherwise."""
    done: set[str] = set()
    for port in places.addressed(topology):
        router, first = places.router_of(topology, port), topology.instances[port.device].ports[0] == port.id
        if router is None or router.id in done or not first or places.floating_of(topology, port):
            continue
        interface = places.interface_of(topology, port, router)
        if places.gateway_port(topology, router) is None or interface is None:
            continue
        done.add(router.id)
        me, seen = places.of(topology, port), places.seen_outside(topology, port, router)
        frame = udp("leaving", me, interface.mac, places.BEYOND)
        yield Check(
            id=f"leaving.{router.label}",
            title=f"What {me['label']} sends out by router {router.label} is seen there as from {seen} only",
            group="routing",
            node=router.node,
            kind="leaving",
            args={"sender": me, "frame": frame, "outside": places.outside(), "seen": seen, "needs": [places.OUTSIDE]},
            requires_guest=True,
        )


# --------------------------------------------------------------------------------------------------------- east-west


def _east_west(topology: model.Topology) -> Iterator[Check]:
    """Each instance port is asked from one neighbour of each sort: same node, other node, other network of a router."""
    ports = places.addressed(topology)
    by_network: dict[str, list[model.Port]] = {}
    for port in ports:
        by_network.setdefault(port.network, []).append(port)
    joined = _joined(topology)
    for port in ports:
        neighbours = [p for p in by_network[port.network] if p.device != port.device]
        routed = [
            p for n in sorted(joined.get(port.network, ())) for p in by_network.get(n, ()) if p.device != port.device
        ]
        sorts: list[tuple[Group, list[model.Port]]] = [
            ("switching", [p for p in neighbours if p.node == port.node]),
            ("switching", [p for p in neighbours if p.node != port.node]),
            ("routing", [p for p in routed if _routes_to(topology, p, port)]),
        ]
        for group, sources in sorts:
            if sources:
                yield from _neighbour(topology, group, sources, port)


def _joined(topology: model.Topology) -> dict[str, set[str]]:
    """For each network the others that a router joins to it."""
    joined: dict[str, set[str]] = {}
    for router in topology.routers.values():
        inside = {p.network for p in topology.ports.values() if p.device == router.id and p.owner == "router_interface"}
        for network in inside:
            joined.setdefault(network, set()).update(inside - {network})
    return joined


def _routes_to(topology: model.Topology, source: model.Port, destination: model.Port) -> bool:
    """Both have the same router as their gateway, and send by these ports: their first, and no NIC is nearer."""
    router = places.router_of(topology, source)
    ends = ((source, destination), (destination, source))
    return (
        router is not None
        and router == places.router_of(topology, destination)
        and all(topology.instances[one.device].ports[0] == one.id for one, _other in ends)
        and not any(other.network in _networks_of(topology, one) for one, other in ends)
    )


def _networks_of(topology: model.Topology, port: model.Port) -> set[str]:
    """The networks that a port's instance is in."""
    return {topology.ports[p].network for p in topology.instances[port.device].ports}


def _neighbour(topology: model.Topology, group: Group, sources: list[model.Port], port: model.Port) -> Iterator[Check]:
    """The source is another one for each destination, so that all take part."""
    after = [p for p in sources if p.id > port.id] or sources
    source = min(after, key=lambda p: p.id)
    place = places.of(topology, source)
    name = f"eastwest.{place['label']}>{places.label(topology, port)}"
    left = f" ({len(sources) - 1} more like it not asked)" if len(sources) > 1 else ""
    yield from pair(topology, Pair(name=name, group=group, source=place, source_port=source, port=port, left=left))


# --------------------------------------------------------------------------------------------------------------- MTU


def _mtu(topology: model.Topology, port: model.Port) -> Iterator[Check]:
    """A packet as large as the network allows arrives unfragmented, one byte more does not leave the guest."""
    network, subnet = topology.networks[port.network], topology.subnet(port.fixed_ips[0].subnet)
    servers = [ip.address for p in places.ports_of(topology, network.id, "dhcp") for ip in p.fixed_ips]
    targets = [subnet.gateway_ip] if places.router_of(topology, port) else [a for a in servers if subnet.holds(a)]
    me = Side(address=port.fixed_ips[0].address, port=port)
    for target in [t for t in targets if t][:1]:
        if not reaches(topology, me, Side(address=target), Service(protocol="icmp")):
            continue
        place = places.of(topology, port)
        yield Check(
            id=f"mtu.{place['label']}",
            title=f"{place['label']} sends {network.mtu} bytes unfragmented to {target}, and not one more",
            group="switching",
            node=port.node,
            kind="mtu",
            args={"source": place, "address": target, "mtu": network.mtu},
            requires_guest=True,
        )
