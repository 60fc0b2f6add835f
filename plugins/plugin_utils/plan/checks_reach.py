# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of who reaches whom: Case 1 (an instance to the outside), Case 2 (the outside to a floating IP), east-west.

What must be open and what closed follows from the security groups (verdict.py). The destination listens on all asked
ports, the closed ones too: a port is closed when a packet for it does not arrive, not when nobody is there.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from .check import Check, Group
from .checks_places import Place
from .verdict import Service, Side, allows, reaches

BULK = 20000  # bytes over each TCP connection: more than one full segment
TCP_PORTS = (22, 80, 8080)  # always asked, beside the borders of each rule
UDP_PORTS = (53,)
DHCP_PORTS = (67, 68)  # the guest's own client listens there
MAX_PORTS = 12


def checks(topology: model.Topology) -> Iterator[Check]:
    """Everything about reachability."""
    for port in places.addressed(topology):
        yield from _case1(topology, port)
        yield from _mtu(topology, port)
    for floating_ip in sorted(topology.floating_ips.values(), key=lambda f: f.address):
        yield from _case2(topology, floating_ip)
    yield from _east_west(topology)


# ------------------------------------------------------------------------------------------------------- north-south


def _case1(topology: model.Topology, port: model.Port) -> Iterator[Check]:
    """An instance's first port reaches the external network, and whoever it talks to sees the right address."""
    router = places.router_of(topology, port)
    gateway = places.gateway_port(topology, router) if router else None
    if router is None or gateway is None or topology.instances[port.device].ports[0] != port.id:
        return
    address = port.fixed_ips[0].address
    floating = next((f.address for f in topology.floating_ips.values() if f.port == port.id), None)
    seen = floating or (gateway.fixed_ips[0].address if router.enable_snat else None)
    near = topology.subnet(gateway.fixed_ips[0].subnet).gateway_ip
    for target in filter(None, (near, places.BEYOND)):
        for service in (Service(protocol="icmp"), Service(protocol="tcp", port=80)):
            open_ = reaches(topology, Side(address=address, port=port), Side(address=target), service)
            yield _north(topology, port, target, service, seen if open_ else None)


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


def _case2(topology: model.Topology, floating_ip: model.FloatingIp) -> Iterator[Check]:
    """From outside to a floating IP: what the security groups open, and only that."""
    port = topology.ports[floating_ip.port]
    external = topology.routers[floating_ip.router].external_network
    subnets = topology.networks[external].subnets if external else ()
    client = next((s.gateway_ip for s in subnets if s.holds(floating_ip.address)), None)
    if client is None or port not in places.addressed(topology):
        return
    source = {**places.outside(), "ip": client}
    name = f"case2.{places.label(topology, port)}.{floating_ip.address}"
    yield from _pair(topology, name, "floating", source, None, port, floating_ip.address)


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
    """Both have the same router as their gateway, and the source sends by this port (its instance's first)."""
    router = places.router_of(topology, source)
    first = all(topology.instances[p.device].ports[0] == p.id for p in (source, destination))
    return first and router is not None and router == places.router_of(topology, destination)


def _neighbour(topology: model.Topology, group: Group, sources: list[model.Port], port: model.Port) -> Iterator[Check]:
    """The source is another one for each destination, so that all take part."""
    after = [p for p in sources if p.id > port.id] or sources
    source = min(after, key=lambda p: p.id)
    place = places.of(topology, source)
    name = f"eastwest.{place['label']}>{places.label(topology, port)}"
    left = f" ({len(sources) - 1} more like it not asked)" if len(sources) > 1 else ""
    yield from _pair(topology, name, group, place, source, port, port.fixed_ips[0].address, left)


# -------------------------------------------------------------------------------------------------------------- pairs


def _pair(
    topology: model.Topology,
    name: str,
    group: Group,
    source: Place,
    source_port: model.Port | None,
    port: model.Port,
    address: str,
    left: str = "",
) -> Iterator[Check]:
    """One experiment, two checks: what is open, and that nothing else is."""
    ends = Side(address=source["ip"], port=source_port), Side(address=port.fixed_ips[0].address, port=port)
    services = _services(topology, *(p for p in (source_port, port) if p))
    opened = [str(s) for s in services if reaches(topology, *ends, s)]
    closed = [str(s) for s in services if not allows(topology, *ends, s)]
    place = places.of(topology, port)
    same_network = source_port is not None and source_port.network == port.network
    args = {
        "source": source,
        "destination": place,
        "address": address,
        "bytes": BULK,
        "open": opened,
        "closed": closed,
        "control": source["ip"] if same_network else topology.subnet(port.fixed_ips[0].subnet).gateway_ip,
        "needs": [places.OUTSIDE] if source["node"] == places.OUTSIDE else [],
    }
    who = f"{place['label']}" + (f" at {address}" if address != place["ip"] else "")
    sort = f"{_distance(source, place, same_network)}{left}"
    if opened:
        title = f"{source['label']} reaches {who} {sort}: {_listed(opened)}"
        yield Check(
            id=f"{name}.open", title=title, group=group, node=port.node, kind="open", args=args, requires_guest=True
        )
    if closed:
        nothing = "nothing else" if opened else "nothing"
        title = f"{source['label']} reaches {nothing} of {who}: {_listed(closed)} stay closed"
        yield Check(
            id=f"{name}.closed",
            title=title,
            group="security",
            node=port.node,
            kind="closed",
            args=args,
            negative=True,
            requires_guest=True,
        )


def _distance(source: Place, destination: Place, same_network: bool) -> str:
    if not same_network:
        return "through its router"
    return f"on {source['node']}" if source["node"] == destination["node"] else "across nodes"


def _listed(services: list[str]) -> str:
    """icmp, tcp/22, tcp/80 -> "icmp, tcp 22 80"."""
    ports: dict[str, list[str]] = {}
    for service in services:
        protocol, _slash, port = service.partition("/")
        ports.setdefault(protocol, []).extend([port] if port else [])
    return ", ".join(" ".join([protocol, *numbers]) for protocol, numbers in ports.items())


def _services(topology: model.Topology, *ports: model.Port) -> list[Service]:
    """ICMP echo, a few ports, and both sides of the borders of every rule."""
    asked = {"tcp": set(TCP_PORTS), "udp": set(UDP_PORTS)}
    for port in ports:
        for rule in (r for g in port.security_groups for r in topology.security_groups[g].rules):
            if rule.protocol in asked and rule.port_range:
                first, last = rule.port_range
                asked[rule.protocol] |= {n for n in (first - 1, first, last, last + 1) if 0 < n < 65536}
    return [
        Service(protocol="icmp"),
        *(Service(protocol=p, port=n) for p in asked for n in sorted(asked[p] - set(DHCP_PORTS))[:MAX_PORTS]),
    ]


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
