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
UDP, GRE = 17, 47
DISCARD, BOOTPS, BOOTPC, VXLAN, EPHEMERAL = 9, 67, 68, 4789, 40000
ROUTER_ADVERTISEMENT, NEIGHBOUR_ADVERTISEMENT, ECHO_REQUEST_V6 = 134, 136, 128
EXPERIMENTAL = 0x88B5  # Ethernet type for experiments of one's own
RARP, LLDP = 0x8035, 0x88CC

Frame = dict[str, typing.Any]
#: An ARP probe: whoever it reaches learns nothing from it.
PROBE: Frame = {
    "dl_src": FORGED_MAC,
    "dl_dst": BROADCAST,
    "arp_op": 1,
    "arp_sha": FORGED_MAC,
    "arp_spa": "0.0.0.0",
    "arp_tha": "00:00:00:00:00:00",
    "arp_tpa": "0.0.0.0",
}
ONE_TAG: Frame = {"priority_tags": 1}
TWO_TAGS: Frame = {"priority_tags": 2}
SNAP: Frame = {"llc": "aaaa03000000"}  # the Ethernet type stands behind an LLC header; Open vSwitch looks there
SPANNING_TREE: Frame = {"llc": "424203", "dl_dst": "01:80:c2:00:00:00"}


def checks(topology: model.Topology) -> Iterator[Check]:
    """Everything that port security and the node must drop."""
    for port in places.instance_ports(topology):
        yield from _spoofing(topology, port)
        yield from _permitted(topology, port)
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


def tunnelled(
    token: str, kind: model.NetworkType, number: int, dl_src: str, dl_dst: str, nw_src: str, nw_dst: str
) -> Frame:
    """An ARP probe in a packet of a tunnel, under a VNI or key."""
    ports = {"tp_src": VXLAN, "tp_dst": VXLAN} if kind == "vxlan" else {}
    return {
        "token": token,
        "dl_src": dl_src,
        "dl_dst": dl_dst,
        "nw_src": nw_src,
        "nw_dst": nw_dst,
        "nw_proto": UDP if kind == "vxlan" else GRE,
        **ports,
        "tun_id": number,
        "inner": PROBE | {"token": token},
    }


def _offer(token: str, place: Place, port: int) -> Frame:
    """What a DHCP server that is not ours would send from this port of a place."""
    return udp(token, place, BROADCAST, "255.255.255.255", ports=(port, BOOTPC))


def _ipv6(token: str, place: Place, **more: object) -> Frame:
    """To all IPv6 nodes of the network, from the link-local address that the MAC gives."""
    return {
        "token": token,
        "dl_src": place["mac"],
        "dl_dst": ALL_NODES_MAC,
        "ipv6_src": link_local(place["mac"]),
        "ipv6_dst": ALL_NODES,
        **more,
    }


def _other(token: str, place: Place, **more: object) -> Frame:
    """A broadcast that is neither IP nor ARP."""
    return {"token": token, "dl_src": place["mac"], "dl_dst": BROADCAST, **more}


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
    forged = [(*one, honest) for one in (*_forged_arp(topology, port, me, free), *_forged_types(me))]
    if may_send(topology, port, anchor):
        forged += [(*one, udp("ip", me, anchor["mac"], anchor["ip"])) for one in _forged_ip(me, anchor, free)]
    for attack, words, frame, control in forged:
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
            attack=attack,
        )


def _permitted(topology: model.Topology, port: model.Port) -> Iterator[Check]:
    """What a port may say beside its own addresses: of allowed address pairs; anything, where port security is off."""
    receivers, free = witnesses(topology, port), free_address(topology, port)
    if not receivers or free is None:
        return
    me, anchor = places.of(topology, port), receivers[0]
    if port.port_security_enabled:
        pairs = [(_first(pair.ip_address), pair.mac_address) for pair in port.allowed_address_pairs]
    else:
        pairs = [(free, FORGED_MAC)]
    for number, (ip, mac) in enumerate(pairs):  # an address may be there twice, with two MACs
        other = {**me, "ip": ip, "mac": mac}
        frames = [arp(f"pair-{number}", other, ip)]
        if may_send(topology, port, anchor, ip):
            frames.append(udp(f"pair-ip-{number}", other, anchor["mac"], anchor["ip"]))
        for frame in frames:
            at = list(range(len(receivers))) if "arp_op" in frame else [0]
            yield Check(
                id=f"permitted.{me['label']}.{frame['token']}",
                title=f"{me['label']} may send {'ARP' if 'arp_op' in frame else 'packets'} as {ip}, {mac}",
                group="switching",
                node=port.node,
                kind="frame",
                args=frame_args(me, receivers, frame, frame, control_at=at, never_at=[]),
                requires_guest=True,
            )


def _first(prefix: str) -> str:
    """The first address of a prefix that a machine can have."""
    network = ipaddress.IPv4Network(prefix)
    return str(next(iter(network.hosts())))


Forged = tuple[str, str, Frame]  # the attack, the frame in words, the frame


def _forged_arp(topology: model.Topology, port: model.Port, me: Place, free: str) -> list[Forged]:
    found = [
        ("MAC spoofing", "ARP with a forged MAC", arp("arp-mac", me, me["ip"], mac=FORGED_MAC)),
        ("ARP spoofing", "an ARP request with a forged address", arp("arp-ip", me, free, spa=free)),
        ("ARP spoofing", "an ARP reply with a forged address", arp("arp-reply", me, free, op=2, spa=free)),
        ("ARP in SNAP", "a forged ARP reply in SNAP", arp("arp-snap", me, free, op=2, spa=free) | SNAP),
        (
            "VLAN hopping, priority tags",
            "a forged ARP reply behind VLAN tags",
            arp("arp-tagged", me, free, op=2, spa=free) | TWO_TAGS,
        ),
    ]
    gateway = topology.subnet(port.fixed_ips[0].subnet).gateway_ip
    owners = [p for p in topology.ports.values() if p.network == port.network]
    mac = next((p.mac for p in owners for ip in p.fixed_ips if ip.address == gateway), None)
    if gateway and mac:  # it says the gateway's true MAC: if it gets through, nobody is led astray
        frame = arp("arp-gateway", me, gateway, op=2, spa=gateway) | {"arp_sha": mac, "arp_tha": mac}
        found.append(("gratuitous ARP for the gateway", "a gratuitous ARP for the gateway", frame))
    return found


def _forged_types(me: Place) -> list[Forged]:
    """IPv6, and what is neither IP nor ARP."""
    target = link_local(me["mac"])
    return [
        (
            "rogue router advertisement",
            "an IPv6 router advertisement",
            _ipv6("ra", me, icmp_type=ROUTER_ADVERTISEMENT),
        ),
        (
            "rogue neighbour advertisement",
            "an IPv6 neighbour advertisement",
            _ipv6("na", me, icmp_type=NEIGHBOUR_ADVERTISEMENT, nd_target=target),
        ),
        ("IPv6 of any kind", "a ping6", _ipv6("ping6", me, icmp_type=ECHO_REQUEST_V6)),
        ("IPv6 of any kind", "an IPv6 packet with nothing in it", _ipv6("ipv6", me)),
        ("unknown Ethernet types", "what is neither IPv4 nor ARP", _other("type", me, dl_type=EXPERIMENTAL)),
        ("unknown Ethernet types", "RARP", _other("rarp", me, dl_type=RARP)),
        ("unknown Ethernet types", "LLDP", _other("lldp", me, dl_type=LLDP)),
        ("LLC frames, spanning tree", "a frame of the spanning tree protocol", _other("stp", me) | SPANNING_TREE),
    ]


def _forged_ip(me: Place, anchor: Place, free: str) -> list[Forged]:
    to = anchor["mac"], anchor["ip"]
    return [
        ("MAC spoofing", "a packet with a forged MAC", udp("ip-mac", me, *to, mac=FORGED_MAC)),
        ("IP spoofing", "a packet with a forged address", udp("ip-src", me, *to, src=free)),
        (
            "IP spoofing, as the gateway",
            f"a packet with the address of {anchor['label']}",
            udp("ip-gw", me, *to, src=anchor["ip"]),
        ),
        ("IPv4 in SNAP", "a packet with a forged address in SNAP", udp("ip-snap", me, *to, src=free) | SNAP),
        ("VLAN hopping, priority tags", "one behind a VLAN tag", udp("ip-tagged", me, *to, src=free) | ONE_TAG),
        ("rogue DHCP server", "a DHCP server's reply", _offer("dhcp-offer", me, BOOTPS)),
        ("rogue DHCP server", "one from another port than a DHCP server's", _offer("dhcp-port", me, EPHEMERAL)),
    ]


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


def may_send(topology: model.Topology, port: model.Port, anchor: Place, address: str = "") -> bool:
    """Whether the honest datagram leaves its sender, as its first address or another one, and enters the anchor."""
    there = next((p for p in topology.ports.values() if p.mac == anchor["mac"] and p.network == port.network), None)
    me = Side(address=address or port.fixed_ips[0].address, port=port)
    return allows(topology, me, Side(address=anchor["ip"], port=there), Service(protocol="udp", port=DISCARD))


def free_address(topology: model.Topology, port: model.Port) -> str | None:
    """The last address of the subnet that nobody has: to claim it does no harm, even where nothing forbids it."""
    subnet = topology.subnet(port.fixed_ips[0].subnet)
    taken = {ip.address for p in topology.ports.values() if p.network == port.network for ip in p.fixed_ips}
    taken.add(str(subnet.gateway_ip))
    net = ipaddress.IPv4Network(subnet.cidr)
    ports = (p for p in topology.ports.values() if p.network == port.network)
    pairs = [ipaddress.IPv4Network(pair.ip_address) for p in ports for pair in p.allowed_address_pairs]
    candidates = (net[-index] for index in range(2, net.num_addresses - 1))
    return next((str(a) for a in candidates if str(a) not in taken and not any(a in pair for pair in pairs)), None)


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
        attack="the node, by all its MACs",
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
        label, honest = topology.networks[interface.network].label, udp("honest", me, gateway.mac, target)
        yield _outside_check(
            router,
            f"{label}.outside",
            f"Nobody outside sends with an address of {label} through {router.label}; an honest packet arrives",
            frame_args(me, [inside], honest | {"token": "forged", "nw_src": free}, honest, [0], [0]),
            "IP spoofing from outside",
        )
        network, end = topology.networks[interface.network], topology.nodes[router.node].tunnel_ip
        if network.network_type in model.TUNNELS and end:
            number = network.segmentation_id or 0
            forged = tunnelled("tunnel", network.network_type, number, me["mac"], gateway.mac, me["ip"], end)
            yield _outside_check(
                router,
                f"{label}.tunnel",
                f"Nobody outside gets a frame into {label} by a tunnel's packet for {end}; an honest packet arrives",
                frame_args(me, [inside], forged, honest, [0], [0]),
                "forged tunnel packet from outside",
            )


def _outside_check(router: model.Router, name: str, title: str, args: dict[str, object], attack: str) -> Check:
    return Check(
        id=f"spoofing.{router.label}.{name}",
        title=title,
        group="spoofing",
        node=router.node,
        kind="frame",
        args={**args, "needs": [places.OUTSIDE]},
        negative=True,
        requires_guest=True,
        attack=attack,
    )
