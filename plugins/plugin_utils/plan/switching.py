# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Switching: what Neutron's Open vSwitch agent builds (datapath.md 1).

br-int holds the ports and knows networks by local VLANs; br-tun turns a local VLAN into a tunnel id and back; a
physical bridge turns it into the VLAN of the wire, or into none. A local VLAN means nothing outside its node.
"""

from __future__ import annotations

import typing

from ...module_utils.state import STATE_DIR, Bridge, Chain, Daemon, Flow, Port, Resource, chain_prefix
from ..topology import model
from . import names, plug, tunnels

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

DEAD_VLAN = 4095
VLAN_TYPES = ("0x8100", "0x88a8")  # Ethernet types of a tag: 802.1Q and 802.1ad


def compile(topology: model.Topology, node: model.Node) -> list[Resource]:
    """Bridges, patch ports, tunnels and the pipelines of a node that carries project traffic."""
    if "network" not in node.roles and "compute" not in node.roles:
        return []
    resources: list[Resource] = [_bridge(node, names.BR_INT), *_integration_flows()]
    for physical in _physical_networks(topology, node):
        resources += _physical_bridge(topology, node, physical)
    if node.tunnel_ip:
        resources += [
            _bridge(node, names.BR_TUN),
            *_patch_pair(names.BR_INT, names.PATCH_TUN, names.BR_TUN, names.PATCH_INT),
            *tunnels.compile(topology, node),
        ]
    watch = Daemon(slice=SLICE, name="watch", namespace="", command=(f"{STATE_DIR}/bin/tenantnet-watch",))
    return [*resources, *_raw(topology, node), watch]


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
        # Neutron's agent asks for it: without it ovs-vswitchd has forgotten all flows.
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


# -------------------------------------------------------------------------------------------- the node's own IP stack

#: Outer packets of tunnels, whose source ports vary: each would be a connection of its own in a table that has an end.
OUTER: typing.Final = ("-p udp -m udp --dport 4789 -j CT --notrack", "-p gre -j CT --notrack")


def _raw(topology: model.Topology, node: model.Node) -> list[Resource]:
    """What the node's own stack must not see, and what it must not remember."""
    bridged = _bridged(topology, node) if node.datapath == "netdev" else []
    drops = tuple(f"-i {device} -j DROP" for device in bridged)
    outer = OUTER if node.tunnel_ip else ()
    resources: list[Resource] = [s for nic in _nics(topology, node) if bridged for s in plug.shield(SLICE, nic)]
    resources += _chain("ipv4", "PREROUTING", (*drops, *outer))
    resources += _chain("ipv4", "OUTPUT", outer)
    return resources + _chain("ipv6", "PREROUTING", drops)


def _chain(family: typing.Literal["ipv4", "ipv6"], name: str, rules: tuple[str, ...]) -> list[Resource]:
    own = f"{chain_prefix(SLICE)}{name}"
    chains = {name: (f"-j {own}",), own: rules} if rules else {}
    return [
        Chain(slice=SLICE, namespace="", family=family, table="raw", name=chain, rules=of)
        for chain, of in chains.items()
    ]


def _nics(topology: model.Topology, node: model.Node) -> list[str]:
    """NICs whose frames are Open vSwitch's."""
    nics = [node.interfaces[p.name] for p in _physical_networks(topology, node)]
    return nics + [node.interfaces["tunnel"]] * bool(node.tunnel_ip and "tunnel" in node.interfaces)


def _bridged(topology: model.Topology, node: model.Node) -> list[str]:
    """All devices in bridges of the userspace datapath: the kernel sees each frame there too, and must not answer."""
    ports = topology.ports_on(node.name)
    prefixes = {"router_interface": "qr-", "router_gateway": "qg-", "dhcp": "tap"}
    hosted = [names.device(prefix, p.id) for owner, prefix in prefixes.items() for p in ports if p.owner == owner]
    instances = [plug.instance_device(node, p) for p in ports if p.owner == "instance"]
    return _nics(topology, node) + hosted + instances
