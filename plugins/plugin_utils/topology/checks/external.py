# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Addresses of external networks that projects ask for: the one thing that they share."""

from __future__ import annotations

import dataclasses
import typing

from ..raw import Port, Raw
from ..relations import ways_out
from ..source import Path, Report
from .subnets import in_pools, unusable


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An external address that a project wrote down, and the external networks that it may be of."""

    project: str
    path: Path
    label: str
    address: str
    networks: frozenset[str]
    shared: bool = False  # whether others of the same label may have it, too


def check(raw: Raw, report: Report) -> None:
    """External addresses that a project may not have, or that two want."""
    taken: dict[str, Wish] = {}
    for wish in _wishes(raw):
        if not wish.networks:
            continue  # told where the network is named
        if message := _refusal(raw, wish):
            report.add(raw.project_file(wish.project), wish.path, message)
        elif (other := taken.get(wish.address)) and (not (wish.shared and other.label == wish.label)):
            who = other.label if other.project == wish.project else "another project"
            message = f"{wish.address} is already taken by {who}"
            report.add(raw.project_file(wish.project), wish.path, message)
        taken.setdefault(wish.address, wish)


def _refusal(raw: Raw, wish: Wish) -> str:
    """Why a project may not have an address; "" when it may. Pools are the limit that the administrators set."""
    message = ""
    for network in sorted(wish.networks):
        for subnet in raw.provider.external_networks[network].subnets.values():
            message = unusable(subnet, wish.address)
            if not message and wish.address == subnet.gateway_ip:
                return f"{wish.address} is the gateway's address"
            if not message and in_pools(subnet, wish.address):
                return ""
            if not message or not message.endswith(f"outside {subnet.cidr}"):
                pools = ", ".join("-".join(pool) for pool in subnet.allocation_pools)
                return message or f"{wish.address} is outside the allocation pools of '{network}' ({pools})"
    names = ", ".join(sorted(wish.networks))
    return f"{wish.address} is outside the external network '{names}'" if message else ""


def _wishes(raw: Raw) -> typing.Iterator[Wish]:
    known = raw.provider.external_networks
    for project, of in raw.projects.items():
        out = ways_out(raw, project)
        for name, router in of.routers.items():
            if router.external_ip:
                networks = frozenset({router.external_network or ""} & set(known))
                path: Path = ("routers", name, "external_ip")
                label = f"router {project}/{name}"
                yield Wish(project=project, path=path, label=label, address=router.external_ip, networks=networks)
        for name, instance in of.instances.items():
            for index, port in enumerate(instance.ports):
                ways = (of.routers[router].external_network for router in out.get(port.network, {}).values())
                networks = frozenset(way for way in ways if way)
                path = ("instances", name, "ports", index)
                yield from _port_wishes(project, path, f"{project}/{name}:{port.key}", port, networks)


def _port_wishes(project: str, path: Path, label: str, port: Port, networks: frozenset[str]) -> typing.Iterator[Wish]:
    """Addresses that lead to a port alone, and those that it shares with other ports of its project."""
    for below, fixed in port.addresses:
        at = (*path, *below)
        if fixed.floating_ip:
            where = (*at, "floating_ip")
            yield Wish(project=project, path=where, label=label, address=fixed.floating_ip, networks=networks)
        for index, forwarding in enumerate(fixed.port_forwardings):
            where = (*at, "port_forwardings", index, "floating_ip")
            yield Wish(
                project=project,
                path=where,
                label=f"port forwardings of project {project}",
                address=forwarding.floating_ip,
                networks=networks,
                shared=True,
            )
