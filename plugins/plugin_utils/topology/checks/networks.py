# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Networks of projects: their type, their subnets, and whether the nodes they reach are wired for them."""

from __future__ import annotations

from ..raw import Network, ProjectType, Raw
from ..relations import (
    NetworkKey,
    Place,
    carriers,
    has_dhcp,
    has_ranges,
    largest_mtu,
    network_node,
    network_type,
    wired,
)
from ..source import Path, Report
from . import subnets
from .scope import Scope
from .subnets import Add


def check(scope: Scope) -> None:
    """Networks of one project and their subnets."""
    for name, network in scope.project.networks.items():
        path: Path = ("networks", name)
        type_, allowed = network_type(scope.raw, scope.name, network), scope.limits.network_types
        if type_ not in allowed:
            hint = f"allowed: {', '.join(allowed)}" if allowed else "provider.yml allows it none"
            scope.add((*path, "network_type"), f"project '{scope.name}' may not have {type_} networks", hint)
        else:
            check_ranges(scope.raw, path, type_, scope.add)
        check_network(scope.raw, path, network, type_, scope.add)
        if scope.name in network.shared_with:
            scope.add((*path, "shared_with"), f"'{scope.name}' is the project itself", "name other projects")


def check_ranges(raw: Raw, path: Path, type_: ProjectType, add: Add) -> None:
    """Whether a network of a type has anywhere to be."""
    if not has_ranges(raw, type_):
        what = "physical network with vlan_ranges" if type_ == "vlan" else f"tunnels.{type_}"
        add((*path, "network_type"), f"a {type_} network has nowhere to be: provider.yml has no {what}")


def check_network(raw: Raw, path: Path, network: Network, type_: ProjectType, add: Add) -> None:
    """One network, whoever owns it."""
    largest = max((largest_mtu(raw, *wire) for wire in _wires(raw, type_)), default=0)
    if network.mtu and 0 < largest < network.mtu:
        add((*path, "mtu"), f"{network.mtu} does not fit: a {type_} network here carries at most {largest} bytes")
    if has_dhcp(network) and network_node(raw) is None:
        message = "its DHCP server needs a network node, and the inventory has none"
        add(path, message, "add a host to network_nodes or write 'enable_dhcp: false'", key=True)
    found = [((*path, "subnets", subnet), subnet, network.subnets[subnet]) for subnet in network.subnets]
    for at, _name, subnet in found:
        subnets.check(at, subnet, add)
    subnets.check_overlaps([((*at, "cidr"), subnet, of) for at, subnet, of in found], add)


def check_wiring(raw: Raw, report: Report) -> None:
    """Tell each node that has a port on a network which it cannot carry."""
    for key, places in carriers(raw).items():
        choices = wires(raw, key)
        if not choices or any(all(wired(raw.nodes[n], *choice) for n in places) for choice in choices):
            continue
        for place in places.values():
            if not all(wired(raw.nodes[place.node], *choice) for choice in choices):
                _tell_unwired(raw, report, key, place, choices)


def wires(raw: Raw, key: NetworkKey) -> list[tuple[str, str | None]]:
    """The (network type, physical network) pairs that a network may be laid on, in order; none for an unknown one."""
    project, name = key
    if not project and (external := raw.provider.external_networks.get(name)):
        return [(external.network_type, external.physical_network)]
    network = raw.networks(project).get(name)
    if not network:
        return []
    return _wires(raw, network_type(raw, project, network))


def _wires(raw: Raw, type_: ProjectType) -> list[tuple[str, str | None]]:
    if type_ != "vlan":
        return [(type_, None)]
    return [(type_, name) for name, physical in raw.provider.physical_networks.items() if physical.vlan_ranges]


def _tell_unwired(
    raw: Raw, report: Report, key: NetworkKey, place: Place, choices: list[tuple[str, str | None]]
) -> None:
    type_, physical = choices[0]
    file = raw.project_file(place.project) if place.project else raw.provider_file
    if physical is None:
        lacks, hint = "no tunnel address", "set its tenantnet_tunnel_ip in hosts.yml"
    else:
        names = " or ".join(f"'{choice}'" for _type, choice in choices)
        lacks, hint = f"no interface in physical network {names}", "name one in its tenantnet_interfaces in hosts.yml"
    report.add(file, place.path, f"node '{place.node}' cannot carry {type_} network '{key[1]}': it has {lacks}", hint)
