# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Networks of projects: their type, their subnets, and whether the nodes they reach are wired for them."""

from __future__ import annotations

from ..raw import Network, Raw
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


def check(scope: Scope) -> None:
    """Networks of one project and their subnets."""
    for name, network in scope.project.networks.items():
        path = ("networks", name)
        _check_type(scope, name, network)
        if has_dhcp(network) and network_node(scope.raw) is None:
            message = "its DHCP server needs a network node, and the inventory has none"
            scope.add(path, message, "add a host to network_nodes or write 'enable_dhcp: false'", key=True)
        found = [((*path, "subnets", subnet), subnet, network.subnets[subnet]) for subnet in network.subnets]
        for at, _name, subnet in found:
            subnets.check(at, subnet, scope.add)
        subnets.check_overlaps([((*at, "cidr"), subnet, of) for at, subnet, of in found], scope.add)


def _check_type(scope: Scope, name: str, network: Network) -> None:
    path: Path = ("networks", name)
    type_ = network_type(scope.raw, scope.name, network)
    allowed = scope.limits.network_types
    if type_ not in allowed:
        hint = f"allowed: {', '.join(allowed)}" if allowed else "provider.yml allows it none"
        scope.add((*path, "network_type"), f"project '{scope.name}' may not have {type_} networks", hint)
    elif not has_ranges(scope.raw, type_):
        what = "physical network with vlan_ranges" if type_ == "vlan" else f"tunnels.{type_}"
        scope.add((*path, "network_type"), f"a {type_} network has nowhere to be: provider.yml has no {what}")
    largest = max((largest_mtu(scope.raw, *wire) for wire in wires(scope.raw, (scope.name, name))), default=0)
    if network.mtu and 0 < largest < network.mtu:
        scope.add((*path, "mtu"), f"{network.mtu} does not fit: a {type_} network here carries at most {largest} bytes")


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
    if not project:
        external = raw.provider.external_networks.get(name)
        return [(external.network_type, external.physical_network)] if external else []
    network = raw.projects[project].networks.get(name)
    if not network:
        return []
    type_ = network_type(raw, project, network)
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
