# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Guests: on a lab node an instance is a set of namespaces with an overlay root, behind the tap of each of its ports.

The taps are what QEMU would make on another node. All that a guest's NIC gets is its MAC; the rest it asks for by DHCP.
Further addresses of a port, which DHCP does not give, are written in the guest, as its owner would do it.
"""

from __future__ import annotations

from ...module_utils.state import STATE_DIR, Daemon, Link, Namespace, Resource
from ..topology import model
from . import names, plug

SLICE = "guests"

DISKS = "/run/tenantnet/disks"  # in the node's memory: a guest is new at each start, and leaves nothing


def compile(topology: model.Topology, node: model.Node) -> list[Resource]:
    """Guests of a lab node; nothing elsewhere."""
    if not node.guests:
        return []
    resources: list[Resource] = []
    for instance in sorted(topology.instances.values(), key=lambda i: i.id):
        if instance.node == node.name:
            resources += _guest(topology, node, instance)
    return resources


def _guest(topology: model.Topology, node: model.Node, instance: model.Instance) -> list[Resource]:
    namespace = names.guest_namespace(instance.id)
    nics = [f"eth{index}" for index in range(len(instance.ports))]
    offload = ["--no-tx-checksum"] if node.datapath == "netdev" else []
    ports = [topology.ports[id_] for id_ in instance.ports]
    more = [f"--address={nic}={ip.address}" for nic, port in zip(nics, ports, strict=True) for ip in port.fixed_ips[1:]]
    command = (
        f"{STATE_DIR}/bin/tenantnet-guest",
        f"--id={instance.id}",
        f"--hostname={instance.name}",
        f"--overlay={DISKS}/{instance.id}",
        *offload,
        *more,
        *nics,
    )
    taps = [_tap(topology, port, namespace, nic) for port, nic in zip(ports, nics, strict=True)]
    return [
        Namespace(slice=SLICE, name=namespace),
        *taps,
        # It must ask for its address again when its ports change.
        Daemon(slice=SLICE, name=namespace, namespace=namespace, command=command, restart=" ".join(instance.ports)),
    ]


def _tap(topology: model.Topology, port: model.Port, namespace: str, nic: str) -> Link:
    return Link(
        slice=SLICE,
        namespace="",
        name=names.device("tap", port.id),
        kind="veth",
        peer=(namespace, nic),
        peer_mac=port.mac,
        alias=port.label,
        mtu=topology.networks[port.network].mtu,
        master=names.device("qbr", port.id),
        sysctls=dict(plug.SILENT),
    )
