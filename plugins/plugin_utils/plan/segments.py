# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Numbers of the wire and of nodes: segmentation ids, local VLANs, conntrack zones."""

from __future__ import annotations

import dataclasses
import typing

from ..topology import model, raw
from ..topology.checks.networks import wires
from ..topology.relations import largest_mtu, wired
from ..topology.source import Report
from .lock import Kind
from .objects import NetworkPlan
from .pins import Pins, Ranges, Wish
from .ports import PortPlan

LOCAL_VLANS: typing.Final[Ranges] = ((1, 4094),)
ZONES: typing.Final[Ranges] = ((4097, 65535),)  # as Neutron: above every number that a local VLAN has


def segments(topology: raw.Raw, pins: Pins, plans: typing.Iterable[NetworkPlan], report: Report) -> list[model.Network]:
    """Networks with their physical network, their segmentation id and their MTU."""
    found, listed = [], list(plans)
    chosen = pins.choose([_segment_wish(topology, plan) for plan in listed])
    for plan, choice in zip(listed, chosen, strict=True):
        physical, number = choice or ("", None)
        if physical and not plan.network.external:
            _check_wires(topology, plan, physical, report)
        found.append(_laid(topology, plan.network, physical or None, number or None))
    return found


def _laid(topology: raw.Raw, network: model.Network, physical: str | None, number: int | None) -> model.Network:
    mtu = network.mtu or largest_mtu(topology, network.network_type, physical)
    return dataclasses.replace(network, physical_network=physical, segmentation_id=number, mtu=mtu)


def _external(plan: NetworkPlan) -> raw.ExternalNetwork:
    return typing.cast(raw.ExternalNetwork, plan.raw)


def _segment_wish(topology: raw.Raw, plan: NetworkPlan) -> Wish:
    network, type_ = plan.network, plan.network.network_type
    choices: tuple[tuple[str, Ranges], ...] = ()
    written = None
    if network.external:
        physical, number = _external(plan).physical_network, _external(plan).segmentation_id
        choices, written = ((physical, ()),), (physical, number or 0)  # untagged traffic is pinned as VLAN 0
    elif type_ == "vlan":
        # Those that fit come first; one that is pinned stays, whether it fits or not.
        names = [name or "" for _type, name in wires(topology, (network.project, network.name))]
        names.sort(key=lambda name: not _fits(topology, plan, name))
        physical_networks = topology.provider.physical_networks
        choices = tuple((name, tuple(sorted(physical_networks[name].vlan_ranges))) for name in names)
    elif type_ == "vxlan" and topology.provider.tunnels.vxlan:
        choices = (("", tuple(sorted(topology.provider.tunnels.vxlan.vni_ranges))),)
    elif topology.provider.tunnels.gre:
        choices = (("", tuple(sorted(topology.provider.tunnels.gre.key_ranges))),)
    kind: Kind = "vxlan" if type_ == "vxlan" else "gre" if type_ == "gre" else "vlan"
    return Wish(
        kind=kind,
        id=network.id,
        name=network.label,
        choices=choices,
        written=written,
        file=plan.file,
        path=(*plan.path, "segmentation_id") if written else plan.path,
    )


def _fits(topology: raw.Raw, plan: NetworkPlan, physical: str) -> bool:
    """Whether all nodes of a network are wired to a physical network that carries its packets."""
    wired_everywhere = all(wired(topology.nodes[node], "vlan", physical) for node in plan.nodes)
    return wired_everywhere and plan.network.mtu <= largest_mtu(topology, "vlan", physical)


def _check_wires(topology: raw.Raw, plan: NetworkPlan, physical: str, report: Report) -> None:
    """A pinned VLAN does not move to another wire by itself."""
    lacking = [node for node in plan.nodes if not wired(topology.nodes[node], "vlan", physical)]
    if lacking:
        message = f"is a VLAN of physical network '{physical}', in which {', '.join(lacking)} has no interface"
        hint = f"add '{physical}' to its tenantnet_interfaces in hosts.yml"
        report.add(plan.file, plan.path, message, hint, key=True)
    largest = largest_mtu(topology, "vlan", physical)
    if plan.network.mtu > largest:
        message = f"{plan.network.mtu} does not fit: '{physical}', where its VLAN is, carries at most {largest} bytes"
        report.add(plan.file, (*plan.path, "mtu"), message)


def local_vlans(topology: raw.Raw, pins: Pins, plans: typing.Iterable[NetworkPlan]) -> dict[str, dict[str, int]]:
    """Node -> network -> VLAN of br-int on that node, for the networks that have a port there."""
    wishes = [
        Wish(
            kind="local_vlan",
            id=plan.network.id,
            name=plan.network.label,
            choices=((node, LOCAL_VLANS),),
            file=plan.file,
            path=plan.path,
        )
        for plan in plans
        for node in plan.nodes
    ]
    found: dict[str, dict[str, int]] = {node: {} for node in sorted(topology.nodes)}
    for wish, choice in zip(wishes, pins.choose(wishes), strict=True):
        if choice:
            node, vlan = choice
            found[node][wish.id] = vlan
    return {node: dict(sorted(vlans.items())) for node, vlans in found.items()}


def zones(pins: Pins, plans: typing.Iterable[PortPlan]) -> dict[str, int]:
    """Conntrack zone by port, for the ports of instances: each node counts its own."""
    wishes = [
        Wish(
            kind="zone",
            id=plan.port.id,
            name=plan.port.label,
            choices=((plan.port.node, ZONES),),
            file=plan.file,
            path=plan.path,
        )
        for plan in plans
        if plan.port.owner == "instance"
    ]
    chosen = pins.choose(wishes)
    return {wish.id: choice[1] for wish, choice in zip(wishes, chosen, strict=True) if choice}
