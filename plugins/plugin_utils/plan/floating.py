# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Floating IPs: external addresses that lead to one fixed address, or with their ports to several."""

from __future__ import annotations

import dataclasses
import typing

from ..topology import model, raw
from ..topology.relations import NetworkKey, ways_out
from ..topology.source import Path, Report
from . import ids
from .objects import NetworkPlan
from .ports import AddressPlan, PortPlan


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FloatingPlan:
    """An external address that a router is to have, and what it leads to; still without the address itself."""

    id: str
    label: str
    network: NetworkPlan
    router: model.Router
    address: str | None  # None: any
    file: str
    path: Path
    floating_ip: model.FloatingIp | None = None
    forwardings: tuple[model.PortForwarding, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A fixed address with the router that leads to it from outside, and where the two were written."""

    port: model.Port
    address: AddressPlan
    fixed_ip: model.FixedIp
    router: model.Router
    network: NetworkPlan
    file: str
    path: Path


def plans(
    topology: raw.Raw,
    networks: dict[NetworkKey, NetworkPlan],
    routers: dict[tuple[str, str], model.Router],
    port_plans: list[PortPlan],
    ports: list[model.Port],
    report: Report,
) -> list[FloatingPlan]:
    """What ports that have their fixed addresses want; tells an address that would have to be at two routers."""
    single: list[FloatingPlan] = []
    shared: dict[tuple[str, str], FloatingPlan] = {}
    for target in _targets(topology, networks, routers, port_plans, ports):
        if target.address.fixed.floating_ip is not None:
            single.append(_single(target))
        for index, forwarding in enumerate(target.address.fixed.port_forwardings):
            path = (*target.path, "port_forwardings", index, "floating_ip")
            key = (target.port.project, forwarding.floating_ip)
            plan = shared.setdefault(key, _shared(target, forwarding, path))
            if plan.router is not target.router:
                message = f"{forwarding.floating_ip} is at router {plan.router.label}, which does not lead here"
                report.add(target.file, path, message, f"{target.router.label} does; give it another address")
            found = (*plan.forwardings, _forwarding(target, forwarding))
            shared[key] = dataclasses.replace(plan, forwardings=found)
    return [*single, *shared.values()]


def _targets(
    topology: raw.Raw,
    networks: dict[NetworkKey, NetworkPlan],
    routers: dict[tuple[str, str], model.Router],
    port_plans: list[PortPlan],
    ports: list[model.Port],
) -> typing.Iterator[_Target]:
    ways = {project: ways_out(topology, project) for project in topology.projects}
    for plan, port in zip(port_plans, ports, strict=True):
        for address, fixed in zip(plan.addresses, port.fixed_ips, strict=True):
            if address.fixed.floating_ip is None and not address.fixed.port_forwardings:
                continue
            network = plan.network.network
            subnet = {subnet.id: subnet.name for subnet in network.subnets}[fixed.subnet]
            name = ways[port.project][network.name][subnet]
            external = topology.projects[port.project].routers[name].external_network or ""
            yield _Target(
                port=port,
                address=address,
                fixed_ip=fixed,
                router=routers[port.project, name],
                network=networks["", external],
                file=plan.file,
                path=(*plan.path, *address.below),
            )


def _single(target: _Target) -> FloatingPlan:
    key = target.address.fixed.key if target.address.below else ()
    floating_ip = model.FloatingIp(
        id=ids.within(target.port.id, "floating_ip", *key),
        project=target.port.project,
        address="",
        router=target.router.id,
        port=target.port.id,
        fixed_ip=target.fixed_ip.address,
    )
    return FloatingPlan(
        id=floating_ip.id,
        label=f"{target.port.label} floating IP",
        network=target.network,
        router=target.router,
        address=target.address.fixed.floating_ip or None,
        file=target.file,
        path=(*target.path, "floating_ip"),
        floating_ip=floating_ip,
    )


def _shared(target: _Target, forwarding: raw.PortForwarding, path: Path) -> FloatingPlan:
    return FloatingPlan(
        id=ids.within(target.router.id, "floating_ip", forwarding.floating_ip),
        label=f"{target.router.label} floating IP",
        network=target.network,
        router=target.router,
        address=forwarding.floating_ip,
        file=target.file,
        path=path,
    )


def _forwarding(target: _Target, of: raw.PortForwarding) -> model.PortForwarding:
    first, last = of.external_port
    return model.PortForwarding(
        id=ids.within(target.router.id, "port_forwarding", of.floating_ip, of.protocol, f"{first}:{last}"),
        project=target.port.project,
        address=of.floating_ip,
        router=target.router.id,
        port=target.port.id,
        fixed_ip=target.fixed_ip.address,
        protocol=of.protocol,
        external_ports=(first, last),
        internal_ports=of.internal,
    )


def resolved(
    plans: list[FloatingPlan], found: list[tuple[str, tuple[str, ...]]]
) -> tuple[list[model.FloatingIp], list[model.PortForwarding]]:
    """Floating IPs and port forwardings, given the address of each plan and the nodes that it leaves."""
    floating_ips, forwardings = [], []
    for plan, (address, leaving) in zip(plans, found, strict=True):
        if plan.floating_ip:
            floating_ips.append(dataclasses.replace(plan.floating_ip, address=address, leaving=leaving))
        forwardings += [dataclasses.replace(one, leaving=leaving) for one in plan.forwardings]
    return floating_ips, forwardings
