# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Places: where a probe runs. A place is plain data, because it travels inside the arguments of a check."""

from __future__ import annotations

import typing

from ..topology import model
from . import names

#: The machine of the lab that stands for the Internet, an address that is behind it (lab only).
OUTSIDE = "outside"
BEYOND = "198.51.100.10"
INTERNET = "internet.example"  # its name, for the outside's name server

Place = dict[str, typing.Any]

PREFIXES = {"router_interface": "qr-", "router_gateway": "qg-", "dhcp": "tap"}


def outside() -> Place:
    """The machine on the external network, at its NIC there."""
    return {"node": OUTSIDE, "namespace": "", "device": "eth0", "label": OUTSIDE, "ours": True}


def underlay(node: model.Node) -> Place:
    """A node itself, at the NIC that carries its tunnels."""
    device = node.interfaces.get("tunnel", "")
    return {
        "node": node.name,
        "namespace": "",
        "device": device,
        "ip": node.tunnel_ip,
        "label": node.name,
        "ours": True,
    }


def tunnel_nodes(topology: model.Topology) -> list[model.Node]:
    """Nodes whose tunnel address and its NIC are known, by name."""
    return [n for _name, n in sorted(topology.nodes.items()) if n.tunnel_ip and "tunnel" in n.interfaces]


def of(topology: model.Topology, port: model.Port) -> Place:
    """The namespace in which a port's device is: of a guest, of a router, of a DHCP server.

    `ours` is False for an instance that is a virtual machine: nobody can be asked to run a probe there.
    """
    if port.owner == "instance":
        namespace = names.guest_namespace(port.device)
        device = f"eth{topology.instances[port.device].ports.index(port.id)}"
    else:
        dhcp = port.owner == "dhcp"
        namespace = names.dhcp_namespace(port.network) if dhcp else names.router_namespace(port.device)
        device = names.device(PREFIXES[port.owner], port.id)
    return {
        "node": port.node,
        "namespace": namespace,
        "device": device,
        "mac": port.mac,
        "ip": port.fixed_ips[0].address if port.fixed_ips else None,
        "label": label(topology, port),
        "ours": port.owner != "instance" or topology.nodes[port.node].guests,
    }


def label(topology: model.Topology, port: model.Port) -> str:
    """A port in the words of the topology; unique, unlike `Port.label`, also for an instance of several NICs."""
    if port.owner != "instance":
        kind = {"dhcp": "DHCP server of", "router_interface": "router of", "router_gateway": "gateway to"}[port.owner]
        return f"{kind} {topology.networks[port.network].label}"
    instance = topology.instances[port.device]
    index = instance.ports.index(port.id)
    return instance.label if index == 0 else f"{instance.label}.eth{index}"


def instance_ports(topology: model.Topology) -> list[model.Port]:
    """Ports of instances that have an address, by the names of things."""
    ports = [p for p in topology.ports.values() if p.owner == "instance" and p.fixed_ips]
    return sorted(ports, key=lambda p: (topology.instances[p.device].label, label(topology, p)))


def addressed(topology: model.Topology) -> list[model.Port]:
    """Ports of instances that get their address by DHCP: without it nobody tells the guest."""
    return [
        p
        for p in instance_ports(topology)
        if topology.subnet(p.fixed_ips[0].subnet).enable_dhcp and topology.networks[p.network].dhcp_nodes
    ]


def ports_of(topology: model.Topology, network: str, owner: str) -> list[model.Port]:
    """Ports of one kind on a network that have an address."""
    ports = [p for p in topology.ports.values() if p.network == network and p.owner == owner and p.fixed_ips]
    return sorted(ports, key=lambda p: p.id)


def router_of(topology: model.Topology, port: model.Port) -> model.Router | None:
    """The router that the port's default route leads to: it holds the gateway address of the port's first subnet."""
    gateway = topology.subnet(port.fixed_ips[0].subnet).gateway_ip
    for interface in ports_of(topology, port.network, "router_interface"):
        if any(ip.address == gateway for ip in interface.fixed_ips):
            return topology.routers[interface.device]
    return None


def gateway_port(topology: model.Topology, router: model.Router) -> model.Port | None:
    """The router's port on its external network."""
    ports = (p for p in topology.ports.values() if p.device == router.id and p.owner == "router_gateway")
    return next(ports, None)


def interface_of(topology: model.Topology, port: model.Port, router: model.Router) -> model.Port | None:
    """The router's port on the network of another port."""
    return next((p for p in ports_of(topology, port.network, "router_interface") if p.device == router.id), None)


def floating_of(topology: model.Topology, port: model.Port) -> str | None:
    """The floating IP that leads to the first address of a port."""
    wanted = port.id, port.fixed_ips[0].address
    return next((f.address for f in topology.floating_ips.values() if (f.port, f.fixed_ip) == wanted), None)


def seen_outside(topology: model.Topology, port: model.Port, router: model.Router, hairpin: bool = False) -> str:
    """The address that others see when an instance sends by its router.

    `hairpin`: they are behind the same router, which sends them its own address even without source NAT.
    """
    gateway = gateway_port(topology, router)
    shared = gateway.fixed_ips[0].address if gateway and (router.enable_snat or hairpin) else None
    return floating_of(topology, port) or shared or port.fixed_ips[0].address
