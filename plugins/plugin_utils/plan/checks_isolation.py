# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks that networks are kept apart, those with the same addresses above all."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from . import paths
from .check import Check
from .checks_frames import BOOTPC, BOOTPS, DISCARD, Frame, arp, frame_args, may_send, tunnelled, udp, witnesses
from .checks_places import Place
from .verdict import Service, Side, allows


def checks(topology: model.Topology) -> Iterator[Check]:
    """Nothing of a network is seen in another one, be it a frame or half a packet."""
    yield from _networks(topology)
    yield from _fragments(topology)


# ---------------------------------------------------------------------------------------------------------- networks


def _networks(topology: model.Topology) -> Iterator[Check]:
    """Frames of each network stay in it: asked against the next one, or one with the same addresses if there is any."""
    senders: dict[str, model.Port] = {}
    for port in places.instance_ports(topology):
        if topology.nodes[port.node].guests:
            senders.setdefault(port.network, port)
    for network, port in senders.items():
        others = [n for n in senders if n != network]
        if not others or not (own := witnesses(topology, port)):
            continue
        after = others[sorted(senders).index(network) % len(others)]
        other = min(others, key=lambda n: (not _same_addresses(topology, network, n), n != after))
        yield from _apart(topology, port, own, senders[other])


def _same_addresses(topology: model.Topology, one: str, other: str) -> bool:
    nets = [[ipaddress.IPv4Network(s.cidr) for s in topology.networks[n].subnets] for n in (one, other)]
    return any(a.overlaps(b) for a in nets[0] for b in nets[1])


def _apart(topology: model.Topology, port: model.Port, own: list[Place], other: model.Port) -> Iterator[Check]:
    """Broadcasts, and a packet for an address there, are seen in the own network only; nothing forged gets there."""
    me, there = places.of(topology, port), places.of(topology, other)
    strangers = [there, *witnesses(topology, other)[:2]]
    receivers, everybody = [*own, *strangers], list(range(len(own) + len(strangers)))
    mine, theirs = everybody[: len(own)], everybody[len(own) :]
    one, two = topology.networks[port.network].label, topology.networks[other.network].label
    broadcast = arp("arp", me, me["ip"])
    leaks = [("A broadcast", broadcast, mine)]
    if may_send(topology, port, own[0]) and not _connected(topology, port, other):
        leaks.append((f"A packet for {there['ip']}", udp("ip", me, own[0]["mac"], there["ip"]), [0]))
    found = [
        (LEAK, f"{words} from {me['label']} is seen in {one} and not in {two}", frame, frame, at, theirs)
        for words, frame, at in leaks
    ]
    for attack, words, frame, at_home in _hops(topology, port, own, other, strangers):
        title = f"{words} from {me['label']} does not get into {two}; an honest frame is seen in {one}"
        found.append((attack, title, frame, broadcast, mine, theirs if at_home else everybody))
    for attack, title, frame, control, control_at, never_at in found:
        yield Check(
            id=f"isolation.{one}|{two}.{frame['token']}",
            title=title,
            group="isolation",
            node=port.node,
            kind="frame",
            args=frame_args(me, receivers, frame, control, control_at, never_at),
            negative=True,
            requires_guest=True,
            attack=attack,
        )


LEAK = "frames of one network in another"


def _hops(
    topology: model.Topology, port: model.Port, own: list[Place], other: model.Port, strangers: list[Place]
) -> Iterator[tuple[str, str, Frame, bool]]:
    """(attack, words, frame, whether it may be seen in the own network): ways from a port into another network."""
    me, network, vlans = places.of(topology, port), topology.networks[other.network], topology.local_vlans[port.node]
    broadcast = arp("", me, me["ip"])
    if number := vlans.get(network.id) or network.segmentation_id:
        tagged = broadcast | {"token": "tagged", "dl_vlan": number}
        yield "VLAN hopping, one tag", f"A frame with the tag {number}", tagged, False
        twice = broadcast | {"token": "twice", "dl_vlan": vlans[port.network], "cvlan": number}
        yield "VLAN hopping, two tags", f"One with the tags {vlans[port.network]} and {number}", twice, False
    if server := next((s for s in strangers if s["namespace"].startswith("qdhcp-")), None):
        request = udp("dhcp", me, server["mac"], server["ip"], ports=(BOOTPC, BOOTPS))
        yield "another project's qdhcp", f"A DHCP request for {server['label']}", request, True
    end = topology.nodes[other.node].tunnel_ip
    if network.network_type in model.TUNNELS and end and may_send(topology, port, own[0]):
        forged = tunnelled(
            "tunnel", network.network_type, network.segmentation_id or 0, me["mac"], own[0]["mac"], me["ip"], end
        )
        yield "forged tunnel packet from a guest", f"A forged tunnel packet for {end}", forged, True


def _connected(topology: model.Topology, one: model.Port, other: model.Port) -> bool:
    """Whether routers lead from one to the other: by the one that both have, or by routes that they were given."""
    router = places.router_of(topology, one)
    same = router is not None and router == places.router_of(topology, other)
    return same or bool(paths.trace(topology, one, other.fixed_ips[0].address))


# --------------------------------------------------------------------------------------------------------- fragments


def _fragments(topology: model.Topology) -> Iterator[Check]:
    """A node puts fragments of its guests together to look at them: never of two ports, be their addresses equal."""
    alike: dict[tuple[str, str], list[model.Port]] = {}
    for port in places.instance_ports(topology):
        if topology.nodes[port.node].guests and witnesses(topology, port):
            alike.setdefault((port.node, port.fixed_ips[0].address), []).append(port)
    for ports in alike.values():
        for pair in itertools.pairwise(ports):
            target = witnesses(topology, pair[0])[0]["ip"]
            if all(_may_reach(topology, port, target) for port in pair):
                yield _never_mixed(topology, pair, target)


def _may_reach(topology: model.Topology, port: model.Port, target: str) -> bool:
    """Whether a datagram leaves its sender; who gets it is a router or a DHCP server."""
    me = Side(address=port.fixed_ips[0].address, port=port)
    return allows(topology, me, Side(address=target), Service(protocol="udp", port=DISCARD))


def _never_mixed(topology: model.Topology, pair: tuple[model.Port, model.Port], target: str) -> Check:
    senders, anchors = [places.of(topology, p) for p in pair], [witnesses(topology, p)[0] for p in pair]
    one, two = senders
    return Check(
        id=f"isolation.{one['label']}|{two['label']}.fragments",
        title=f"Fragments of {one['label']} and {two['label']}, both {one['ip']} on {one['node']}, never make a packet",
        group="isolation",
        node=one["node"],
        kind="fragments",
        args={
            "senders": senders,
            "receivers": anchors,
            "datagrams": [
                udp("fragment", me, anchor["mac"], target) for me, anchor in zip(senders, anchors, strict=True)
            ],
        },
        negative=True,
        requires_guest=True,
        attack="fragments of two projects mixed",
    )
