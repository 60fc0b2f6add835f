# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Who refers to whom in a raw topology, and which nodes that involves. References that lead nowhere are left out."""

from __future__ import annotations

import dataclasses
import typing

from .model import TUNNELS, Node
from .parts import Subnet
from .raw import ExternalNetwork, Limits, Network, ProjectType, Raw, Router, RouterSubnet, SharedNetwork
from .source import Path

#: (project, name); the project of an external network is "".
NetworkKey = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node that a network reaches, and the (project's) path of what brings it there."""

    network: NetworkKey
    node: str
    project: str  # whose file; "" is provider.yml
    path: Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A subnet of a project, the address of a router in it, and where that router names it."""

    network: str
    name: str
    subnet: Subnet
    address: str | None
    path: Path

    @property
    def is_gateway(self) -> bool:
        """Whether the subnet's instances send by this router what leaves the subnet."""
        return self.address is not None and self.address == self.subnet.gateway_ip


def candidates(raw: Raw, project: str, wanted: RouterSubnet) -> list[tuple[str, str]]:
    """The (network, subnet) pairs that an item of a router's `subnets` may mean."""
    networks = raw.projects[project].networks
    return [
        (name, wanted.subnet)
        for name, network in networks.items()
        if wanted.subnet in network.subnets and wanted.network in (None, name)
    ]


def attachments(raw: Raw, project: str, name: str) -> list[Attachment]:
    """The subnets of a router."""
    found = []
    for index, wanted in enumerate(raw.projects[project].routers[name].subnets):
        meant = candidates(raw, project, wanted)
        if len(meant) == 1:
            ((network, subnet),) = meant
            of = raw.projects[project].networks[network].subnets[subnet]
            path = ("routers", name, "subnets", index)
            address = wanted.fixed_ip or of.gateway_ip
            found.append(Attachment(network=network, name=subnet, subnet=of, address=address, path=path))
    return found


def is_offered(network: ExternalNetwork | SharedNetwork, project: str) -> bool:
    """Whether a network of the administrators is there for a project."""
    return network.shared_with is None or project in network.shared_with


def usable(raw: Raw, project: str) -> dict[str, NetworkKey]:
    """Networks that a project may plug instances into, by the name that its file has for them.

    An own one hides one of the administrators, who can't change by a name what a project's file means.
    """
    found = {name: ("", name) for name, network in raw.provider.networks.items() if is_offered(network, project)}
    for owner, of in raw.projects.items():
        found |= {f"{owner}/{name}": (owner, name) for name, net in of.networks.items() if project in net.shared_with}
    return found | {name: (project, name) for name in raw.projects[project].networks}


def ways_out(raw: Raw, project: str) -> dict[str, dict[str, str]]:
    """For each network of a project the subnets whose gateway leads to an external network: subnet -> router."""
    found: dict[str, dict[str, str]] = {}
    for name, router in raw.projects[project].routers.items():
        if router.external_network in raw.provider.external_networks:
            for item in attachments(raw, project, name):
                if item.is_gateway:
                    found.setdefault(item.network, {}).setdefault(item.name, name)
    return found


def network_nodes(raw: Raw) -> list[str]:
    """Network nodes by name."""
    return [name for name, node in sorted(raw.nodes.items()) if "network" in node.roles]


def network_node(raw: Raw) -> str | None:
    """The node that runs what names no node, and is nowhere yet: the first network node by name."""
    return next(iter(network_nodes(raw)), None)


def dhcp_servers(raw: Raw) -> int:
    """How many DHCP servers a network has."""
    return min(raw.provider.dhcp_agents_per_network, len(network_nodes(raw)))


def dhcp_nodes(raw: Raw, network: NetworkKey) -> tuple[str, ...]:
    """The nodes that run a network's DHCP servers: where they are already, else the first network nodes by name."""
    count = dhcp_servers(raw)
    before = [*raw.dhcp_nodes.get(network, ()), *[""] * count][:count]
    others = iter([name for name in network_nodes(raw) if name not in before])
    return tuple(name or next(others) for name in before)


def router_node(raw: Raw, router: Router) -> str | None:
    """The node that a router names, or the one for those that name none."""
    return network_node(raw) if router.node is None else router.node


def has_dhcp(network: Network | ExternalNetwork) -> bool:
    """Whether a network needs a DHCP server."""
    return any(subnet.enable_dhcp for subnet in network.subnets.values())


def limits(raw: Raw, project: str) -> Limits:
    """What a project may use; administrators have no limits."""
    return raw.provider.projects[project] if project else Limits()


def network_type(raw: Raw, project: str, network: Network) -> ProjectType:
    """What was written, else the first type of the project's that has ranges."""
    types = limits(raw, project).network_types
    first: ProjectType = next((t for t in types if has_ranges(raw, t)), "vxlan")
    return network.network_type or first


def has_ranges(raw: Raw, type_: ProjectType) -> bool:
    """Whether provider.yml has anything to choose a network of a type from."""
    if type_ == "vlan":
        return any(p.vlan_ranges for p in raw.provider.physical_networks.values())
    return getattr(raw.provider.tunnels, type_) is not None


def carriers(raw: Raw) -> dict[NetworkKey, dict[str, Place]]:
    """The nodes on which a network has ports, each with the first thing that brings it there."""
    found: dict[NetworkKey, dict[str, Place]] = {}
    for place in _places(raw):
        if place.node in raw.nodes:
            found.setdefault(place.network, {}).setdefault(place.node, place)
    return found


def _places(raw: Raw) -> typing.Iterator[Place]:
    for name, external in raw.provider.external_networks.items():
        for node in dhcp_nodes(raw, ("", name)) if has_dhcp(external) else ():
            yield Place(network=("", name), node=node, project="", path=("external_networks", name))
    for name, shared in raw.provider.networks.items():
        for node in dhcp_nodes(raw, ("", name)) if has_dhcp(shared) else ():
            yield Place(network=("", name), node=node, project="", path=("networks", name))
    for project, of in raw.projects.items():
        for name, network in of.networks.items():
            for node in dhcp_nodes(raw, (project, name)) if has_dhcp(network) else ():
                yield Place(network=(project, name), node=node, project=project, path=("networks", name))
        for name, router in of.routers.items():
            yield from _router_places(raw, project, name, router)
        networks = usable(raw, project)
        for name, instance in of.instances.items():
            for index, port in enumerate(instance.ports):
                path = ("instances", name, "ports", index)
                if port.network in networks:
                    yield Place(network=networks[port.network], node=instance.node, project=project, path=path)


def _router_places(raw: Raw, project: str, name: str, router: Router) -> typing.Iterator[Place]:
    if node := router_node(raw, router):
        if router.external_network:
            path: Path = ("routers", name, "external_network")
            yield Place(network=("", router.external_network), node=node, project=project, path=path)
        for item in attachments(raw, project, name):
            yield Place(network=(project, item.network), node=node, project=project, path=item.path)


def wired(node: Node, type_: str, physical_network: str | None) -> bool:
    """Whether a node can carry a network: it has a tunnel address, or a NIC in the physical network."""
    return node.tunnel_ip is not None if type_ in TUNNELS else physical_network in node.interfaces


def overhead(type_: str) -> int:
    """Bytes that a tunnel adds to a packet, the outer IPv4 header included."""
    return {"vxlan": 50, "gre": 42}.get(type_, 0)


def largest_mtu(raw: Raw, type_: str, physical_network: str | None = None) -> int:
    """The largest packet that a network of a type can carry between any two nodes that may ever have a port on it."""
    nodes = [n for n in raw.nodes.values() if n.roles != ("controller",) and wired(n, type_, physical_network)]
    limits = [node.underlay_mtu for node in nodes]
    if (physical := raw.provider.physical_networks.get(physical_network or "")) and physical.mtu:
        limits.append(physical.mtu)
    return min(limits, default=1500) - overhead(type_)
