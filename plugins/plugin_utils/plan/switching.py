# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Switching: what Neutron's Open vSwitch agent builds (datapath.md 1).

br-int holds the ports and knows networks by local VLANs; br-tun turns a local VLAN into a tunnel id and back; a
physical bridge turns it into the VLAN of the wire, or into none. A local VLAN means nothing outside its node.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...module_utils.state import Bridge, Chain, Flow, Port, Resource, chain_prefix, cookie
from ..topology import model
from . import names, plug

SLICE = "switching"

# Tables of br-int
LOCAL_SWITCHING = 0
CANARY = 23
ARP_SPOOF = 24
MAC_SPOOF = 25
LOCAL_EGRESS = 30
LOCAL_IP = 31
PACKET_RATE_LIMIT = 58
BANDWIDTH_RATE_LIMIT = 59
TRANSIENT = 60
TRANSIENT_EGRESS = 62

# Tables of br-tun
PATCH_LV_TO_TUN = 2
TUN_TO_LV = {"gre": 3, "vxlan": 4, "geneve": 6}
LEARN_FROM_TUN = 10
UCAST_TO_TUN = 20
FLOOD_TO_TUN = 22

DEAD_VLAN = 4095
VLAN_TYPES = ("0x8100", "0x88a8")  # Ethernet types of a tag: 802.1Q and 802.1ad
LEARNED_SECONDS = 300  # hard timeout of a learned MAC


def compile(topology: model.Topology, node: model.Node) -> list[Resource]:
    """Bridges, patch ports, tunnels and the pipelines of a node that carries project traffic."""
    if "network" not in node.roles and "compute" not in node.roles:
        return []
    resources: list[Resource] = [_bridge(node, names.BR_INT), *_integration_flows()]
    for physical in _physical_networks(topology, node):
        resources += _physical_bridge(topology, node, physical)
    if node.tunnel_ip:
        resources += _tunnel_bridge(topology, node)
    return resources + _shields(topology, node)


def _flow(bridge: str, table: int, priority: int, match: str, actions: str) -> Flow:
    return Flow(slice=SLICE, bridge=bridge, table=table, priority=priority, match=match, actions=actions)


def _goto(table: int) -> str:
    return f"goto_table:{table}"


def _bridge(node: model.Node, name: str) -> Bridge:
    other_config = {"mac-table-size": "50000", "disable-in-band": "true"}
    if name == names.BR_INT:
        other_config["mcast-snooping-disable-flood-unregistered"] = "true"
    return Bridge(
        slice=SLICE,
        name=name,
        datapath_type=node.datapath,
        other_config=other_config,
        adopt=name in node.adopt_bridges,
    )


def _physical_networks(topology: model.Topology, node: model.Node) -> list[model.PhysicalNetwork]:
    return [p for name, p in sorted(topology.physical_networks.items()) if name in node.interfaces]


def _patch_pair(bridge: str, name: str, peer_bridge: str, peer: str) -> list[Resource]:
    """Two patch ports that lead to each other; multicast is not flooded out of br-int's side (datapath.md 1.2)."""
    quiet = {"mcast-snooping-flood": "false", "mcast-snooping-flood-reports": "true"}
    return [
        Port(slice=SLICE, bridge=bridge, name=name, type="patch", options={"peer": peer}, other_config=quiet),
        Port(slice=SLICE, bridge=peer_bridge, name=peer, type="patch", options={"peer": name}),
    ]


# ---------------------------------------------------------------------------------------------------------- br-int


def _integration_flows() -> list[Resource]:
    """The pipeline of br-int without any network or port (datapath.md 1.4)."""
    flow = names.BR_INT
    return [
        # A packet that carries the dead VLAN came from a port that is not ready.
        _flow(flow, LOCAL_SWITCHING, 65535, f"dl_vlan={DEAD_VLAN}", "drop"),
        # Two VLAN tags: neither a flow nor iptables would see what is behind the second one.
        *(_flow(flow, LOCAL_SWITCHING, 65535, f"dl_type={type_}", "drop") for type_ in VLAN_TYPES),
        _flow(flow, LOCAL_SWITCHING, 0, "", _goto(PACKET_RATE_LIMIT)),
        # Gone after a restart of ovs-vswitchd: the watcher looks for it.
        _flow(flow, CANARY, 0, "", "drop"),
        # What no port's own flow allows is spoofed.
        _flow(flow, ARP_SPOOF, 0, "", "drop"),
        _flow(flow, LOCAL_EGRESS, 0, "", _goto(PACKET_RATE_LIMIT)),
        _flow(flow, LOCAL_IP, 0, "", _goto(PACKET_RATE_LIMIT)),
        _flow(flow, PACKET_RATE_LIMIT, 0, "", _goto(BANDWIDTH_RATE_LIMIT)),
        _flow(flow, BANDWIDTH_RATE_LIMIT, 0, "", _goto(TRANSIENT)),
        _flow(flow, TRANSIENT, 1, "", "NORMAL"),
        _flow(flow, TRANSIENT_EGRESS, 3, "", "NORMAL"),
    ]


# ------------------------------------------------------------------------------------------------- physical bridges


def _physical_bridge(topology: model.Topology, node: model.Node, physical: model.PhysicalNetwork) -> list[Resource]:
    """br-vlan, br-ex: the NIC of a physical network, joined to br-int by a pair of patch ports (datapath.md 1.6)."""
    bridge = physical.bridge
    int_port, phy_port = names.patch("int-", bridge), names.patch("phy-", bridge)
    resources: list[Resource] = [
        _bridge(node, bridge),
        Port(slice=SLICE, bridge=bridge, name=node.interfaces[physical.name], up=True),
        *_patch_pair(names.BR_INT, int_port, bridge, phy_port),
        _flow(names.BR_INT, LOCAL_SWITCHING, 2, f'in_port="{int_port}"', "drop"),
        _flow(bridge, 0, 0, "", "NORMAL"),
        _flow(bridge, 0, 2, f'in_port="{phy_port}"', "drop"),
    ]
    for network in topology.networks_on(node.name):
        if network.physical_network == physical.name:
            vlan = topology.local_vlans[node.name][network.id]
            resources += _translation(bridge, int_port, phy_port, network, vlan)
    return resources


def _translation(bridge: str, int_port: str, phy_port: str, network: model.Network, vlan: int) -> list[Resource]:
    """Between the VLAN of the wire (or none, on a flat network) and the local VLAN of this node."""
    inwards = f"set_field:{0x1000 | vlan}->vlan_vid,{_goto(PACKET_RATE_LIMIT)}"
    if network.network_type == "flat":
        seen, inwards = "vlan_tci=0x0000/0x1fff", f"push_vlan:0x8100,{inwards}"
        outwards = "pop_vlan,NORMAL"
    else:
        seen = f"dl_vlan={network.segmentation_id}"
        outwards = f"set_field:{0x1000 | (network.segmentation_id or 0)}->vlan_vid,NORMAL"
    return [
        _flow(names.BR_INT, LOCAL_SWITCHING, 3, f'in_port="{int_port}",{seen}', inwards),
        _flow(bridge, 0, 4, f'in_port="{phy_port}",dl_vlan={vlan}', outwards),
    ]


# ---------------------------------------------------------------------------------------------------------- br-tun


def _tunnel_bridge(topology: model.Topology, node: model.Node) -> list[Resource]:
    """br-tun with a full mesh of tunnels that learn where a MAC lives (datapath.md 1.5, mode A)."""
    tunnels = list(_tunnel_ports(topology, node))
    resources: list[Resource] = [
        _bridge(node, names.BR_TUN),
        *_patch_pair(names.BR_INT, names.PATCH_TUN, names.BR_TUN, names.PATCH_INT),
        *_tunnel_flows(topology.deployment),
        *tunnels,
    ]
    for port in tunnels:
        resources.append(_flow(names.BR_TUN, 0, 1, f'in_port="{port.name}"', _goto(TUN_TO_LV[port.type])))
    for network in topology.networks_on(node.name):
        if network.network_type in model.TUNNELS:
            vlan = topology.local_vlans[node.name][network.id]
            remotes = [port.name for port in tunnels if port.type == network.network_type]
            resources += _tunnelled(network, vlan, remotes)
    return resources


def _tunnel_ports(topology: model.Topology, node: model.Node) -> Iterator[Port]:
    """One port for each remote node and tunnel type in use; all networks share it, `tun_id` tells them apart."""
    types = sorted({n.network_type for n in topology.networks.values()} & set(model.TUNNELS))
    for remote in sorted(topology.nodes.values(), key=lambda n: n.name):
        if remote.tunnel_ip is None or node.tunnel_ip is None or remote.name == node.name:
            continue
        for type_ in types:
            yield Port(
                slice=SLICE,
                bridge=names.BR_TUN,
                name=names.tunnel(type_, remote.tunnel_ip),
                type="vxlan" if type_ == "vxlan" else "gre",
                options={
                    "remote_ip": remote.tunnel_ip,
                    "local_ip": node.tunnel_ip,
                    "in_key": "flow",
                    "out_key": "flow",
                    "df_default": "true",
                    "egress_pkt_mark": "0",
                },
                external_ids={"tenantnet-name": remote.name},
            )


def _tunnel_flows(deployment: str) -> list[Resource]:
    """The pipeline of br-tun without any network or tunnel."""
    bridge = names.BR_TUN
    resources: list[Resource] = [
        _flow(bridge, 0, 1, f'in_port="{names.PATCH_INT}"', _goto(PATCH_LV_TO_TUN)),
        _flow(bridge, 0, 0, "", "drop"),
        # From br-int: to one MAC, or to many.
        _flow(bridge, PATCH_LV_TO_TUN, 0, "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00", _goto(UCAST_TO_TUN)),
        _flow(bridge, PATCH_LV_TO_TUN, 0, "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", _goto(FLOOD_TO_TUN)),
        # A tunnel id that no network of this node has.
        *(_flow(bridge, table, 0, "", "drop") for table in TUN_TO_LV.values()),
        # A MAC that was not learned yet is flooded; a network without remotes goes nowhere.
        _flow(bridge, UCAST_TO_TUN, 0, "", _goto(FLOOD_TO_TUN)),
        _flow(bridge, FLOOD_TO_TUN, 0, "", "drop"),
    ]
    learn = _learn(cookie(deployment, "learned"))
    resources.append(_flow(bridge, LEARN_FROM_TUN, 1, "", learn))
    # Megaflows of their own, so that announcements of a moved address always reach the learn action (LP 2123911).
    for match in ("arp,arp_tha=ff:ff:ff:ff:ff:ff", "icmp6,icmp_type=134", "icmp6,icmp_type=136"):
        resources.append(_flow(bridge, LEARN_FROM_TUN, 2, match, learn))
    return resources


def _learn(learned_cookie: int) -> str:
    """Remember behind which tunnel a source MAC lives, then hand the packet to br-int."""
    return (
        f"learn(table={UCAST_TO_TUN},hard_timeout={LEARNED_SECONDS},priority=1,cookie={learned_cookie:#x},"
        "NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],"
        "load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:OXM_OF_IN_PORT[]),"
        f'output:"{names.PATCH_INT}"'
    )


def _tunnelled(network: model.Network, vlan: int, remotes: list[str]) -> list[Resource]:
    """A network of this node: tunnel id to local VLAN, and the way back to every remote."""
    bridge, segment = names.BR_TUN, network.segmentation_id or 0
    resources: list[Resource] = [
        _flow(
            bridge,
            TUN_TO_LV[network.network_type],
            1,
            f"tun_id={segment:#x}",
            f"push_vlan:0x8100,set_field:{0x1000 | vlan}->vlan_vid,{_goto(LEARN_FROM_TUN)}",
        )
    ]
    if remotes:
        outputs = ",".join(f'output:"{name}"' for name in remotes)
        flood = f"pop_vlan,set_field:{segment:#x}->tun_id,{outputs}"
        resources.append(_flow(bridge, FLOOD_TO_TUN, 1, f"dl_vlan={vlan}", flood))
    return resources


# ------------------------------------------------------------------------------ the node's own IP stack is not there


def _shields(topology: model.Topology, node: model.Node) -> list[Resource]:
    """With the userspace datapath the kernel sees each frame of a bridged device too: it must not answer."""
    if node.datapath != "netdev":
        return []
    nics = [node.interfaces[p.name] for p in _physical_networks(topology, node)]
    if node.tunnel_ip and "tunnel" in node.interfaces:
        nics.append(node.interfaces["tunnel"])
    hosted = [names.device("qr-", p.id) for p in topology.ports_on(node.name) if p.owner == "router_interface"]
    hosted += [names.device("qg-", p.id) for p in topology.ports_on(node.name) if p.owner == "router_gateway"]
    hosted += [names.device("tap", p.id) for p in topology.ports_on(node.name) if p.owner == "dhcp"]
    hosted += [plug.instance_device(node, p) for p in topology.ports_on(node.name) if p.owner == "instance"]
    prefix = chain_prefix(SLICE)
    chain = f"{prefix}PREROUTING"
    resources: list[Resource] = [s for nic in nics for s in plug.shield(SLICE, nic)]
    for family in ("ipv4", "ipv6"):
        rules = tuple(f"-i {device} -j DROP" for device in nics + hosted)
        resources.append(
            Chain(slice=SLICE, namespace="", family=family, table="raw", name="PREROUTING", rules=(f"-j {chain}",))
        )
        resources.append(Chain(slice=SLICE, namespace="", family=family, table="raw", name=chain, rules=rules))
    return resources
