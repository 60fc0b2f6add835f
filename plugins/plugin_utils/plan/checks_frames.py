# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks made of frames that we build: what a guest must not be able to say.

A frame check sends one frame and names where it must arrive and where it must not. A forged frame must arrive nowhere;
its control is an honest one of the same sort, sent after it, which must arrive: silence alone proves nothing.
"""

from __future__ import annotations

import ipaddress
import typing
from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from . import names, plug
from .check import Check
from .checks_places import Place
from .verdict import Service, Side, allows

BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES_MAC, ALL_NODES = "33:33:00:00:00:01", "ff02::1"
FORGED_MAC = "02:00:00:00:00:fe"
UDP, DISCARD, BOOTPS, BOOTPC, EPHEMERAL = 17, 9, 67, 68, 40000
ROUTER_ADVERTISEMENT, ECHO_REQUEST_V6 = 134, 128
EXPERIMENTAL = 0x88B5  # Ethernet type for experiments of one's own

Frame = dict[str, typing.Any]
ONE_TAG: Frame = {"priority_tags": 1}
TWO_TAGS: Frame = {"priority_tags": 2}


def checks(topology: model.Topology) -> Iterator[Check]:
    """Everything that port security and the node must drop."""
    for port in places.instance_ports(topology):
        yield from _spoofing(topology, port)
        yield from _node_hidden(topology, port)
    for router in sorted(topology.routers.values(), key=lambda r: r.label):
        yield from _from_outside(topology, router)


def arp(token: str, place: Place, target: str, op: int = 1, mac: str | None = None, spa: str | None = None) -> Frame:
    """An ARP broadcast of a place: honest, unless the frame has another source MAC, or it speaks for another address.

    What it says about an address that somebody has is always true, so that nobody's neighbour table suffers from it.
    """
    return {
        "token": token,
        "dl_src": mac or place["mac"],
        "dl_dst": BROADCAST,
        "arp_op": op,
        "arp_sha": place["mac"],
        "arp_spa": spa or place["ip"],
        "arp_tha": "00:00:00:00:00:00",
        "arp_tpa": target,
    }


def udp(
    token: str,
    place: Place,
    dl_dst: str,
    nw_dst: str,
    mac: str | None = None,
    src: str | None = None,
    ports: tuple[int, int] = (EPHEMERAL, DISCARD),
) -> Frame:
    """A datagram of a place."""
    return {
        "token": token,
        "dl_src": mac or place["mac"],
        "dl_dst": dl_dst,
        "nw_src": src or place["ip"],
        "nw_dst": nw_dst,
        "nw_proto": UDP,
        "tp_src": ports[0],
        "tp_dst": ports[1],
    }


def _offer(token: str, place: Place, port: int) -> Frame:
    """What a DHCP server that is not ours would send from this port of a place."""
    return udp(token, place, BROADCAST, "255.255.255.255", ports=(port, BOOTPC))


def _icmp6(token: str, place: Place, icmp_type: int) -> Frame:
    """To all IPv6 nodes of the network, from the link-local address that the MAC gives."""
    return {
        "token": token,
        "dl_src": place["mac"],
        "dl_dst": ALL_NODES_MAC,
        "ipv6_src": link_local(place["mac"]),
        "ipv6_dst": ALL_NODES,
        "icmp_type": icmp_type,
    }


def _other(token: str, place: Place, dl_type: int) -> Frame:
    """A broadcast of another Ethernet type."""
    return {"token": token, "dl_src": place["mac"], "dl_dst": BROADCAST, "dl_type": dl_type}


def link_local(mac: str) -> str:
    """The EUI-64 link-local address of a MAC."""
    octets = bytearray.fromhex(mac.replace(":", ""))
    octets[0] ^= 2
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + octets[:3] + b"\xff\xfe" + octets[3:]))


# ---------------------------------------------------------------------------------------------------------- spoofing


def _spoofing(topology: model.Topology, port: model.Port) -> Iterator[Check]:
    """Frames that port security drops, beside honest ones that it lets through."""
    receivers = witnesses(topology, port)
    free = free_address(topology, port)
    if not port.port_security_enabled or not receivers or free is None:
        return
    me, anchor = places.of(topology, port), receivers[0]
    # About itself: a question about somebody else may be answered on the spot, and go nowhere.
    honest = arp("arp", me, me["ip"])
    forged: list[tuple[str, Frame, Frame]] = [
        ("ARP with a forged MAC", arp("arp-mac", me, me["ip"], mac=FORGED_MAC), honest),
        ("an ARP request with a forged address", arp("arp-ip", me, free, spa=free), honest),
        ("an ARP reply with a forged address", arp("arp-reply", me, free, op=2, spa=free), honest),
        ("a forged ARP reply behind VLAN tags", arp("arp-tagged", me, free, op=2, spa=free) | TWO_TAGS, honest),
        ("an IPv6 router advertisement", _icmp6("ra", me, ROUTER_ADVERTISEMENT), honest),
        ("a ping6", _icmp6("ping6", me, ECHO_REQUEST_V6), honest),
        ("what is neither IPv4 nor ARP", _other("type", me, EXPERIMENTAL), honest),
    ]
    if may_send(topology, port, anchor):
        ip = udp("ip", me, anchor["mac"], anchor["ip"])
        forged += [
            ("a packet with a forged MAC", udp("ip-mac", me, anchor["mac"], anchor["ip"], mac=FORGED_MAC), ip),
            ("a packet with a forged address", udp("ip-src", me, anchor["mac"], anchor["ip"], src=free), ip),
            ("one behind a VLAN tag", udp("ip-tagged", me, anchor["mac"], anchor["ip"], src=free) | ONE_TAG, ip),
            ("a DHCP server's reply", _offer("dhcp-offer", me, BOOTPS), ip),
            ("one from another port than a DHCP server's", _offer("dhcp-port", me, EPHEMERAL), ip),
        ]
    for words, frame, control in forged:
        at = list(range(len(receivers))) if control is honest else [0]
        yield Check(
            id=f"spoofing.{me['label']}.{frame['token']}",
            title=f"{me['label']} can't send {words}; an honest frame arrives",
            group="spoofing",
            node=port.node,
            kind="frame",
            args=frame_args(me, receivers, frame, control, control_at=at, never_at=list(range(len(receivers)))),
            negative=True,
            requires_guest=True,
        )


def frame_args(
    sender: Place, receivers: list[Place], frame: Frame, control: Frame, control_at: list[int], never_at: list[int]
) -> dict[str, object]:
    """`control_at` and `never_at` are places in `receivers`; checks of one sender and receivers share an experiment."""
    return {
        "sender": sender,
        "receivers": receivers,
        "frame": frame,
        "control": control,
        "control_at": control_at,
        "never_at": never_at,
    }


def witnesses(topology: model.Topology, port: model.Port) -> list[Place]:
    """Who would see a frame: the router and the DHCP server of the network, a neighbour here and one on another node.

    The first is the one that packets are addressed to: no security group stands before a router or a DHCP server.
    """
    infrastructure = [p for o in ("router_interface", "dhcp") for p in places.ports_of(topology, port.network, o)]
    neighbours = [p for p in places.ports_of(topology, port.network, "instance") if p.device != port.device]
    neighbours = [p for p in neighbours if topology.nodes[p.node].guests]
    here = [p for p in neighbours if p.node == port.node][:1]
    there = [p for p in neighbours if p.node != port.node][:1]
    return [places.of(topology, p) for p in (*infrastructure[:2], *here, *there)]


def may_send(topology: model.Topology, port: model.Port, anchor: Place) -> bool:
    """Whether the honest datagram leaves its sender and enters the anchor."""
    there = next((p for p in topology.ports.values() if p.mac == anchor["mac"] and p.network == port.network), None)
    ends = Side(address=port.fixed_ips[0].address, port=port), Side(address=anchor["ip"], port=there)
    return allows(topology, *ends, Service(protocol="udp", port=DISCARD))


def free_address(topology: model.Topology, port: model.Port) -> str | None:
    """The last address of the subnet that nobody has: to claim it does no harm, even where nothing forbids it."""
    subnet = topology.subnet(port.fixed_ips[0].subnet)
    taken = {ip.address for p in topology.ports.values() if p.network == port.network for ip in p.fixed_ips}
    taken.add(str(subnet.gateway_ip))
    net = ipaddress.IPv4Network(subnet.cidr)
    candidates = (str(net[-index]) for index in range(2, min(net.num_addresses - 1, len(taken) + 3)))
    return next((a for a in candidates if a not in taken), None)


def _node_hidden(topology: model.Topology, port: model.Port) -> Iterator[Check]:
    """No address of the node answers its guest, whatever MAC the guest tries; somebody of its network does."""
    if not (receivers := witnesses(topology, port)):
        return
    me, control = places.of(topology, port), receivers[0]
    yield Check(
        id=f"node.{me['label']}",
        title=f"{me['label']} reaches no address of its node {port.node}, by no MAC that the node has",
        group="node",
        node=port.node,
        kind="node_hidden",
        args={
            "source": me,
            "control": arp("control", me, control["ip"]),
            "devices": [names.device(prefix, port.id) for prefix in plug.INSTANCE[topology.nodes[port.node].firewall]],
            "node": {"node": port.node, "namespace": "", "device": "", "label": port.node, "ours": True},
        },
        negative=True,
        requires_guest=True,
    )


# ----------------------------------------------------------------------------------------------------------- outside


def _from_outside(topology: model.Topology, router: model.Router) -> Iterator[Check]:
    """Nobody outside speaks with an address of a router's inside, by which he would be a member of a remote group."""
    gateway = places.gateway_port(topology, router)
    subnet = topology.subnet(gateway.fixed_ips[0].subnet) if gateway else None
    if gateway is None or subnet is None or subnet.gateway_ip is None:
        return
    # The NIC is the one with that address: a VLAN network's is another one than the flat network's.
    me: Place = {**places.outside(), "device": "", "mac": FORGED_MAC, "ip": subnet.gateway_ip}
    for interface in (p for p in topology.ports.values() if p.device == router.id and p.owner == "router_interface"):
        targets = places.ports_of(topology, interface.network, "instance")
        free = free_address(topology, interface)
        if not targets or free is None:
            continue
        inside, target = places.of(topology, interface), targets[0].fixed_ips[0].address
        honest = udp("honest", me, gateway.mac, target)
        args = frame_args(me, [inside], honest | {"token": "forged", "nw_src": free}, honest, [0], [0])
        yield Check(
            id=f"spoofing.{router.label}.{topology.networks[interface.network].label}.outside",
            title=f"Nobody outside sends with an address of {topology.networks[interface.network].label} through "
            f"{router.label}; an honest packet arrives",
            group="spoofing",
            node=router.node,
            kind="frame",
            args={**args, "needs": [places.OUTSIDE]},
            negative=True,
            requires_guest=True,
        )
