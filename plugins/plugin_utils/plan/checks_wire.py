# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of what is on the wire between nodes."""

from __future__ import annotations

from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from .check import Check
from .checks_frames import arp


def checks(topology: model.Topology) -> Iterator[Check]:
    """How networks travel between nodes, and who answers for the ends of tunnels."""
    yield from _encapsulation(topology)
    yield from _endpoints(topology)


def _encapsulation(topology: model.Topology) -> Iterator[Check]:
    """Between nodes a network travels under its own VNI, key or VLAN, and only on the NIC that is meant for it."""
    for network in sorted(topology.networks.values(), key=lambda n: n.label):
        ports = [p for p in topology.ports.values() if p.network == network.id and p.fixed_ips]
        ports.sort(key=lambda p: (p.owner != "instance" or not topology.nodes[p.node].guests, p.id))
        senders = [p for p in ports if places.of(topology, p)["ours"] and p.owner != "router_gateway"]
        far = next((p for p in ports if senders and p.node != senders[0].node), None)
        if far is None or network.segmentation_id is None:
            continue
        nic = "tunnel" if network.network_type in model.TUNNELS else str(network.physical_network)
        # A tunnel's address may be on a device that the inventory does not name.
        if all(nic in topology.nodes[node].interfaces for node in (senders[0].node, far.node)):
            yield _wire(topology, network, senders[0], topology.nodes[far.node], nic)


def _wire(topology: model.Topology, network: model.Network, port: model.Port, far: model.Node, nic: str) -> Check:
    me, near = places.of(topology, port), topology.nodes[port.node]
    sign = {"vxlan": "VNI", "gre": "GRE key", "vlan": "VLAN"}[network.network_type]
    tunnelled = network.network_type in model.TUNNELS
    return Check(
        id=f"wire.{network.label}",
        title=f"{network.label} travels from {near.name} to {far.name} as {sign} {network.segmentation_id}",
        group="switching",
        node=near.name,
        kind="wire",
        args={
            "sender": me,
            "frame": arp("wire", me, me["ip"]),
            "captures": [
                {
                    **places.underlay(node),
                    "devices": sorted(set(node.interfaces.values())),
                    "device": node.interfaces[nic],
                }
                for node in (near, far)
            ],
            "expected": {"tun_id": network.segmentation_id, "nw_src": near.tunnel_ip, "nw_dst": far.tunnel_ip}
            if tunnelled
            else {"dl_vlan": network.segmentation_id},
        },
        requires_guest=port.owner == "instance",
    )


def _endpoints(topology: model.Topology) -> Iterator[Check]:
    """One device, and not a second one, answers for the tunnel address of each node."""
    nodes = [
        n for n in sorted(topology.nodes.values(), key=lambda n: n.name) if n.tunnel_ip and "tunnel" in n.interfaces
    ]
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
