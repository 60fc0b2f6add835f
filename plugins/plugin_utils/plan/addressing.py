# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Addresses, MACs and floating IPs of ports."""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
import typing

from ..topology import model
from ..topology.source import Path
from . import ids
from .floating import FloatingPlan
from .objects import NetworkPlan
from .pins import Choice, Pins, Ranges, Wish
from .ports import AddressPlan, PortPlan

#: Wishes with what was chosen for them.
Chosen = typing.Iterator[tuple[Wish, Choice | None]]


def reserve_gateways(pins: Pins, networks: typing.Iterable[NetworkPlan]) -> None:
    """Only a router's interface gets a gateway's address."""
    for planned in networks:
        for subnet in planned.network.subnets:
            if subnet.gateway_ip:
                name = f"the gateway's address in {planned.network.label}"
                pins.reserve("address", planned.network.id, subnet.gateway_ip, name)


def inside(pins: Pins, ports: list[PortPlan]) -> list[model.Port]:
    """Ports of project networks with their addresses."""
    wishes = [wish for plan in ports for wish in _wishes(plan)]
    return _filled(pins, ports, iter(zip(wishes, pins.choose(wishes), strict=True)))


def outside(
    pins: Pins, ports: list[PortPlan], floating: list[FloatingPlan]
) -> tuple[list[model.Port], list[tuple[str, tuple[str, ...]]]]:
    """Ports of external networks with their addresses; for each floating IP its address, and what nodes it leaves.

    They come from the same pools.
    """
    wishes = [*(wish for plan in ports for wish in _wishes(plan)), *map(_floating_wish, floating)]
    chosen = iter(zip(wishes, pins.choose(wishes), strict=True))
    filled = _filled(pins, ports, chosen)
    return filled, [(_address(choice), _leaving(pins, wish, choice)) for wish, choice in chosen]


def _filled(pins: Pins, ports: list[PortPlan], chosen: Chosen) -> list[model.Port]:
    found = []
    for plan in ports:
        own = [(address, *next(chosen)) for address in plan.addresses]
        found.append(
            dataclasses.replace(
                plan.port,
                fixed_ips=tuple(_fixed_ip(address, choice) for address, _wish, choice in own),
                leaving=tuple(sorted({node for _a, wish, choice in own for node in _leaving(pins, wish, choice)})),
            )
        )
    return found


def _leaving(pins: Pins, wish: Wish, choice: Choice | None) -> tuple[str, ...]:
    return pins.leaving(wish, choice) if choice else ()


def _wishes(plan: PortPlan) -> typing.Iterator[Wish]:
    for address in plan.addresses:
        path = (*plan.path, *address.below)
        if address.address and plan.port.owner == "instance":
            path = (*path, "ip_address" if address.below else "fixed_ip")
        yield _wish(plan.network, plan.port.id, plan.port.label, address, plan.port.node, plan.file, path)


def _floating_wish(plan: FloatingPlan) -> Wish:
    address = AddressPlan(subnets=plan.network.network.subnets, address=plan.address)
    return _wish(plan.network, plan.id, plan.label, address, plan.router.node, plan.file, plan.path)


def _wish(network: NetworkPlan, id_: str, name: str, address: AddressPlan, node: str, file: str, path: Path) -> Wish:
    scope = network.network.id
    nets = [ipaddress.IPv4Network(subnet.cidr) for subnet in address.subnets]
    pools: list[Ranges] = [tuple(sorted(network.raw.subnets[s.name].pools)) for s in address.subnets]
    return Wish(
        kind="address",
        id=id_,
        name=name,
        choices=tuple((scope, pool) for pool in pools),
        written=(scope, address.address) if address.address else None,
        fits=lambda _, value: any(ipaddress.IPv4Address(value) in net for net in nets),
        node=node,
        file=file,
        path=path,
    )


def _fixed_ip(plan: AddressPlan, choice: Choice | None) -> model.FixedIp:
    address = ipaddress.IPv4Address(_address(choice))
    found = (subnet for subnet in plan.subnets if address in ipaddress.IPv4Network(subnet.cidr))
    return model.FixedIp(subnet=next(found, plan.subnets[0]).id, address=str(address))


def _address(choice: Choice | None) -> str:
    return str(choice[1]) if choice else "0.0.0.0"  # there was none, which is told before anybody sees this


def macs(pins: Pins, ports: list[PortPlan]) -> dict[str, str]:
    """MAC by port: what is written down, what is pinned, else what the id gives; the longer known ports come first."""
    written = [plan for plan in ports if plan.mac]
    chosen = pins.choose([_mac_wish(plan) for plan in written])
    found = {plan.port.id: str(choice[1]) for plan, choice in zip(written, chosen, strict=True) if choice}
    for plan in sorted(ports, key=lambda plan: plan.port.id not in pins.known):
        if plan.port.id not in found:
            found[plan.port.id] = _mac(pins, plan)
    return found


def _mac(pins: Pins, plan: PortPlan) -> str:
    wish, scope = _mac_wish(plan), plan.network.network.id
    if pinned := pins.pinned(wish):
        return str(pinned[1])
    candidates = (ids.mac(plan.port.id, attempt) for attempt in itertools.count())
    if wish.id in pins.known:  # it is on some node with the MAC that its id gives: nobody may take that away
        mac = next(candidates)
    else:
        mac = next(mac for mac in candidates if pins.is_free("mac", scope, mac))
    pins.take(wish, (scope, mac))
    return mac


def _mac_wish(plan: PortPlan) -> Wish:
    scope = plan.network.network.id
    return Wish(
        kind="mac",
        id=plan.port.id,
        name=plan.port.label,
        choices=((scope, ()),),
        written=(scope, plan.mac) if plan.mac else None,
        file=plan.file,
        path=(*plan.path, "mac") if plan.mac else plan.path,
    )
