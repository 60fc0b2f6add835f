# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of what a guest may dress a packet in: its security groups' verdict is the same, and no router is led astray.

A neighbour sends what no rule lets in; its control is what a rule lets in, or ARP, which no rule is asked about.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from .check import Check
from .checks_frames import DISCARD, EPHEMERAL, SNAP, Frame, arp, frame_args, may_send, udp, witnesses
from .checks_places import Place
from .verdict import Service, Side, allows

ICMP = 1
CLOSED = (DISCARD, 53, 40009)  # one of these UDP ports no rule opens, nearly always
RECORD_ROUTE = "0707040000000000"  # IPv4 options (RFC 791, 3.1), filled up to four bytes
FRAGMENTED = 0x7465  # identifications of datagrams: of halves that belong together, of one that is alone


def checks(topology: model.Topology) -> Iterator[Check]:
    """For each instance's port one neighbour that tries to get in, and its router that is to lead to a neighbour."""
    for port in places.instance_ports(topology):
        if port.port_security_enabled and topology.nodes[port.node].guests:
            yield from _port_rules(topology, port)
            yield from _source_routes(topology, port)


def _sides(one: model.Port, other: model.Port) -> tuple[Side, Side]:
    return _side(one), _side(other)


def _side(port: model.Port) -> Side:
    return Side(address=port.fixed_ips[0].address, port=port)


def _neighbours(topology: model.Topology, port: model.Port) -> list[model.Port]:
    """Guests on the same network, those of other nodes first."""
    found = [p for p in places.instance_ports(topology) if p.network == port.network and p.device != port.device]
    return sorted((p for p in found if topology.nodes[p.node].guests), key=lambda p: p.node == port.node)


# --------------------------------------------------------------------------------------------------------- port rules


def _port_rules(topology: model.Topology, port: model.Port) -> Iterator[Check]:
    """A datagram that a neighbour may send and this port may not get, in several dresses."""
    found = next((f for n in _neighbours(topology, port) for f in _closed(topology, n, port)), None)
    if found is None:
        return
    neighbour, closed = found
    me, victim = places.of(topology, neighbour), places.of(topology, port)
    control = _honest(topology, neighbour, port)
    to = victim["mac"], victim["ip"]
    for attack, words, frame in _dressed(me, to, closed):
        yield Check(
            id=f"evasion.{me['label']}>{victim['label']}.{frame['token']}",
            title=f"No datagram of {me['label']} for the closed port {closed} gets to {victim['label']} {words}",
            group="security",
            node=port.node,
            kind="frame",
            args=frame_args(me, [victim], frame, control, [0], [0]),
            negative=True,
            requires_guest=True,
            attack=attack,
        )


def _closed(topology: model.Topology, sender: model.Port, port: model.Port) -> Iterator[tuple[model.Port, int]]:
    """(sender, UDP port) that the sender's groups let out and those of the port do not let in."""
    source, destination = _sides(sender, port)
    for number in CLOSED:
        service = Service(protocol="udp", port=number)
        leaves = allows(topology, source, Side(address=destination.address), service)
        if leaves and not allows(topology, source, destination, service):
            yield sender, number


def _honest(topology: model.Topology, sender: model.Port, port: model.Port) -> Frame:
    """What arrives: a datagram or an echo request if a rule lets one in, or ARP."""
    me, victim = places.of(topology, sender), places.of(topology, port)
    ends, plain = _sides(sender, port), udp("open", me, victim["mac"], victim["ip"])
    rules = topology.rules_of(port, "ingress")
    for number in [r.port_range[0] for r in rules if r.protocol == "udp" and r.port_range]:
        if allows(topology, *ends, Service(protocol="udp", port=number)):
            return plain | {"tp_dst": number}
    if allows(topology, *ends, Service(protocol="icmp")):
        return {k: v for k, v in plain.items() if not k.startswith("tp_")} | {"nw_proto": ICMP}
    return arp("arp", me, me["ip"])


def _dressed(me: Place, to: tuple[str, str], port: int) -> Iterator[tuple[str, str, Frame]]:
    options, fragments = "IP options around port rules", "fragments around port rules"
    plain = udp("", me, *to, ports=(EPHEMERAL, port))
    later = {k: v for k, v in plain.items() if not k.startswith("tp_")} | {"ip_frag": "later"}
    yield options, "with IP options", plain | {"token": "options", "ip_options": RECORD_ROUTE}
    first = {"token": "first", "ip_frag": "first", "ip_id": FRAGMENTED}
    yield fragments, "as the first of two fragments", plain | first
    yield fragments, "as the second of two fragments", later | {"token": "later", "ip_id": FRAGMENTED}
    yield fragments, "as a fragment alone", later | {"token": "alone", "ip_id": FRAGMENTED + 1}
    yield "SNAP around port rules", "in SNAP", plain | {"token": "snap"} | SNAP


# ------------------------------------------------------------------------------------------------------ source routes


def _source_routes(topology: model.Topology, port: model.Port) -> Iterator[Check]:
    """A router does not go the way that a packet asks for: by it to a neighbour who would take the packet."""
    receivers = witnesses(topology, port)
    me, labels = places.of(topology, port), [r["label"] for r in receivers]
    victim = next((n for n in _neighbours(topology, port) if places.label(topology, n) in labels), None)
    if victim is None or not receivers[0]["device"].startswith("qr-") or not may_send(topology, port, receivers[0]):
        return
    if not allows(topology, *_sides(port, victim), Service(protocol="udp", port=DISCARD)):
        return
    router = receivers[0]
    plain = udp("ip", me, router["mac"], router["ip"])
    frame = plain | {"token": "routed", "ip_options": loose_source_route(victim.fixed_ips[0].address)}
    at = labels.index(places.label(topology, victim))
    yield Check(
        id=f"evasion.{me['label']}.routed",
        title=f"{me['label']} sends no packet to {labels[at]} by a source route through {router['label']}",
        group="security",
        node=port.node,
        kind="frame",
        args=frame_args(me, receivers, frame, plain, [0], [at]),
        negative=True,
        requires_guest=True,
        attack="source-routed packets",
    )


def loose_source_route(address: str) -> str:
    """The option that asks the addressee of a packet to send it on to another address (RFC 791, 3.1)."""
    return "830704" + ipaddress.IPv4Address(address).packed.hex() + "00"
