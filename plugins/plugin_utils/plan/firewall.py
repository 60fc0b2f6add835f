# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What the firewalls share: the port of an instance on br-int, and what none of them lets through.

`iptables_hybrid` (iptables_firewall.py) has a Linux bridge between the tap and br-int, because iptables sees bridged
packets only there; `openvswitch` (ovs_firewall.py) has the tap in br-int itself. The tap belongs to whoever runs the
machine (a lab guest, QEMU), who may make it later.
"""

from __future__ import annotations

from ...module_utils.state import Flow, Port, Resource
from ..topology import model
from . import names, plug, switching

SLICE = "instances"


def plugged(topology: model.Topology, port: model.Port) -> list[Resource]:
    """The port on br-int, and what it must not say there."""
    network, node = topology.networks[port.network], topology.nodes[port.node]
    tag, name = local_vlan(topology, port), plug.instance_device(node, port)
    tap = node.firewall == "openvswitch"
    ovs_port = Port(
        slice=SLICE,
        bridge=names.BR_INT,
        name=name,
        tag=tag,
        late=bool(port.leaving),
        awaited=tap,
        ofport_request=port.zone if tap else None,
        other_config=plug.network_ids(network, tag),
        external_ids=plug.interface_ids(port),
    )
    # Also for a port that may say anything else: IPv6 is dropped until it is a feature, and so is a frame with a VLAN
    # tag, be it VLAN 0, which Open vSwitch and the receiver would take off and iptables would not look behind.
    never = (f'{match},in_port="{name}"' for match in ("ipv6", "vlan_tci=0x1000/0x1000"))
    return [ovs_port, *(flow(switching.LOCAL_SWITCHING, 11, match, "drop") for match in never)]


def local_vlan(topology: model.Topology, port: model.Port) -> int:
    """The VLAN of a port's network on br-int of its node."""
    return topology.local_vlans[port.node][port.network]


def flow(table: int, priority: int, match: str, actions: str) -> Flow:
    """A flow of br-int."""
    return Flow(slice=SLICE, bridge=names.BR_INT, table=table, priority=priority, match=match, actions=actions)
