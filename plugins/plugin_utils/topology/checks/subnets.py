# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Addresses within one subnet, and subnets that share a place."""

from __future__ import annotations

import ipaddress
import typing

from ..parts import Subnet
from ..source import Path

ON_LINK = "0.0.0.0"  # next hop of a destination that is on the wire itself (RFC 3442)


class Add(typing.Protocol):
    """Tells a problem at a path of one file."""

    def __call__(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        """See Report.add."""


def check(path: Path, subnet: Subnet, add: Add, *, external: bool = False) -> None:
    """One subnet: its gateway, its pools, its routes. The gateway of an external one may be any neighbour."""
    gateway = subnet.gateway_ip
    if gateway and (message := unusable(subnet, gateway)) and not (external and is_outside(subnet, gateway)):
        add((*path, "gateway_ip"), message, "write 'null' for a subnet without a gateway")
    _check_pools(path, subnet, add)
    destinations = [route.destination for route in subnet.host_routes]
    for index, route in enumerate(subnet.host_routes):
        at = (*path, "host_routes", index)
        if route.destination in destinations[:index]:
            add((*at, "destination"), f"{route.destination} has a route already")
        if route.nexthop != ON_LINK and is_outside(subnet, route.nexthop):
            add((*at, "nexthop"), f"{route.nexthop} is outside {subnet.cidr}", "a next hop is a neighbour")


def check_overlaps(found: typing.Iterable[tuple[Path, str, Subnet]], add: Add) -> None:
    """Tell each (place, name, subnet) that overlaps one before it."""
    before: list[tuple[str, ipaddress.IPv4Network]] = []
    for path, name, subnet in found:
        for other, net in before:
            if net.overlaps(subnet.net):
                add(path, f"{subnet.cidr} of '{name}' overlaps {net} of '{other}'")
        before.append((name, subnet.net))


def is_outside(subnet: Subnet, address: str) -> bool:
    """Whether an address is not of a subnet's range."""
    return ipaddress.IPv4Address(address) not in subnet.net


def unusable(subnet: Subnet, address: str) -> str:
    """Why an address cannot be one of a subnet's hosts; "" when it can."""
    ip = ipaddress.IPv4Address(address)
    if is_outside(subnet, address):
        return f"{address} is outside {subnet.cidr}"
    if ip in (subnet.net.network_address, subnet.net.broadcast_address):
        kind = "network" if ip == subnet.net.network_address else "broadcast"
        return f"{address} is the {kind} address of {subnet.cidr}"
    return ""


def in_pools(subnet: Subnet, address: str) -> bool:
    """Whether an address is one that may be given out."""
    number = int(ipaddress.IPv4Address(address))
    return any(first <= number <= last for first, last in subnet.pools)


def _check_pools(path: Path, subnet: Subnet, add: Add) -> None:
    numbers = subnet.pools
    for index, pool in enumerate(subnet.allocation_pools):
        at = (*path, "allocation_pools", index)
        if message := unusable(subnet, pool[0]) or unusable(subnet, pool[1]):
            add(at, message)
        if any(numbers[index][0] <= last and first <= numbers[index][1] for first, last in numbers[:index]):
            add(at, f"{'-'.join(pool)} overlaps a pool before it")
    if subnet.allocation_pools and subnet.gateway_ip and in_pools(subnet, subnet.gateway_ip):
        add((*path, "allocation_pools"), f"the gateway's address {subnet.gateway_ip} is in a pool", "leave it out")
