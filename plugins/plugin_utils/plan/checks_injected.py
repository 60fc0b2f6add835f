# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of frames that come in from the wire: only those that carry the number of a network get into it.

A flat network has no number: frames of its wire that carry none are its own. Another node puts all of them on the wire
behind the back of its own Open vSwitch. The control is a frame with a number that is known, which gets into its network
and into no other; where there is none, the frame itself is seen on the NIC.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from .check import Check
from .checks_frames import PROBE, Frame, frame_args, tunnelled
from .checks_places import Place
from .checks_wire import SIGNS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A way into a node: the NIC that frames come in by, who sends them, and the networks that use it, by number."""

    node: model.Node
    sender: model.Node
    use: str  # "tunnel" or a physical network
    type: model.NetworkType  # "vlan" for a flat network, too: frames of a trunk
    known: dict[int | None, model.Network]  # of this node; None: flat
    elsewhere: list[int]  # numbers in use on other nodes


def checks(topology: model.Topology) -> Iterator[Check]:
    """Each node is sent frames on each trunk, and by each kind of tunnel."""
    for node in sorted(topology.nodes.values(), key=lambda n: n.name):
        for use in sorted(node.interfaces):
            yield from _wire(topology, node, use)


def _wire(topology: model.Topology, node: model.Node, use: str) -> Iterator[Check]:
    senders = [n for _name, n in sorted(topology.nodes.items()) if use in n.interfaces and n.name != node.name]
    if not senders or use == "management":
        return
    if use != "tunnel":
        wire = _known(topology, node, senders[0], use, "vlan")
        untagged: dict[str, int | None] = {} if None in wire.known else {"untagged": None}
        yield from _checks(topology, wire, {**untagged, "tagged": _unknown(topology, wire)})
        return
    for type_ in model.TUNNELS:
        hosts = {p.node for p in topology.ports.values() if topology.networks[p.network].network_type == type_}
        peers = [n for n in senders if n.name in hosts and n.tunnel_ip]
        if node.name in hosts and node.tunnel_ip and peers:
            wire = _known(topology, node, peers[0], use, type_)
            yield from _checks(topology, wire, {type_: _unknown(topology, wire)})


def _known(topology: model.Topology, node: model.Node, sender: model.Node, use: str, type_: model.NetworkType) -> Wire:
    networks = topology.networks.values()
    if type_ in model.TUNNELS:
        carried = [n for n in networks if n.network_type == type_]
    else:
        carried = [n for n in networks if n.physical_network == use]
    all_ = {n.segmentation_id: n for n in sorted(carried, key=lambda n: n.segmentation_id or 0)}
    here = {n.id for n in topology.networks_on(node.name)}
    known = {number: n for number, n in all_.items() if n.id in here}
    elsewhere = [number for number in all_ if number is not None and number not in known]
    return Wire(node=node, sender=sender, use=use, type=type_, known=known, elsewhere=elsewhere)


def _unknown(topology: model.Topology, wire: Wire) -> int:
    """A number that must not be let in: a local VLAN of the node, a number of another node's network, or any."""
    local = sorted(topology.local_vlans[wire.node.name].values()) if wire.type == "vlan" else []
    candidates: list[int] = [*local, *wire.elsewhere, *range(1, len(wire.known) + 2)]
    return next(number for number in candidates if number not in wire.known)


def _checks(topology: model.Topology, wire: Wire, unknown: dict[str, int | None]) -> Iterator[Check]:
    """A frame of each unknown sort arrives nowhere, and one of a known number only where that network is."""
    nic = {**places.underlay(wire.node), "device": wire.node.interfaces[wire.use]}
    ports = _receivers(topology, wire.node)
    if not ports:
        return
    receivers = [nic, *(places.of(topology, p) for p in ports)]
    inside = list(range(1, len(receivers)))
    known = [number for number, n in wire.known.items() if any(p.network == n.id for p in ports)][:1]
    good = _frame(wire, "known", known[0]) if known else None
    at = [0, *(i for i in inside if known and ports[i - 1].network == wire.known[known[0]].id)]
    for token, number in unknown.items():
        bad = _frame(wire, token, number)
        what = f"{_words(wire, number)}, which no network of {wire.node.name} has,"
        yield _check(wire, token, f"{what} gets into no network", receivers, bad, good or bad, at, inside)
    if good and known:
        others = [i for i in inside if i not in at]
        title = f"{_words(wire, known[0])} gets into {wire.known[known[0]].label} of {wire.node.name} and nowhere else"
        yield _check(wire, f"{wire.type}.known", title, receivers, good, good, at, others)


def _check(
    wire: Wire,
    name: str,
    title: str,
    receivers: list[Place],
    frame: Frame,
    control: Frame,
    control_at: list[int],
    never_at: list[int],
) -> Check:
    sender = {**places.underlay(wire.sender), "device": wire.sender.interfaces[wire.use]}
    return Check(
        id=f"injected.{wire.node.name}.{wire.use}.{name}",
        title=f"From the wire '{wire.use}', {title}",
        group="isolation",
        node=wire.node.name,
        kind="frame",
        args=frame_args(sender, receivers, frame, control, control_at, never_at),
        negative=True,
        requires_guest=any(r["namespace"].startswith("guest-") for r in receivers),
        attack="local VLAN on the wire" if wire.type == "vlan" else "forged tunnel packet on the wire",
    )


def _receivers(topology: model.Topology, node: model.Node) -> list[model.Port]:
    """A port of each network of a node, as far as a probe can be run there."""
    first: dict[str, model.Port] = {}
    for port in topology.ports_on(node.name):
        if places.of(topology, port)["ours"]:
            first.setdefault(port.network, port)
    return [first[network] for network in sorted(first)]


def _words(wire: Wire, number: int | None) -> str:
    if number is None:
        return "an untagged frame"
    return f"a frame of {SIGNS[wire.type]} {number}"


def _frame(wire: Wire, token: str, number: int | None) -> Frame:
    """An ARP probe under a number, as it is on the wire."""
    token = f"{token}-{wire.type}"
    if wire.type == "vlan":
        return PROBE | {"token": token} | ({} if number is None else {"dl_vlan": number})
    # The MACs of whoever has the addresses: Open vSwitch believes the one that a tunnel's packet comes from.
    ends = str(wire.sender.tunnel_ip), str(wire.node.tunnel_ip)
    return tunnelled(token, wire.type, number or 0, *ends, *ends)
