# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""How a port is plugged into br-int: the one place that knows the difference between the datapaths.

The kernel's datapath gets an internal port of Open vSwitch that is moved into the namespace, as Neutron does it. After
a restart of ovs-vswitchd the userspace datapath leaves such ports behind without carrier, so it gets a veth pair
whose two ends carry the same name: on br-int and in the namespace everything is called as in tutorials.
"""

from __future__ import annotations

import typing

from ...module_utils.state import Link, Port, Resource, Sysctl
from ..topology import model
from . import names

#: Devices of an instance's port by the firewall of its node, from the machine to br-int, where the last one is plugged.
INSTANCE: typing.Final[dict[model.Firewall, tuple[str, ...]]] = {
    "iptables_hybrid": ("tap", "qbr", "qvb", "qvo"),
    "openvswitch": ("tap",),
}


def instance_device(node: model.Node, port: model.Port) -> str:
    """The device of an instance's port that is plugged into br-int."""
    return names.device(INSTANCE[node.firewall][-1], port.id)


def network_ids(network: model.Network, local_vlan: int) -> dict[str, str]:
    """Port.other_config as Neutron writes it, from which a local VLAN is known again (datapath.md 1.3)."""
    ids = {
        "net_uuid": network.id,
        "network_type": network.network_type,
        "physical_network": str(network.physical_network),
        "tag": str(local_vlan),
    }
    if network.segmentation_id is not None:
        ids["segmentation_id"] = str(network.segmentation_id)
    return ids


def interface_ids(port: model.Port) -> dict[str, str]:
    """Interface.external_ids as Neutron writes them, and the human name beside."""
    ids = {
        "iface-id": port.id,
        "iface-status": "active",
        "attached-mac": port.mac,
        "tenantnet-name": port.label,
    }
    if port.owner == "instance":
        ids["vm-uuid"] = port.device
    return ids


def shield(slice_: str, nic: str) -> list[Resource]:
    """Sysctls that keep the kernel silent on a device that is not ours and sits in a bridge of the userspace datapath.

    The kernel sees every frame that Open vSwitch receives there; what is IP, `switching` drops in raw
    PREROUTING.
    """
    return [
        Sysctl(slice=slice_, name=f"net/ipv4/conf/{nic}/arp_ignore", value="8"),
        Sysctl(slice=slice_, name=f"net/ipv6/conf/{nic}/disable_ipv6", value="1"),
    ]


#: The same for a device of ours, below net.<family>.conf.<device>.
SILENT: typing.Final = {"ipv4.arp_ignore": "8", "ipv6.disable_ipv6": "1"}


def into_namespace(
    topology: model.Topology,
    slice_: str,
    port: model.Port,
    prefix: str,
    namespace: str,
    addresses: tuple[str, ...],
    late: bool = False,
) -> list[Resource]:
    """A port of a router or of a DHCP server: on br-int, and as a device with its addresses in the namespace.

    `late`: one of the addresses may still answer elsewhere, though it is none of the port's own.
    """
    late = late or bool(port.leaving)
    network = topology.networks[port.network]
    node = topology.nodes[port.node]
    name = names.device(prefix, port.id)
    tag = topology.local_vlans[port.node][network.id]
    userspace = node.datapath == "netdev"
    ovs_port = Port(
        slice=slice_,
        bridge=names.BR_INT,
        name=name,
        type="" if userspace else "internal",
        tag=tag,
        other_config=network_ids(network, tag),
        external_ids=interface_ids(port),
        late=late,
    )
    inside = Link(
        slice=slice_,
        namespace=namespace,
        name=name,
        kind="veth" if userspace else "internal",
        peer=("", name) if userspace else None,
        alias=port.label,
        mac=port.mac,
        mtu=network.mtu,
        addresses=tuple(sorted(addresses)),
        tx_checksum=not userspace,
        late=late,
    )
    if not userspace:
        return [ovs_port, inside]
    outside = Link(
        slice=slice_,
        namespace="",
        name=name,
        kind="veth",
        peer=(namespace, name),
        alias=port.label,
        mtu=network.mtu,
        sysctls=dict(SILENT),
    )
    return [ovs_port, inside, outside]
