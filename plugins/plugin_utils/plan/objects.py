# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Networks, routers, security groups and instances with their identity; a network still without its segment."""

from __future__ import annotations

import dataclasses
import typing

from ..topology import model, raw
from ..topology.parts import Route, Subnet
from ..topology.relations import NetworkKey, carriers, dhcp_nodes, has_dhcp, network_type, router_node
from ..topology.source import Path
from . import ids


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """A network without its segment, and what was written of it."""

    network: model.Network
    raw: raw.Network | raw.ExternalNetwork
    nodes: tuple[str, ...]  # on which it has ports
    file: str
    path: Path

    def subnet(self, name: str) -> model.Subnet:
        """A subnet by name."""
        return next(subnet for subnet in self.network.subnets if subnet.name == name)


def networks(topology: raw.Raw) -> dict[NetworkKey, NetworkPlan]:
    """All networks, the external ones first."""
    reached = carriers(topology)
    found = {}
    for name, network in topology.provider.external_networks.items():
        nodes = tuple(sorted(reached.get(("", name), ())))
        found["", name] = _network(topology, "", name, network, network.network_type, nodes)
    for project in ("", *sorted(topology.projects)):
        for name, inner in topology.networks(project).items():
            nodes = tuple(sorted(reached.get((project, name), ())))
            type_ = network_type(topology, project, inner)
            found[project, name] = _network(topology, project, name, inner, type_, nodes)
    return found


def network_id(topology: raw.Raw, project: str, name: str, of: raw.Network | raw.ExternalNetwork) -> str:
    """What was written, else what its name gives."""
    return of.id or ids.of(topology.deployment, project, "network", name)


def router_id(topology: raw.Raw, project: str, name: str, of: raw.Router) -> str:
    """Likewise."""
    return of.id or ids.of(topology.deployment, project, "router", name)


def subnet_id(network: str, name: str, of: Subnet) -> str:
    """Likewise, of a subnet of the network with this id."""
    return of.id or ids.within(network, "subnet", name)


def _network(
    topology: raw.Raw,
    project: str,
    name: str,
    of: raw.Network | raw.ExternalNetwork,
    type_: model.NetworkType,
    nodes: tuple[str, ...],
) -> NetworkPlan:
    id_ = network_id(topology, project, name, of)
    external = isinstance(of, raw.ExternalNetwork)
    network = model.Network(
        id=id_,
        project=project,
        name=name,
        network_type=type_,
        physical_network=None,
        segmentation_id=None,
        mtu=of.mtu or 0,  # chosen with the segment
        external=external,
        subnets=tuple(_subnet(id_, subnet, inner) for subnet, inner in of.subnets.items()),
        dhcp_nodes=dhcp_nodes(topology, (project, name)) if has_dhcp(of) else (),
        dns_domain=(isinstance(of, raw.Network) and of.dns_domain) or topology.provider.dns_domain,
    )
    file = topology.project_file(project) if project else topology.provider_file
    path: Path = ("external_networks" if external else "networks", name)
    return NetworkPlan(network=network, raw=of, nodes=nodes, file=file, path=path)


def _subnet(network: str, name: str, of: Subnet) -> model.Subnet:
    return model.Subnet(
        id=subnet_id(network, name, of),
        name=name,
        cidr=of.cidr,
        gateway_ip=of.gateway_ip,
        enable_dhcp=of.enable_dhcp,
        dns_nameservers=of.dns_nameservers,
        host_routes=_routes(of.host_routes),
    )


def routers(topology: raw.Raw, planned: dict[NetworkKey, NetworkPlan]) -> dict[tuple[str, str], model.Router]:
    """All routers by (project, name)."""
    return {
        (project, name): model.Router(
            id=router_id(topology, project, name, router),
            project=project,
            name=name,
            node=router_node(topology, router) or "",
            external_network=planned["", router.external_network].network.id if router.external_network else None,
            enable_snat=router.enable_snat,
            routes=_routes(router.routes),
        )
        for project, of in sorted(topology.projects.items())
        for name, router in of.routers.items()
    }


def _routes(routes: typing.Iterable[Route]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((route.destination, route.nexthop) for route in routes))


def security_groups(topology: raw.Raw) -> dict[tuple[str, str], model.SecurityGroup]:
    """All groups by (project, name), each project's default group among them."""
    found = {}
    for project, of in sorted(topology.projects.items()):
        groups = {"default": raw.SecurityGroup()} | of.security_groups
        known = {
            name: group.id or ids.of(topology.deployment, project, "security_group", name)
            for name, group in groups.items()
        }
        for name, group in groups.items():
            rules = {_rule(rule, known) for rule in group.rules}
            if name == "default":
                rules.add(model.Rule(direction="ingress", remote_group=known[name]))
            if name == "default" or not any(rule.direction == "egress" for rule in rules):
                rules.add(model.Rule(direction="egress"))
            found[project, name] = model.SecurityGroup(
                id=known[name],
                project=project,
                name=name,
                rules=tuple(sorted(rules, key=repr)),
                stateful=group.stateful,
            )
    return found


def _rule(rule: raw.Rule, groups: dict[str, str]) -> model.Rule:
    return model.Rule(
        direction=rule.direction,
        protocol=rule.protocol,
        port_range=rule.port_range,
        icmp_type=rule.icmp_type,
        icmp_code=rule.icmp_code,
        remote_ip_prefix=rule.remote_ip_prefix,
        remote_group=groups[rule.remote_group] if rule.remote_group else None,
    )


def instances(topology: raw.Raw) -> dict[tuple[str, str], model.Instance]:
    """All instances by (project, name), still without ports."""
    return {
        (project, name): model.Instance(
            id=instance.id or ids.of(topology.deployment, project, "instance", name),
            project=project,
            name=name,
            node=instance.node,
            ports=(),
            key_pairs=instance.key_pairs,
            user_data=instance.user_data,
        )
        for project, of in sorted(topology.projects.items())
        for name, instance in of.instances.items()
    }
