# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of what is on the wire between nodes, and of what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...module_utils.state import Chain, NodeState
from ..topology import model
from . import checks_places as places
from .check import Check
from .checks_frames import Frame, arp
from .checks_places import Place

SIGNS = {"vxlan": "VNI", "gre": "GRE key", "vlan": "VLAN"}


def checks(topology: model.Topology, states: Mapping[str, NodeState]) -> Iterator[Check]:
    """How networks travel between nodes, and who answers for the ends of tunnels."""
    for network in sorted(topology.networks.values(), key=lambda n: n.label):
        if network.segmentation_id is not None:
            yield from _travels(topology, network)
    yield from _endpoints(topology)
    yield from _untracked(topology, states)


def _travels(topology: model.Topology, network: model.Network) -> Iterator[Check]:
    """Between nodes a network travels under its own VNI, key or VLAN, and only on the NIC that is meant for it."""
    ports = [p for p in topology.ports.values() if p.network == network.id and p.fixed_ips]
    ports.sort(key=lambda p: (p.owner != "instance" or not topology.nodes[p.node].guests, p.id))
    near = next((p for p in ports if places.of(topology, p)["ours"] and _nic(topology, network, p.node)), None)
    far = [p for p in ports if near and p.node != near.node and _nic(topology, network, p.node)]
    if near is None or not (far or network.external):
        return
    yield _broadcast(topology, network, near, [p.node for p in far[:1]])
    if topology.l2_population and network.network_type in model.TUNNELS:
        yield _unicast(topology, network, near, far[0])
        if topology.arp_responder:
            yield _answered(topology, network, near, far[0])


def _nic(topology: model.Topology, network: model.Network, node: str) -> str:
    """The device of a node that carries a network; "" where the inventory does not name it, as of some tunnels."""
    use = "tunnel" if network.network_type in model.TUNNELS else str(network.physical_network)
    return topology.nodes[node].interfaces.get(use, "")


def _broadcast(topology: model.Topology, network: model.Network, near: model.Port, far: list[str]) -> Check:
    """To a node that hosts the network; with l2 population to no other one."""
    hosts = {p.node for p in topology.ports.values() if p.network == network.id}
    told = topology.l2_population and network.network_type in model.TUNNELS
    strangers = [n for n in _carriers(topology, network) if n not in hosts][: 1 if told else 0]
    me, to = places.of(topology, near), " ".join(["to", *far]) if far else "into the world"
    but = f", and not to {strangers[0]}" if strangers else ""
    sign = SIGNS[network.network_type]
    return Check(
        id=f"wire.{network.label}",
        title=f"{network.label} travels from {near.node} {to} as {sign} {network.segmentation_id}{but}",
        group="switching",
        node=near.node,
        kind="wire",
        args=_args(topology, network, near, arp("wire", me, me["ip"]), far, strangers),
        requires_guest=near.owner == "instance",
    )


def _unicast(topology: model.Topology, network: model.Network, near: model.Port, far: model.Port) -> Check:
    """A frame for one MAC: where a flood would arrive it does not."""
    hosts = {p.node for p in topology.ports.values() if p.network == network.id}
    others = [n for n in _carriers(topology, network) if n not in (near.node, far.node)]
    others.sort(key=lambda n: n not in hosts)
    me, it = places.of(topology, near), places.of(topology, far)
    return Check(
        id=f"wire.{network.label}.unicast",
        title=f"A frame from {me['label']} for the MAC of {it['label']} travels to {far.node} only",
        group="switching",
        node=near.node,
        kind="wire",
        args=_args(
            topology, network, near, arp("unicast", me, it["ip"]) | {"dl_dst": it["mac"]}, [far.node], others[:1]
        ),
        requires_guest=near.owner == "instance",
    )


def _answered(topology: model.Topology, network: model.Network, near: model.Port, far: model.Port) -> Check:
    """An ARP request for what is on another node gets its answer here; one that nobody here can answer travels."""
    me, it = places.of(topology, near), places.of(topology, far)
    return Check(
        id=f"answered.{network.label}",
        title=f"{near.node} answers {me['label']}'s ARP for {it['ip']} of {it['label']} itself: nothing travels",
        group="switching",
        node=near.node,
        kind="answered",
        args={
            "sender": me,
            "frame": arp("asked", me, it["ip"]),
            "mac": it["mac"],
            "control": arp("announced", me, me["ip"]),
            "captures": [_capture(topology, network, near.node)],
        },
        negative=True,
        requires_guest=near.owner == "instance",
    )


def _carriers(topology: model.Topology, network: model.Network) -> list[str]:
    """Nodes whose NIC for a network is known, by name."""
    return [name for name in sorted(topology.nodes) if _nic(topology, network, name)]


def _args(
    topology: model.Topology, network: model.Network, near: model.Port, frame: Frame, far: list[str], absent: list[str]
) -> dict[str, object]:
    """The frame is seen on the NIC of near and far nodes as it must be, and on no NIC of those where it is absent."""
    ends: dict[str, object] = {}
    if network.network_type in model.TUNNELS:
        ends = {"nw_src": topology.nodes[near.node].tunnel_ip, "nw_dst": topology.nodes[far[0]].tunnel_ip}
    number = "tun_id" if ends else "dl_vlan"
    return {
        "sender": places.of(topology, near),
        "frame": frame,
        "captures": [_capture(topology, network, n) for n in (near.node, *far)],
        "absent": [_capture(topology, network, n) for n in absent],
        "expected": {number: network.segmentation_id, **ends},
    }


def _capture(topology: model.Topology, network: model.Network, node: str) -> Place:
    """All NICs of a node, and the one that a network may be seen on."""
    one = topology.nodes[node]
    devices = sorted(set(one.interfaces.values()))
    return {**places.underlay(one), "devices": devices, "device": _nic(topology, network, node)}


def _endpoints(topology: model.Topology) -> Iterator[Check]:
    """One device, and not a second one, answers for the tunnel address of each node."""
    nodes = places.tunnel_nodes(topology)
    for index, node in enumerate(nodes):
        asker = nodes[index - 1]
        if asker is node:
            continue
        yield Check(
            id=f"endpoint.{node.name}",
            title=f"Exactly one answers {asker.name} for the tunnel address {node.tunnel_ip} of {node.name}",
            group="switching",
            node=node.name,
            kind="endpoint",
            args={"source": places.underlay(asker), "address": node.tunnel_ip},
        )


def _untracked(topology: model.Topology, states: Mapping[str, NodeState]) -> Iterator[Check]:
    """Where a node tracks connections at all, those of tunnels are not among them."""
    nodes = places.tunnel_nodes(topology)
    for index, node in enumerate(nodes):
        other = nodes[index - 1]
        if other is node or node.name not in states or not _tracks(states[node.name]):
            continue
        yield Check(
            id=f"untracked.{node.name}",
            title=f"{node.name} tracks no packet of a tunnel to {other.name}, and does track others",
            group="node",
            node=node.name,
            kind="untracked",
            args={"source": places.underlay(node), "address": other.tunnel_ip},
            negative=True,
        )


def _tracks(state: NodeState) -> bool:
    """Whether a rule of the node's own namespace looks at connections: the kernel tracks nothing otherwise."""
    chains = (r for r in state.resources if isinstance(r, Chain) and not r.namespace)
    return any("-m state" in rule for chain in chains for rule in chain.rules)
