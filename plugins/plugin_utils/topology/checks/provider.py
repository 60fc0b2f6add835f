# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""provider.yml: wires, ranges and external networks."""

from __future__ import annotations

from ..errors import suggest
from ..raw import ExternalNetwork, Raw
from ..relations import largest_mtu, network_nodes, network_type
from ..source import Path, Report
from . import networks, subnets
from .subnets import Add


def check(raw: Raw, report: Report) -> None:
    """All that provider.yml declares."""

    def add(path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        report.add(raw.provider_file, path, message, hint, key=key)

    _check_physical_networks(raw, add)
    _check_ranges(raw, add)
    if raw.provider.tunnels.arp_responder and not raw.provider.tunnels.l2_population:
        add(("tunnels", "arp_responder"), "it answers with what l2_population knows", "add 'l2_population: true'")
    for name, network in raw.provider.external_networks.items():
        _check_segment(raw, ("external_networks", name), network, add)
        largest = largest_mtu(raw, network.network_type, network.physical_network)
        if network.mtu and network.mtu > largest:
            message = f"{network.mtu} does not fit: '{network.physical_network}' carries at most {largest} bytes"
            add(("external_networks", name, "mtu"), message)
    _check_segments_differ(raw, add)
    _check_subnets(raw, add)
    _check_servers(raw, add)
    _check_shares(raw, add)


def _check_physical_networks(raw: Raw, add: Add) -> None:
    bridges: dict[str, str] = {}
    for name, physical in raw.provider.physical_networks.items():
        if name in ("management", "tunnel"):
            message = f"'{name}' is the name of another use of an interface in hosts.yml"
            add(("physical_networks", name), message, "choose another name", key=True)
        if physical.bridge in bridges:
            message = f"'{physical.bridge}' is already the bridge of '{bridges[physical.bridge]}'"
            add(("physical_networks", name, "bridge"), message)
        bridges.setdefault(physical.bridge, name)


def _check_ranges(raw: Raw, add: Add) -> None:
    tunnels = raw.provider.tunnels
    all_ranges: dict[Path, tuple[tuple[int, int], ...]] = {
        ("tunnels", "vxlan", "vni_ranges"): tunnels.vxlan.vni_ranges if tunnels.vxlan else (),
        ("tunnels", "gre", "key_ranges"): tunnels.gre.key_ranges if tunnels.gre else (),
    }
    for name, physical in raw.provider.physical_networks.items():
        all_ranges["physical_networks", name, "vlan_ranges"] = physical.vlan_ranges
    for path, ranges in all_ranges.items():
        for index, (first, last) in enumerate(ranges):
            for other_first, other_last in ranges[:index]:
                if first <= other_last and other_first <= last:
                    add((*path, index), f"{first}:{last} overlaps {other_first}:{other_last}")


def _check_segment(raw: Raw, path: Path, network: ExternalNetwork, add: Add) -> None:
    if network.physical_network not in raw.provider.physical_networks:
        hint = suggest(network.physical_network, raw.provider.physical_networks)
        add((*path, "physical_network"), f"there is no physical network '{network.physical_network}'", hint)
    if network.network_type == "flat" and network.segmentation_id is not None:
        add((*path, "segmentation_id"), "a flat network has no segmentation_id", "write 'network_type: vlan'")
    if network.network_type == "vlan" and network.segmentation_id is None:
        add(path, "a vlan network of the provider needs a segmentation_id", key=True)


def _check_segments_differ(raw: Raw, add: Add) -> None:
    seen: dict[tuple[str, int | None], str] = {}
    for name, network in raw.provider.external_networks.items():
        segment = (network.physical_network, network.segmentation_id)
        if network.network_type == "vlan" and network.segmentation_id is None:
            continue
        if segment in seen:
            what = f"VLAN {segment[1]}" if segment[1] else "untagged traffic"
            add(("external_networks", name), f"'{seen[segment]}' already is the {what} of '{segment[0]}'", key=True)
        seen.setdefault(segment, name)


def _check_servers(raw: Raw, add: Add) -> None:
    wanted, found = raw.provider.dhcp_agents_per_network, len(network_nodes(raw))
    if found < wanted > 1:
        message = f"{wanted} DHCP servers a network need as many network nodes, and the inventory has {found}"
        add(("dhcp_agents_per_network",), message, "add hosts to network_nodes")


def _check_shares(raw: Raw, add: Add) -> None:
    """Networks of the administrators, and who may use these and the external ones."""
    for name, network in raw.provider.networks.items():
        type_ = network_type(raw, "", network)
        networks.check_ranges(raw, ("networks", name), type_, add)
        networks.check_network(raw, ("networks", name), network, type_, add)
        if name in raw.provider.external_networks:
            add(("networks", name), f"'{name}' is already the name of an external network", "", key=True)
    for section in ("networks", "external_networks"):
        for name, of in getattr(raw.provider, section).items():
            for index, project in enumerate(of.shared_with or ()):
                if project not in raw.provider.projects:
                    hint = suggest(project, raw.provider.projects)
                    add((section, name, "shared_with", index), f"there is no project '{project}'", hint)


def _check_subnets(raw: Raw, add: Add) -> None:
    found = [
        (("external_networks", name, "subnets", subnet), subnet, network.subnets[subnet])
        for name, network in raw.provider.external_networks.items()
        for subnet in network.subnets
    ]
    for path, _name, subnet in found:
        subnets.check(path, subnet, add, external=True)
    subnets.check_overlaps([((*path, "cidr"), name, subnet) for path, name, subnet in found], add)
