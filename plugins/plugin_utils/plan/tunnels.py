# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""br-tun: between local VLANs and tunnel ids, and to the right nodes (datapath.md 1.5). Part of slice `switching`.

Nodes flood and learn: a tunnel to each other node, a broadcast into all of them, a MAC behind the tunnel that it last
came from. With l2 population each node is told beforehand: tunnels and broadcasts go only to nodes that host the
network, and the MAC of each port there has a flow of its own, which wins over what was learned. With the ARP responder
requests for those ports' addresses are answered on the spot.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator

from ...module_utils.state import Flow, Port, Resource, cookie
from ..topology import model
from . import names

SLICE = "switching"
BRIDGE = names.BR_TUN

# Tables of br-tun
PATCH_LV_TO_TUN = 2
TUN_TO_LV = {"gre": 3, "vxlan": 4, "geneve": 6}
LEARN_FROM_TUN = 10
UCAST_TO_TUN = 20
ARP_RESPONDER = 21
FLOOD_TO_TUN = 22

LEARNED_SECONDS = 300  # hard timeout of a learned MAC


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A network as one node sees it: its local VLAN, and the nodes that a broadcast goes to."""

    network: model.Network
    vlan: int
    remotes: tuple[model.Node, ...]

    def tunnel(self, remote: model.Node) -> str:
        """The tunnel port to a node; it has one, or it would not be a remote."""
        return names.tunnel(self.network.network_type, remote.tunnel_ip or "")


def compile(topology: model.Topology, node: model.Node) -> Iterator[Resource]:
    """Tunnel ports and all flows of br-tun."""
    reached = [_reach(topology, node, n) for n in topology.networks_on(node.name) if n.network_type in model.TUNNELS]
    ports = list(_ports(topology, node, reached))
    yield from _pipeline(topology)
    yield from ports
    for port in ports:
        yield _flow(0, 1, f'in_port="{port.name}"', _goto(TUN_TO_LV[port.type]))
    for reach in reached:
        yield from _network(reach)
        if topology.l2_population:
            yield from _known(topology, reach)


def _flow(table: int, priority: int, match: str, actions: str) -> Flow:
    return Flow(slice=SLICE, bridge=BRIDGE, table=table, priority=priority, match=match, actions=actions)


def _goto(table: int) -> str:
    return f"goto_table:{table}"


def _reach(topology: model.Topology, node: model.Node, network: model.Network) -> Reach:
    """Everybody with a tunnel address, or, with l2 population, those that host the network."""
    hosts = {p.node for p in topology.ports.values() if p.network == network.id}
    remotes = tuple(r for r in others(topology, node) if not topology.l2_population or r.name in hosts)
    return Reach(network=network, vlan=topology.local_vlans[node.name][network.id], remotes=remotes)


def others(topology: model.Topology, node: model.Node) -> list[model.Node]:
    """The other nodes that tunnels may lead to."""
    return [n for _name, n in sorted(topology.nodes.items()) if n.tunnel_ip and n.name != node.name]


# -------------------------------------------------------------------------------------------------------------- ports


def _ports(topology: model.Topology, node: model.Node, reached: list[Reach]) -> Iterator[Port]:
    """One port for each remote node and tunnel type; all networks share it, `tun_id` tells them apart."""
    types = sorted({n.network_type for n in topology.networks.values()} & set(model.TUNNELS))
    for remote in others(topology, node):
        for type_ in types:
            used = any(remote in r.remotes for r in reached if r.network.network_type == type_)
            if used or not topology.l2_population:
                yield _port(node, remote, type_)


def _port(node: model.Node, remote: model.Node, type_: model.NetworkType) -> Port:
    return Port(
        slice=SLICE,
        bridge=BRIDGE,
        name=names.tunnel(type_, remote.tunnel_ip or ""),
        type="vxlan" if type_ == "vxlan" else "gre",
        options={
            "remote_ip": remote.tunnel_ip or "",
            "local_ip": node.tunnel_ip or "",
            "in_key": "flow",
            "out_key": "flow",
            "df_default": "true",
            "egress_pkt_mark": "0",
        },
        external_ids={"tenantnet-name": remote.name},
    )


# -------------------------------------------------------------------------------------------------------------- flows


def _pipeline(topology: model.Topology) -> Iterator[Resource]:
    """The pipeline of br-tun without any network or tunnel."""
    yield _flow(0, 1, f'in_port="{names.PATCH_INT}"', _goto(PATCH_LV_TO_TUN))
    yield _flow(0, 0, "", "drop")
    # From br-int: to one MAC, or to many.
    yield _flow(PATCH_LV_TO_TUN, 0, "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00", _goto(UCAST_TO_TUN))
    yield _flow(PATCH_LV_TO_TUN, 0, "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", _goto(FLOOD_TO_TUN))
    if topology.arp_responder:
        # A question that nobody here can answer is asked on all nodes that host the network.
        yield _flow(PATCH_LV_TO_TUN, 1, "arp,dl_dst=ff:ff:ff:ff:ff:ff", _goto(ARP_RESPONDER))
        yield _flow(ARP_RESPONDER, 0, "", _goto(FLOOD_TO_TUN))
    # A tunnel id that no network of this node has.
    for table in TUN_TO_LV.values():
        yield _flow(table, 0, "", "drop")
    # A MAC that is not known yet is flooded; a network without remotes goes nowhere.
    yield _flow(UCAST_TO_TUN, 0, "", _goto(FLOOD_TO_TUN))
    yield _flow(FLOOD_TO_TUN, 0, "", "drop")
    learn = _learn(cookie(topology.deployment, "learned"))
    yield _flow(LEARN_FROM_TUN, 1, "", learn)
    # Megaflows of their own, so that announcements of a moved address always reach the learn action (LP 2123911).
    for match in ("arp,arp_tha=ff:ff:ff:ff:ff:ff", "icmp6,icmp_type=134", "icmp6,icmp_type=136"):
        yield _flow(LEARN_FROM_TUN, 2, match, learn)


def _learn(learned_cookie: int) -> str:
    """Remember behind which tunnel a source MAC lives, then hand the packet to br-int."""
    return (
        f"learn(table={UCAST_TO_TUN},hard_timeout={LEARNED_SECONDS},priority=1,cookie={learned_cookie:#x},"
        "NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],"
        "load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:OXM_OF_IN_PORT[]),"
        f'output:"{names.PATCH_INT}"'
    )


def _network(reach: Reach) -> Iterator[Resource]:
    """A network of this node: tunnel id to local VLAN, and the way back to every remote."""
    segment = reach.network.segmentation_id or 0
    into = f"push_vlan:0x8100,set_field:{0x1000 | reach.vlan}->vlan_vid,{_goto(LEARN_FROM_TUN)}"
    yield _flow(TUN_TO_LV[reach.network.network_type], 1, f"tun_id={segment:#x}", into)
    if reach.remotes:
        outputs = ",".join(f'output:"{reach.tunnel(remote)}"' for remote in reach.remotes)
        flood = f"pop_vlan,set_field:{segment:#x}->tun_id,{outputs}"
        yield _flow(FLOOD_TO_TUN, 1, f"dl_vlan={reach.vlan}", flood)


def _known(topology: model.Topology, reach: Reach) -> Iterator[Resource]:
    """Where each MAC of a remote node is, and who has its addresses."""
    remotes, segment = {r.name: r for r in reach.remotes}, reach.network.segmentation_id or 0
    for port in topology.ports.values():
        if port.network != reach.network.id or port.node not in remotes:
            continue
        out = f'output:"{reach.tunnel(remotes[port.node])}"'
        to_it = f"dl_vlan={reach.vlan},dl_dst={port.mac}"
        yield _flow(UCAST_TO_TUN, 2, to_it, f"pop_vlan,set_field:{segment:#x}->tun_id,{out}")
        if topology.arp_responder:
            for ip in port.fixed_ips:
                asked = f"arp,dl_vlan={reach.vlan},arp_tpa={ip.address}"
                yield _flow(ARP_RESPONDER, 1, asked, _reply(port.mac, ip.address))


def _reply(mac: str, address: str) -> str:
    """Turn an ARP request into the reply of whoever has the address, and send it back."""
    octets, number = mac.replace(":", ""), int(ipaddress.IPv4Address(address))
    return (
        "load:0x2->NXM_OF_ARP_OP[],move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
        f"load:0x{octets}->NXM_NX_ARP_SHA[],load:{number:#x}->NXM_OF_ARP_SPA[],"
        f"move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{mac}->eth_src,IN_PORT"
    )
