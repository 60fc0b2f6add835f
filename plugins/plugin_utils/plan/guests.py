# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Guests: what is behind the ports of instances, up to the tap of each.

On a lab node an instance is a set of namespaces with an overlay root; all that its NIC gets is its MAC, the rest it
asks for by DHCP. Further addresses of a port, which DHCP does not give, are written in the guest, as its owner would do
it. On any other node somebody else runs a virtual machine, who finds its taps ready.
"""

from __future__ import annotations

import dataclasses

from ...module_utils.state import STATE_DIR, Daemon, Link, Namespace, Resource, digest
from ..topology import model
from . import dhcp_files, names, plug

SLICE = "guests"

DISKS = "/run/tenantnet/disks"  # in the node's memory: a guest is new at each start, and leaves nothing


def compile(topology: model.Topology, node: model.Node) -> list[Resource]:
    """Guests of a lab node, taps of machines elsewhere."""
    resources: list[Resource] = []
    for instance in sorted(topology.instances.values(), key=lambda i: i.id):
        if instance.node == node.name and node.guests:
            resources += _guest(topology, node, instance)
        elif instance.node == node.name:
            resources += [_tap(topology, topology.ports[id_]) for id_ in instance.ports]
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
    taps = [_wire(_tap(topology, port), port, namespace, nic) for port, nic in zip(ports, nics, strict=True)]
    return [
        Namespace(slice=SLICE, name=namespace),
        *taps,
        Daemon(
            slice=SLICE,
            name=namespace,
            namespace=namespace,
            command=command,
            restart=" ".join(instance.ports),
            reload=digest(*(line for port in ports for line in dhcp_files.told(topology, port))),  # it asks again then
        ),
    ]


def _wire(tap: Link, port: model.Port, namespace: str, nic: str) -> Link:
    """The same as a veth, whose other end is the guest's."""
    tap = dataclasses.replace(tap, kind="veth", owner="", multi_queue=False)
    return dataclasses.replace(tap, peer=(namespace, nic), peer_mac=port.mac)


def _tap(topology: model.Topology, port: model.Port) -> Link:
    devices = plug.INSTANCE[topology.nodes[port.node].firewall]
    return Link(
        slice=SLICE,
        namespace="",
        name=names.device("tap", port.id),
        kind="tap",
        owner=topology.nodes[port.node].tap_owner,
        multi_queue=port.queues > 1,
        alias=port.label,
        mtu=topology.networks[port.network].mtu,
        master=names.device("qbr", port.id) if "qbr" in devices else "",
        sysctls=dict(plug.SILENT),
        late=bool(port.leaving),
    )
