# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Fixed addresses of instances' ports, and whether anything leads to them from outside."""

from __future__ import annotations

from ..parts import Subnet
from ..raw import ExternalNetwork, FixedIp, Network, Port
from ..source import Path
from .scope import Scope
from .subnets import is_outside, unusable

#: What has been given out in one network: address or MAC -> who has it.
Taken = dict[tuple[str, str], str]


def check(scope: Scope, path: Path, port: Port, network: Network, taken: Taken, label: str) -> None:
    """All addresses of one port."""
    seen: dict[tuple[str, str], Path] = {}
    for below, fixed in port.addresses:
        at = (*path, *below)
        key = (*at, "ip_address") if below else (*at, "fixed_ip")
        if fixed.key in seen:
            scope.add(at, "says the same as one before it", "write its ip_address, or another subnet")
        elif fixed.ip_address:
            check_taken(scope, key, port.network, fixed.ip_address, taken, label)
        seen.setdefault(fixed.key, at)
        if fixed.subnet and not scope.known((*at, "subnet"), "subnet", fixed.subnet, network.subnets):
            continue
        if fixed.ip_address:
            _check_address(scope, key, fixed, network)
        for way in ("floating_ip", "port_forwardings"):
            if getattr(fixed, way) not in (None, ()):
                _check_way(scope, (*at, way), fixed, port.network, network)


def check_taken(scope: Scope, path: Path, network: str, value: str, taken: Taken, label: str) -> None:
    """Tell an address or a MAC that somebody else has written down; otherwise it is taken now."""
    if (network, value) in taken:
        scope.add(path, f"{value} is already taken by {taken[network, value]}")
    taken.setdefault((network, value), label)


def _check_address(scope: Scope, path: Path, fixed: FixedIp, network: Network) -> None:
    address = fixed.ip_address or ""
    subnet = network.subnets[fixed.subnet] if fixed.subnet else home(network, address)
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
    return next((subnet for subnet in network.subnets.values() if not is_outside(subnet, address)), None)


def _check_way(scope: Scope, path: Path, fixed: FixedIp, name: str, network: Network) -> None:
    """A floating IP or a port forwarding leads through the gateway of the address's subnet."""
    ways = scope.ways_out.get(name, {})
    what = "a floating IP" if path[-1] == "floating_ip" else "a port forwarding"
    own = network.subnets.get(fixed.subnet or "") or (fixed.ip_address and home(network, fixed.ip_address))
    if not network.subnets:
        scope.add(path, f"{what} needs a fixed address, and the network has no subnet")
    elif not ways:
        message = f"no router leads from network '{name}' to an external network"
        scope.add(path, message, "add the subnet to a router that has an external_network")
    elif own and not any(network.subnets[subnet] is own for subnet in ways):
        scope.add(path, f"no router leads from the subnet of {fixed.ip_address or fixed.subnet} to an external network")
