# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The settings of a link that exists: whatever can be changed without making it anew."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import typing

from .. import ethtool, sysctl
from ..errors import TenantnetError
from ..netns import NetlinkError, Netns, Session, ignoring
from ..state import Link
from .survey import Place

UP, PROMISCUOUS = 0x1, 0x100  # IFF_UP, IFF_PROMISC


def blank(link: Link) -> Link:
    """A link that has just been made or fetched: everything about it is still to be set."""
    return Link(slice="", namespace=link.namespace, name=link.name, kind=link.kind, mtu=0, up=False)


def adjust(netns: Netns, place: Place | None, before: Link, after: Link, group: int) -> None:
    """Turn one into the other: silenced before it is up, and with new addresses before old ones go."""
    if place is None or after.name not in place.links:
        raise TenantnetError("it has vanished")
    ipr, index = netns.ipr(after.namespace), place.links[after.name]["index"]
    if attributes := _attributes(place, before, after, group):
        ipr.link("set", index=index, **attributes)
    if options := {f"br_{key}": value for key, value in after.bridge.items() if before.bridge.get(key) != value}:
        ipr.link("set", index=index, kind="bridge", **options)
    with netns.enter(after.namespace):
        for key, value in after.sysctls.items():
            sysctl.write(sysctl.conf(after.name, key), value)
        if before.tx_checksum != after.tx_checksum != ethtool.tx_checksum(after.name):
            ethtool.set_tx_checksum(after.name, after.tx_checksum)
    _addresses(ipr, index, before.addresses, after.addresses)
    _flags(ipr, index, before, after)


def _attributes(place: Place, before: Link, after: Link, group: int) -> dict[str, typing.Any]:
    """Those attributes that differ, by their names in rtnetlink."""
    attributes: dict[str, typing.Any] = {}
    if after.slice != before.slice:
        attributes["group"] = group
    if after.alias != before.alias:
        attributes["ifalias"] = after.alias
    if after.mac and after.mac != before.mac:
        attributes["address"] = after.mac
    if after.mtu != before.mtu:
        attributes["mtu"] = after.mtu
    if after.master != before.master:
        attributes["master"] = _bridge_index(place, after.master) if after.master else 0
    return attributes


def _bridge_index(place: Place, name: str) -> int:
    if name not in place.links:
        raise TenantnetError(f"its bridge {name} does not exist")
    return int(place.links[name]["index"])


def _addresses(ipr: Session, index: int, before: typing.Sequence[str], after: typing.Sequence[str]) -> None:
    """Without promote_secondaries the kernel takes other addresses of a subnet away with its first: put those back."""
    old = [address for address in before if address not in after]
    for address in after if old else [address for address in after if address not in before]:
        _add_address(ipr, index, address)
    remove_addresses(ipr, index, old)
    for address in after if old else ():
        _add_address(ipr, index, address)


def remove_addresses(ipr: Session, index: int, addresses: typing.Iterable[str]) -> None:
    """Remove addresses that may be gone already."""
    for address in addresses:
        with ignoring(errno.EADDRNOTAVAIL):
            ipr.addr("del", index=index, **_parts(address))


def _add_address(ipr: Session, index: int, address: str) -> None:
    network = ipaddress.IPv4Interface(address).network
    broadcast = {"broadcast": str(network.broadcast_address)} if network.prefixlen < 31 else {}
    with ignoring(errno.EEXIST):
        ipr.addr("add", index=index, **_parts(address), **broadcast)


def _parts(address: str) -> dict[str, typing.Any]:
    host, _slash, length = address.partition("/")
    return {"address": host, "prefixlen": int(length)}


def _flags(ipr: Session, index: int, before: Link, after: Link) -> None:
    change = UP * (after.up != before.up) | PROMISCUOUS * (after.promiscuous != before.promiscuous)
    if change:
        ipr.link("set", index=index, flags=(UP * after.up | PROMISCUOUS * after.promiscuous) & change, change=change)


@contextlib.contextmanager
def told(link: Link) -> typing.Iterator[None]:
    """Say of a failure which link it is about; raises TenantnetError."""
    try:
        yield
    except (NetlinkError, OSError, TenantnetError) as exc:
        raise TenantnetError(f"link {where(link)}: {exc.args[-1]}") from exc


def where(link: Link) -> str:
    """`qr-0a1b2c3d-4e in namespace qrouter-…`."""
    return f"{link.name} in namespace {link.namespace}" if link.namespace else link.name
