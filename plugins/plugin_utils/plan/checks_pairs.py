# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of pairs: one experiment between two places, and what it must show: what is open, and that nothing else is.

What must be open and what closed follows from the security groups (verdict.py). The destination listens on all asked
ports, the closed ones too: a port is closed when a packet for it does not arrive, not when nobody is there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from ..topology import model
from . import checks_places as places
from .check import Check, Group
from .checks_places import Place
from .rules import WITH_PORTS
from .verdict import Service, Side, allows, leaves, reaches

BULK = 20000  # bytes over each TCP connection: more than one full segment
TCP_PORTS = (22, 80, 8080)  # always asked, beside the borders of each rule
UDP_PORTS = (53,)
EXPERIMENTAL = ("253", "254")  # protocols for experiments (RFC 3692), one for each direction between two ports
DHCP_PORTS = (67, 68)  # the guest's own client listens there
MAX_PORTS = 12


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Who asks whom, and how.

    `inner` is the destination's own address, by default its first one, and `address` the one that is asked, if it is
    another. `seen` is the address that the destination sees, if it is not the source's own. `lands` has the port at
    which each asked one arrives, where ports of an address are forwarded: the others are the router's.
    """

    name: str
    group: Group
    source: Place
    source_port: model.Port | None
    port: model.Port
    inner: str = ""
    address: str = ""
    seen: str = ""
    routed: bool = True
    how: str = ""  # between the two, if it is not to be told from them
    left: str = ""  # how many like it are not asked
    lands: Mapping[Service, Service] | None = None


def pair(topology: model.Topology, of: Pair) -> Iterator[Check]:
    """One experiment, two checks."""
    inner = of.inner or of.port.fixed_ips[0].address
    asked, seen = of.address or inner, of.seen or of.source["ip"]
    place = {**places.of(topology, of.port), "ip": inner}
    opened, closed = _expected(topology, of, asked if of.source_port else inner, seen)
    same_network = of.source_port is not None and of.source_port.network == of.port.network and asked == inner
    args = {
        "source": of.source,
        "destination": place,
        "address": asked,
        "bytes": BULK,
        "open": opened,
        "closed": closed,
        "seen": seen,
        "control": of.source["ip"] if same_network else topology.subnet(of.port.fixed_ips[0].subnet).gateway_ip,
        "needs": [places.OUTSIDE] if of.source["node"] == places.OUTSIDE else [],
    }
    if of.lands is not None:
        args["lands"] = {str(outer): str(inner) for outer, inner in of.lands.items()}
    yield from _checks(of, args, of.how or _distance(of.source, place, same_network))


def _checks(of: Pair, args: Place, how: str) -> Iterator[Check]:
    place, opened, closed = args["destination"], args["open"], args["closed"]
    who = place["label"] + ("" if args["address"] == of.port.fixed_ips[0].address else f" at {args['address']}")
    if opened:
        yield Check(
            id=f"{of.name}.open",
            title=f"{of.source['label']} reaches {who} {how}{of.left}: {_listed(opened)}",
            group=of.group,
            node=of.port.node,
            kind="open",
            args=args,
            requires_guest=True,
        )
    if closed:
        nothing = "nothing else" if opened else "nothing"
        yield Check(
            id=f"{of.name}.closed",
            title=f"{of.source['label']} reaches {nothing} of {who}: {_listed(closed)} stay closed",
            group="security",
            node=of.port.node,
            kind="closed",
            args=args,
            negative=True,
            requires_guest=True,
        )


def _expected(topology: model.Topology, of: Pair, asked: str, seen: str) -> tuple[list[str], list[str]]:
    """What is open, and what is closed; the source's groups speak of the address that it asks."""
    source, opened, closed = Side(address=seen, port=of.source_port), [], []
    destination = Side(address=asked, port=of.port)
    for service in _services(topology, of):
        lands = of.lands.get(service) if of.lands is not None else service
        if lands and of.routed and reaches(topology, source, destination, lands):
            opened.append(str(service))
        elif lands and of.routed and allows(topology, source, destination, lands):
            continue  # it arrives, and its answer does not
        elif not (
            _both_ways(topology, of, service)
            and leaves(topology, source=destination, destination=source, service=service)
        ):
            closed.append(str(service))
    return opened, closed


def _both_ways(topology: model.Topology, of: Pair, service: Service) -> bool:
    """Whether a protocol without ports is asked for in both directions: then what is not allowed may be an answer."""
    itself = of.source_port == of.port and service.protocol in EXPERIMENTAL
    return of.source_port is not None and (itself or service.protocol in _named(topology, of))


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


def _services(topology: model.Topology, of: Pair) -> list[Service]:
    """ICMP echo, some ports and protocols, both sides of the borders of every rule; of forwarded ports, theirs."""
    if of.lands is not None:
        return _borders(of.lands)
    asked = {"tcp": set(TCP_PORTS), "udp": set(UDP_PORTS)}
    for rule in _rules(topology, of):
        if rule.protocol in asked and rule.port_range:
            first, last = rule.port_range
            asked[rule.protocol] |= {n for n in (first - 1, first, last, last + 1) if 0 < n < 65536}
    way = EXPERIMENTAL[bool(of.source_port and of.source_port.id > of.port.id)]
    return [
        Service(protocol="icmp"),
        *(Service(protocol=p, port=n) for p in asked for n in sorted(asked[p] - set(DHCP_PORTS))[:MAX_PORTS]),
        *(Service(protocol=p) for p in sorted({way, *_named(topology, of)})),
    ]


def _rules(topology: model.Topology, of: Pair) -> Iterator[model.Rule]:
    """The rules of both ends."""
    groups = (group for port in (of.source_port, of.port) if port for group in port.security_groups)
    return (rule for group in groups for rule in topology.security_groups[group].rules)


def _named(topology: model.Topology, of: Pair) -> set[str]:
    """Protocols that rules of the two name, as far as they are asked for without ports."""
    named = {rule.protocol for rule in _rules(topology, of) if rule.protocol}
    return named - {"0", "icmp", "tcp", "udp", *WITH_PORTS}


def _borders(lands: Mapping[Service, Service]) -> list[Service]:
    """The forwarded ports, and their neighbours as far as nothing else arrives at their number."""
    near = {
        dataclasses.replace(service, port=number)
        for service in lands
        for number in ((service.port or 0) - 1, (service.port or 0) + 1)
        if 0 < number < 65536
    }
    return sorted({*lands, *(near - {*lands.values()})}, key=lambda s: (s.protocol, s.port or 0))
