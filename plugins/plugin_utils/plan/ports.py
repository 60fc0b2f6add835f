# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Ports with their identity, still without MAC and addresses: those of instances, and those that Neutron adds.

A DHCP server has a port with an address in each subnet that it serves, a router one with the gateway's address in each
subnet that it joins and one in its external network.
"""

from __future__ import annotations

import dataclasses
import typing

from ..topology import model, raw
from ..topology.checks.addresses import home
from ..topology.relations import NetworkKey, attachments, usable, ways_out
from ..topology.source import Path
from . import ids
from .objects import NetworkPlan


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AddressPlan:
    """An address that is written down, or any of the first of these subnets that has one.

    `fixed` is what was written of an instance's address, and `below` where that is, seen from its port.
    """

    subnets: tuple[model.Subnet, ...]
    address: str | None = None
    fixed: raw.FixedIp = dataclasses.field(default_factory=raw.FixedIp)
    below: Path = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PortPlan:
    """A port without MAC and addresses; it gets one address for each of `addresses`."""

    port: model.Port
    network: NetworkPlan
    addresses: tuple[AddressPlan, ...]
    file: str
    path: Path
    mac: str | None = None


class Planner:
    """Lists the ports of a topology, in the order in which they choose."""

    def __init__(
        self,
        topology: raw.Raw,
        networks: dict[NetworkKey, NetworkPlan],
        routers: dict[tuple[str, str], model.Router],
        groups: dict[tuple[str, str], model.SecurityGroup],
        instances: dict[tuple[str, str], model.Instance],
    ) -> None:
        self.topology = topology
        self.networks = networks
        self.routers = routers
        self.groups = groups
        self.instances = instances
        self._usable = {project: usable(topology, project) for project in topology.projects}
        self._ways_out = {project: ways_out(topology, project) for project in topology.projects}

    def ports(self) -> list[PortPlan]:
        """DHCP ports first, so that a server has its subnet's lowest address, as people know it from Neutron."""
        return [*self._dhcp(), *self._of_routers(), *self._of_instances()]

    def _dhcp(self) -> typing.Iterator[PortPlan]:
        for planned in self.networks.values():
            network = planned.network
            served = [subnet for subnet in network.subnets if subnet.enable_dhcp]
            for number, node in enumerate(network.dhcp_nodes, 1):
                key = dhcp_key(number)
                yield PortPlan(
                    port=_port(planned, "dhcp", network.id, f"{network.label}:{key}", node, network.project, key),
                    network=planned,
                    addresses=tuple(AddressPlan(subnets=(subnet,)) for subnet in served),
                    file=planned.file,
                    path=planned.path,
                )

    def _of_routers(self) -> typing.Iterator[PortPlan]:
        for (project, name), router in self.routers.items():
            of = self.topology.projects[project].routers[name]
            file = self.topology.project_file(project)
            if of.external_network:
                planned = self.networks["", of.external_network]
                label = f"{router.label}:{of.external_network}"
                yield PortPlan(
                    port=_port(planned, "router_gateway", router.id, label, router.node, project, "gateway"),
                    network=planned,
                    addresses=(AddressPlan(subnets=planned.network.subnets, address=of.external_ip),),
                    file=file,
                    path=("routers", name, "external_ip" if of.external_ip else "external_network"),
                )
            for item in attachments(self.topology, project, name):
                planned = self.networks[project, item.network]
                subnet = planned.subnet(item.name)
                label = f"{router.label}:{item.name}"
                yield PortPlan(
                    port=_port(planned, "router_interface", router.id, label, router.node, project, subnet.id),
                    network=planned,
                    addresses=(AddressPlan(subnets=(subnet,), address=item.address),),
                    file=file,
                    path=item.path,
                )

    def _of_instances(self) -> typing.Iterator[PortPlan]:
        for (project, name), instance in self.instances.items():
            of = self.topology.projects[project].instances[name]
            for index, port in enumerate(of.ports):
                planned = self.networks[self._usable[project][port.network]]
                yield PortPlan(
                    port=self._instance_port(planned, instance, port),
                    network=planned,
                    addresses=self._addresses(planned, port),
                    file=self.topology.project_file(project),
                    path=("instances", name, "ports", index),
                    mac=port.mac,
                )

    def _instance_port(self, planned: NetworkPlan, instance: model.Instance, of: raw.Port) -> model.Port:
        key = ("name", of.name) if of.name else ("network", planned.network.id)
        label = f"{instance.label}:{of.key}"
        port = _port(planned, "instance", instance.id, label, instance.node, instance.project, *key)
        default = isinstance(planned.raw, raw.Network) and planned.raw.port_security_enabled
        secure = default if of.port_security_enabled is None else of.port_security_enabled
        names = ("default",) if of.security_groups is None else of.security_groups
        groups = tuple(sorted(self.groups[instance.project, name].id for name in names)) if secure else ()
        options = tuple((option.opt_name, option.opt_value) for option in of.extra_dhcp_opts)
        pairs = [
            model.AddressPair(ip_address=pair.ip_address, mac_address=pair.mac_address or "")
            for pair in of.allowed_address_pairs
        ]
        return dataclasses.replace(
            port,
            id=of.id or port.id,
            security_groups=groups,
            port_security_enabled=secure,
            extra_dhcp_opts=options,
            queues=of.queues,
            allowed_address_pairs=tuple(pairs),
        )

    def _addresses(self, planned: NetworkPlan, of: raw.Port) -> tuple[AddressPlan, ...]:
        if not planned.network.subnets:
            return ()
        return tuple(
            AddressPlan(subnets=self._subnets(planned, fixed), address=fixed.ip_address, fixed=fixed, below=below)
            for below, fixed in of.addresses
        )

    def _subnets(self, planned: NetworkPlan, fixed: raw.FixedIp) -> tuple[model.Subnet, ...]:
        """Those that an address may be of: of what is reached from outside, those from which a router leads there."""
        network = planned.network
        if fixed.subnet:
            return (planned.subnet(fixed.subnet),)
        if fixed.ip_address and (subnet := home(planned.raw, fixed.ip_address)):
            return (planned.subnet(next(name for name, inner in planned.raw.subnets.items() if inner is subnet)),)
        if fixed.floating_ip is None and not fixed.port_forwardings:
            return network.subnets
        routed = self._ways_out[network.project].get(network.name, {})
        return tuple(subnet for subnet in network.subnets if subnet.name in routed)


def dhcp_key(number: int) -> str:
    """What the port of a network's first, second, ... DHCP server is called."""
    return "dhcp" if number == 1 else f"dhcp{number}"


def _port(
    planned: NetworkPlan,
    owner: typing.Literal["instance", "router_interface", "router_gateway", "dhcp"],
    device: str,
    label: str,
    node: str,
    project: str,
    *key: str,
) -> model.Port:
    return model.Port(
        id=ids.within(device, "port", *key),
        project=project,
        network=planned.network.id,
        owner=owner,
        device=device,
        label=label,
        node=node,
        mac="",
        fixed_ips=(),
    )
