# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Instances of projects and their ports."""

from __future__ import annotations

from ..parts import Subnet
from ..raw import ExternalNetwork, Network, Port, SecurityGroup
from ..source import Path
from .routers import check_node
from .scope import Scope
from .subnets import unusable

#: What has been given out in one network: address or MAC -> who has it.
Taken = dict[tuple[str, str], str]


def check(scope: Scope) -> None:
    """Instances, each of their ports, and what two of them share."""
    taken: Taken = {}
    for name, instance in scope.project.instances.items():
        path = ("instances", name)
        check_node(scope, path, instance.node, "compute")
        _check_keys(scope, path, instance.ports)
        for index, port in enumerate(instance.ports):
            _check_port(scope, (*path, "ports", index), port, taken, f"{name}:{port.key}")


def _check_keys(scope: Scope, path: Path, ports: tuple[Port, ...]) -> None:
    seen: dict[str, Port] = {}
    for index, port in enumerate(ports):
        if port.key in seen:
            at = (*path, "ports", index, "name") if port.name else (*path, "ports", index)
            message = f"'{port.key}' is already the name of a port of this instance"
            unnamed = f"another port of this instance is in network '{port.network}' or has that name"
            scope.add(at, message if port.name else unnamed, "" if port.name else "give this one a name")
        seen.setdefault(port.key, port)


def _check_port(scope: Scope, path: Path, port: Port, taken: Taken, label: str) -> None:
    network = scope.project.networks.get(port.network)
    if network is None:
        _tell_unknown_network(scope, path, port)
        return
    _check_security(scope, path, port, network)
    for value, key in ((port.fixed_ip, "fixed_ip"), (port.mac, "mac")):
        if value and (port.network, value) in taken:
            scope.add((*path, key), f"{value} is already taken by {taken[port.network, value]}")
        elif value:
            taken[port.network, value] = label
    if port.fixed_ip:
        _check_address(scope, (*path, "fixed_ip"), port.fixed_ip, network)
    if port.floating_ip is not None:
        _check_floating(scope, (*path, "floating_ip"), port, network)


def _tell_unknown_network(scope: Scope, path: Path, port: Port) -> None:
    if port.network in scope.raw.provider.external_networks:
        message = f"'{port.network}' is an external network, which instances are not plugged into"
        scope.add((*path, "network"), message, "name a network of the project and give the port a floating_ip")
    else:
        scope.known((*path, "network"), "network", port.network, scope.project.networks)


def _check_security(scope: Scope, path: Path, port: Port, network: Network) -> None:
    groups = port.security_groups or ()
    for index, group in enumerate(groups):
        at = (*path, "security_groups", index)
        scope.known(at, "security group", group, sorted({"default", *scope.project.security_groups}))
        if group in groups[:index]:
            scope.add(at, f"'{group}' is listed twice")
    _check_tracking(scope, path, groups)
    enabled = network.port_security_enabled if port.port_security_enabled is None else port.port_security_enabled
    for key, what in (("security_groups", "security groups"), ("allowed_address_pairs", "allowed address pairs")):
        if getattr(port, key) and not enabled:
            message = f"a port without port security has no {what}"
            scope.add((*path, key), message, "leave them out or enable port_security_enabled")
    for index, pair in enumerate(port.allowed_address_pairs):
        if pair in port.allowed_address_pairs[:index]:
            scope.add((*path, "allowed_address_pairs", index), f"{pair.ip_address} is listed twice")


def _check_tracking(scope: Scope, path: Path, names: tuple[str, ...]) -> None:
    """Connections of one port are all tracked, or none of them."""
    known = {"default": SecurityGroup(), **scope.project.security_groups}
    stateless = [name for name in names if name in known and not known[name].stateful]
    if stateless and any(name in known and known[name].stateful for name in names):
        hint = f"stateless: {', '.join(stateless)}"
        scope.add((*path, "security_groups"), "a port's groups are all stateful or all stateless", hint)


def _check_address(scope: Scope, path: Path, address: str, network: Network) -> None:
    subnet = home(network, address)
    if subnet is None:
        cidrs = ", ".join(s.cidr for s in network.subnets.values())
        where = f"outside {cidrs}" if cidrs else "given, but the network has no subnet"
        scope.add(path, f"{address} is {where}")
    elif message := unusable(subnet, address):
        scope.add(path, message)
    elif address == subnet.gateway_ip:
        scope.add(path, f"{address} is the gateway's address")


def home(network: Network | ExternalNetwork, address: str) -> Subnet | None:
    """The subnet of a network that an address is in."""
    found = (s for s in network.subnets.values() if not unusable(s, address).endswith(f"outside {s.cidr}"))
    return next(found, None)


def _check_floating(scope: Scope, path: Path, port: Port, network: Network) -> None:
    ways = scope.ways_out.get(port.network, {})
    if not network.subnets:
        scope.add(path, "a floating IP needs a fixed address, and the network has no subnet")
    elif not ways:
        message = f"no router leads from network '{port.network}' to an external network"
        scope.add(path, message, "add the subnet to a router that has an external_network")
    elif port.fixed_ip and not any(network.subnets[name] is home(network, port.fixed_ip) for name in ways):
        scope.add(path, f"no router leads from the subnet of {port.fixed_ip} to an external network")
