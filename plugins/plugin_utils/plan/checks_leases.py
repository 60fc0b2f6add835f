# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of DHCP: what each instance's client was told, what it made of it, and whom a server knows."""

from __future__ import annotations

from collections.abc import Iterator

from ..topology import dhcp_options, model
from . import checks_places as places
from . import dhcp, dhcp_files
from .check import Check

STRANGER = "02:00:00:00:00:01"  # a MAC of nobody's: those of ports begin otherwise, whoever chose them

#: What a port may be told instead of what its subnet says.
ROUTER, DNS, DOMAIN, SEARCH, ROUTES = (
    dhcp_options.code(name)
    for name in ("router", "dns-server", "domain-name", "domain-search", "classless-static-route")
)


def checks(topology: model.Topology) -> Iterator[Check]:
    """A lease for each instance port on a subnet with DHCP; for each network, whom its servers answer."""
    ports = places.addressed(topology)
    firsts = {port.network: port.id for port in reversed(ports)}
    for port in ports:
        yield _lease(topology, port)
    for port in ports:
        if firsts[port.network] == port.id or port.extra_dhcp_opts:
            yield _offer(topology, port)
        if firsts[port.network] == port.id:
            yield from _strangers(topology, port, ports)
            yield from _neighbour(topology, port, ports)


def _lease(topology: model.Topology, port: model.Port) -> Check:
    network, place = topology.networks[port.network], places.of(topology, port)
    subnet = topology.subnet(port.fixed_ips[0].subnet)
    address = port.fixed_ips[0].address
    return Check(
        id=f"lease.{place['label']}",
        title=f"{place['label']} has its lease of {address}: name, routes, DNS, MTU {network.mtu}",
        group="leases",
        node=port.node,
        kind="lease",
        args={"place": place, "expected": _expected(topology, network, subnet, port)},
        requires_guest=True,
    )


def _expected(
    topology: model.Topology, network: model.Network, subnet: model.Subnet, port: model.Port
) -> dict[str, object]:
    """What the client must have recorded, and what its NIC must have; `routes` by the server that it heard.

    Names, routes and name servers are of the first NIC alone.
    """
    first = topology.instances[port.device].ports[0] == port.id
    told = {dhcp_options.code(option): value for option, value in port.extra_dhcp_opts}
    servers = {
        ip.address: _routes(told, dhcp_files.classless_routes(topology, network, subnet, server)) if first else []
        for server in places.ports_of(topology, network.id, "dhcp")
        for ip in server.fixed_ips
        if ip.subnet == subnet.id
    }
    dns = told[DNS].split(",") if DNS in told else dhcp_files.nameservers(topology, network, subnet)
    domain = None if SEARCH in told else told.get(DOMAIN, network.dns_domain)
    return {
        "address": port.fixed_ips[0].address,
        "prefixlen": subnet.prefixlen,
        "mac": port.mac,
        "mtu": network.mtu,
        "gateway": (told.get(ROUTER, subnet.gateway_ip) or None) if first else None,
        "routes": servers,
        "dns": dns if first else [],
        "hostname": dhcp_files.hostname(topology, port, port.fixed_ips[0].address) if first else None,
        "domain": domain if first else None,
        "seconds": dhcp.LEASE_SECONDS,
    }


def _routes(told: dict[int, str], routes: list[tuple[str, str]]) -> list[list[str]]:
    """Those that the port is told instead of its subnet's, or these."""
    if ROUTES not in told:
        return [list(route) for route in routes]
    items = told[ROUTES].split(",") if told[ROUTES] else []
    return [list(pair) for pair in zip(items[::2], items[1::2], strict=True)]


def _offer(topology: model.Topology, port: model.Port) -> Check:
    """Every server offers the same address, and what is for this port alone."""
    place, heard = places.of(topology, port), servers(topology, port)
    options = {str(dhcp_options.code(o)): dhcp_options.wire(o, value).hex() for o, value in port.extra_dhcp_opts}
    by = f"each of its {len(heard)} DHCP servers" if len(heard) > 1 else "its DHCP server"
    more = f", with {_listed(port)} of its own" if options else ""
    return Check(
        id=f"offer.{place['label']}",
        title=f"{place['label']} is offered {port.fixed_ips[0].address} by {by}{more}",
        group="leases",
        node=port.node,
        kind="offer",
        args={"place": place, "address": port.fixed_ips[0].address, "servers": heard, "options": options},
        requires_guest=True,
    )


def _listed(port: model.Port) -> str:
    return ", ".join(option for option, _value in port.extra_dhcp_opts)


def servers(topology: model.Topology, port: model.Port) -> list[str]:
    """Addresses of the DHCP servers of a port's first subnet."""
    subnet = topology.subnet(port.fixed_ips[0].subnet)
    found = places.ports_of(topology, port.network, "dhcp")
    return [ip.address for server in found for ip in server.fixed_ips if ip.subnet == subnet.id]


def _strangers(topology: model.Topology, port: model.Port, ports: list[model.Port]) -> Iterator[Check]:
    """Nobody else is offered anything: an unknown MAC, one of another network, one of a subnet without DHCP."""
    others = [p for p in ports if p.network != port.network and p.mac not in _macs(topology, port.network)]
    foreign = next((p for p in others if p.project != port.project), next(iter(others), None))
    without = [p for p in places.instance_ports(topology) if p.network == port.network and p not in ports]
    place, known = places.of(topology, port), {STRANGER: "a MAC that nobody has"}
    known |= {p.mac: f"the MAC of {places.label(topology, p)}" for p in ([foreign] if foreign else []) + without}
    network = topology.networks[port.network].label
    yield Check(
        id=f"offer.{network}.strangers",
        title=f"DHCP servers of {network} offer nothing to {', nor to '.join(known.values())}",
        group="leases",
        node=port.node,
        kind="no_offer",
        args={"place": place, "macs": list(known), "servers": servers(topology, port)},
        negative=True,
        requires_guest=True,
    )


def _neighbour(topology: model.Topology, port: model.Port, ports: list[model.Port]) -> Iterator[Check]:
    """What one asks in the name of another one is not heard, be it to get the address or to decline it."""
    mine = {p.mac for p in ports if p.device == port.device}
    other = next((p for p in ports if p.network == port.network and p.mac not in mine), None)
    if other is None:
        return
    place = places.of(topology, port)
    yield Check(
        id=f"offer.{place['label']}.neighbour",
        title=f"{place['label']} is offered nothing in the name of {places.label(topology, other)}",
        group="leases",
        node=port.node,
        kind="no_offer",
        args={"place": place, "macs": [other.mac], "servers": servers(topology, port)},
        negative=True,
        requires_guest=True,
        attack="DHCP in another one's name",
    )


def _macs(topology: model.Topology, network: str) -> set[str]:
    return {p.mac for p in topology.ports.values() if p.network == network}
