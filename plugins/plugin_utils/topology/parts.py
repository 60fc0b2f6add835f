# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What the types of all topology files are made of."""

from __future__ import annotations

import ipaddress
import typing

from ..third_party import pydantic, pydantic_core
from .words import Address, Cidr, Items, Pool, Prefix, Uuid


class Part(pydantic.BaseModel):
    """Part of a file: nothing is converted silently and no unknown key passes."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


class Short(Part):
    """A part that may be written as a text alone, which is then the value of its field `short`."""

    short: typing.ClassVar[str]

    @pydantic.model_validator(mode="before")
    @classmethod
    def _long(cls, value: object) -> object:
        return {cls.short: value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: pydantic_core.CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> dict[str, typing.Any]:
        long = handler.resolve_ref_schema(handler(core))
        alone = long["properties"][cls.short] | {"description": f"Short form: the {cls.short} alone."}
        return {"anyOf": [alone, long]}


IDENTITY: typing.Final[typing.Any] = pydantic.Field(
    default=None, description="Identity that outlives a change of the name. Left out, it is derived from the name."
)
MTU: typing.Final[typing.Any] = pydantic.Field(
    default=None, description="Bytes of the largest packet. Left out, it is what every node's underlay can carry."
)


class Route(Part):
    """A static route."""

    destination: Prefix = pydantic.Field(description="Where to.")
    nexthop: Address = pydantic.Field(description="The neighbour that the way leads through.")


class Subnet(Short):
    """An IPv4 subnet of a network."""

    short = "cidr"

    id: Uuid | None = IDENTITY
    cidr: Cidr = pydantic.Field(description="Range of its addresses.")
    gateway_ip: Address | None = pydantic.Field(
        default=None, description="Left out, it is the first address; `null` is a subnet without gateway."
    )
    enable_dhcp: bool = pydantic.Field(default=True, description="Whether tenantnet serves its addresses by DHCP.")
    dns_nameservers: Items[Address] = pydantic.Field(
        default=(), max_length=5, description="Name servers that clients are told. Left out, the DHCP server itself."
    )
    allocation_pools: Items[Pool] = pydantic.Field(
        default=(), description="Addresses that are chosen from, for what names none. Left out, all of them."
    )
    host_routes: Items[Route] = pydantic.Field(
        default=(), max_length=20, description="Routes that clients are told beside the default route."
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _long(cls, value: object) -> object:
        long = {cls.short: value} if isinstance(value, str) else value
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
