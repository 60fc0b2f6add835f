# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What the types of all topology files are made of."""

from __future__ import annotations

import ipaddress

from ..third_party import pydantic
from .words import Address, Cidr, Items, Pool, Prefix, Uuid


class Part(pydantic.BaseModel):
    """Part of a file: nothing is converted silently and no unknown key passes."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


class Route(Part):
    """A static route."""

    destination: Prefix
    nexthop: Address


class Subnet(Part):
    """Short form: the cidr alone. `gateway_ip: null` is a subnet without one; left out, it is the first address."""

    id: Uuid | None = None
    cidr: Cidr
    gateway_ip: Address | None = None
    enable_dhcp: bool = True
    dns_nameservers: Items[Address] = pydantic.Field(default=(), max_length=5)
    allocation_pools: Items[Pool] = ()  # none: every address
    host_routes: Items[Route] = pydantic.Field(default=(), max_length=20)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _long(cls, value: object) -> object:
        long = {"cidr": value} if isinstance(value, str) else value
        if isinstance(long, dict) and "gateway_ip" not in long:
            return long | {"gateway_ip": _first(long.get("cidr"))}
        return long

    @property
    def net(self) -> ipaddress.IPv4Network:
        """The range of its addresses."""
        return ipaddress.IPv4Network(self.cidr)

    @property
    def pools(self) -> tuple[tuple[int, int], ...]:
        """First and last address of each pool, as numbers."""
        first, last = int(self.net.network_address) + 1, int(self.net.broadcast_address) - 1
        written = (tuple(int(ipaddress.IPv4Address(end)) for end in pool) for pool in self.allocation_pools)
        return tuple((a, b) for a, b in written) or ((first, last),)


def _first(cidr: object) -> str | None:
    try:
        return str(ipaddress.IPv4Network(str(cidr))[1])
    except (ValueError, IndexError):
        return None
