# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of names: instances of a network know each other by name, and those of another network do not exist there."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..topology import model
from . import checks_places as places
from . import dhcp_files
from .check import Check
from .verdict import Service, Side, allows

MOST = 20  # names that one instance asks for

Names = dict[str, list[str]]  # addresses by name


def checks(topology: model.Topology) -> Iterator[Check]:
    """For each network, what one instance of each node may ask its DHCP servers."""
    known = {id_: _names(topology, id_) for id_ in topology.networks}
    asked: set[tuple[str, str]] = set()
    for port in places.addressed(topology):
        subnet = topology.subnet(port.fixed_ips[0].subnet)
        servers = [
            ip.address
            for server in places.ports_of(topology, port.network, "dhcp")
            for ip in server.fixed_ips
            if ip.subnet == subnet.id and _may_ask(topology, port, ip.address)
        ]
        if servers and (port.network, port.node) not in asked:
            asked.add((port.network, port.node))
            yield from _checks(topology, port, servers, known)


def _names(topology: model.Topology, network: str) -> Names:
    """Addresses of the instances of a network by their full name."""
    found: dict[str, set[str]] = {}
    domain = topology.networks[network].dns_domain
    for port in places.instance_ports(topology):
        if port.network == network:
            for ip in port.fixed_ips:
                name = f"{dhcp_files.hostname(topology, port, ip.address)}.{domain}"
                found.setdefault(name, set()).add(ip.address)
    return {name: sorted(addresses) for name, addresses in found.items()}


def _may_ask(topology: model.Topology, port: model.Port, server: str) -> bool:
    source = Side(address=port.fixed_ips[0].address, port=port)
    return allows(topology, source, Side(address=server), Service(protocol="udp", port=53))


def _checks(topology: model.Topology, port: model.Port, servers: list[str], known: dict[str, Names]) -> Iterator[Check]:
    place, network = places.of(topology, port), topology.networks[port.network]
    own = dict(list(known[network.id].items())[:MOST])
    args = {"place": place, "servers": servers, "names": own, "reverse": True, "absent": [], "needs": []}
    yield _check(place, "own", f"{place['label']} finds {_listed(own)} by name, and their names by address", args)
    others = {name for id_, names in known.items() if id_ != network.id for name in names}
    if absent := sorted(others - known[network.id].keys())[:MOST]:
        title = f"{place['label']} finds nobody of another network by name: {_listed(absent)}"
        yield _check(place, "others", title, {**args, "names": dict(list(own.items())[:1]), "absent": absent})
    router = places.router_of(topology, port)
    if topology.dns_forwarders and router and router.enable_snat and places.gateway_port(topology, router):
        title = f"{place['label']} finds {places.INTERNET} outside, whom its DHCP server asks for"
        args = {**args, "names": {places.INTERNET: [places.BEYOND]}, "reverse": False, "needs": [places.OUTSIDE]}
        yield _check(place, "forwarded", title, args)


def _listed(names: Collection[str]) -> str:
    """As many as fit in a line."""
    some = ", ".join(list(names)[:3])
    return f"{some} and {len(names) - 3} more" if len(names) > 3 else some


def _check(place: places.Place, what: str, title: str, args: dict[str, object]) -> Check:
    return Check(
        id=f"names.{place['label']}.{what}",
        title=title,
        group="names",
        node=place["node"],
        kind="names",
        args=args,
        negative=what == "others",
        requires_guest=True,
    )
