# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of what one guest may use up that others need: MAC tables, DHCP leases, connections.

They take much of a node while they run, so a verification leaves them out (`DISTURBING`).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from . import names
from .check import Check
from .checks_frames import arp, may_send, udp, witnesses
from .checks_leases import servers
from .checks_places import Place
from .verdict import Service, Side, reaches

MACS = 2000  # a table holds 50000: were they learned, nobody would suffer
CLIENTS = 250  # as many as a usual subnet has addresses


def checks(topology: model.Topology) -> Iterator[Check]:
    """Once a node for what is the node's, once a network for its DHCP servers."""
    secured = [p for p in places.instance_ports(topology) if p.port_security_enabled and topology.nodes[p.node].guests]
    nodes: dict[str, list[model.Port]] = {}
    for port in secured:
        nodes.setdefault(port.node, []).append(port)
    for ports in nodes.values():
        yield from _mac_table(topology, ports)
    networks = {port.network: port for port in reversed(places.addressed(topology)) if port in secured}
    for port in networks.values():
        yield _starvation(topology, port)
    for ports in nodes.values():
        yield from _conntrack(topology, ports)


def _mac_table(topology: model.Topology, ports: list[model.Port]) -> Iterator[Check]:
    """By ARP and by IPv4: each is looked at by flows of its own."""
    port = next((p for p in ports if witnesses(topology, p) and may_send(topology, p, witnesses(topology, p)[0])), None)
    if port is None:
        return
    me, anchor = places.of(topology, port), witnesses(topology, port)[0]
    yield _check(
        f"macs.{port.node}",
        f"{me['label']} sends {2 * MACS} source MACs: {port.node} learns none and forgets none",
        port.node,
        "mac_table",
        {
            "sender": me,
            "node": {**places.underlay(topology.nodes[port.node]), "device": ""},
            "bridge": names.BR_INT,
            "frames": [arp("arp", me, me["ip"]), udp("ip", me, anchor["mac"], anchor["ip"])],
            "address": anchor["ip"],
            "count": MACS,
        },
        "MAC table flooding",
    )


def _starvation(topology: model.Topology, port: model.Port) -> Check:
    network, place = topology.networks[port.network].label, places.of(topology, port)
    return _check(
        f"leases.{network}",
        f"{place['label']} asks {CLIENTS} times for an address of {network} by other MACs and gets none but its own",
        port.node,
        "starvation",
        {"place": place, "count": CLIENTS, "servers": servers(topology, port)},
        "DHCP starvation",
    )


def _conntrack(topology: model.Topology, ports: list[model.Port]) -> Iterator[Check]:
    """One port fills the table of the node's kernel, another one of the node begins a connection."""
    talkers = [p for p in ports if witnesses(topology, p) and _pings(topology, p, witnesses(topology, p)[0])]
    senders = [p for p in talkers if may_send(topology, p, witnesses(topology, p)[0])]
    found = next(((s, o) for s in senders for o in talkers if o.device != s.device), None)
    if found is None:
        return
    port, other = found
    me, there = places.of(topology, port), places.of(topology, other)
    anchors = [witnesses(topology, p)[0] for p in found]
    yield _check(
        f"connections.{port.node}",
        f"{me['label']} begins what connections the kernel of {port.node} tracks; {there['label']} begins its own",
        port.node,
        "conntrack",
        {
            "sender": me,
            "node": {**places.underlay(topology.nodes[port.node]), "device": ""},
            # To its own MAC: it leaves the port, is remembered, and ends on br-int.
            "frame": udp("fill", me, me["mac"], anchors[0]["ip"]),
            "other": there,
            "address": anchors[1]["ip"],
        },
        "conntrack exhaustion",
    )


def _pings(topology: model.Topology, port: model.Port, anchor: Place) -> bool:
    source, destination = Side(address=port.fixed_ips[0].address, port=port), Side(address=anchor["ip"])
    return anchor["ours"] and reaches(topology, source, destination, Service(protocol="icmp"))


def _check(name: str, title: str, node: str, kind: str, args: Place, attack: str) -> Check:
    return Check(
        id=f"exhaustion.{name}",
        title=title,
        group="exhaustion",
        node=node,
        kind=kind,
        args=args,
        negative=True,
        requires_guest=True,
        attack=attack,
    )
