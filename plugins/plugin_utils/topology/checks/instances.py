# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Instances of projects and their ports."""

from __future__ import annotations

from ..raw import Network, Port, SecurityGroup
from ..relations import is_offered
from ..source import Path
from . import addresses, forwardings
from .addresses import Taken
from .routers import check_node
from .scope import Scope


def check(scope: Scope) -> None:
    """Instances, each of their ports, and what two of them share."""
    taken: Taken = {}
    for name, instance in scope.project.instances.items():
        path = ("instances", name)
        check_node(scope, path, instance.node, "compute")
        _check_keys(scope, path, instance.ports)
        for index, port in enumerate(instance.ports):
            _check_port(scope, (*path, "ports", index), port, taken, f"{name}:{port.key}")
    forwardings.check(scope)


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
    if port.network not in scope.usable:
        _tell_unknown_network(scope, path, port)
        return
    owner, name = scope.usable[port.network]
    network = scope.raw.networks(owner)[name]
    _check_security(scope, path, port, network)
    if owner != scope.name:
        _check_guest(scope, path, port)
        return
    if port.mac:
        addresses.check_taken(scope, (*path, "mac"), port.network, port.mac, taken, label)
    addresses.check(scope, path, port, network, taken, label)


def _check_guest(scope: Scope, path: Path, port: Port) -> None:
    """A share permits ports as the plan makes them. Whatever could harm others on the network is its owner's to say."""
    for key in ("fixed_ip", "fixed_ips", "mac", "floating_ip", "port_forwardings", "allowed_address_pairs"):
        if getattr(port, key) not in (None, ()):
            message = (
                f"network '{port.network}' is shared with the project, which can't say the {key} of its ports in it"
            )
            scope.add((*path, key), message)
    if port.port_security_enabled is False:
        message = f"network '{port.network}' is shared with the project, whose ports in it have port security"
        scope.add((*path, "port_security_enabled"), message)


def _tell_unknown_network(scope: Scope, path: Path, port: Port) -> None:
    external = scope.raw.provider.external_networks.get(port.network)
    if external and is_offered(external, scope.name):
        message = f"'{port.network}' is an external network, which instances are not plugged into"
        scope.add((*path, "network"), message, "name a network of the project and give the port a floating_ip")
    else:
        scope.known((*path, "network"), "network", port.network, scope.usable)


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
