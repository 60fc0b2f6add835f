# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Leases of dnsmasq that nobody may have any longer: released, so that the address can be somebody else's at once.

dnsmasq keeps a lease until it ends, also of a client that it has been told to forget, and then offers the address to
nobody else. A client's own DHCPRELEASE ends it, and so does one that we send in the client's name.
"""

from __future__ import annotations

import ipaddress
import os
import pathlib
import socket
import struct
import time
import typing

from .netns import Netns
from .wait import until

SERVER_PORT = 67
DEADLINE = 5.0  # seconds for dnsmasq to release leases and to write that down
AGAIN = 1.0  # seconds until it is told once more
LOOKS = 3  # that find nothing left: dnsmasq empties the file before it writes it anew

_COOKIE = bytes.fromhex("63825363")
_MESSAGE, _SERVER, _CLIENT, _END = 53, 54, 61, 255  # options
_RELEASE = 7


class Lease(typing.NamedTuple):
    """A line of dnsmasq's file of leases; `client` is the client id in hexadecimal, "" for none."""

    mac: str
    address: str
    client: str


Near = tuple[ipaddress.IPv4Interface, str]


def release(netns: Netns, namespace: str, directory: str) -> None:
    """Release all leases of the dnsmasq of a namespace that its hosts do not have.

    The directory has its `leases` and `host`. Raises TenantnetError when dnsmasq does not do it.
    """
    path, again, calm = pathlib.Path(directory), 0.0, 0
    near: list[Near] = []

    def released() -> bool:
        nonlocal again, calm
        found = stale(path)
        near.extend(_near(netns, namespace) if found and not near else ())
        left = {lease: server for lease in found if (server := _server(near, lease))}
        if left and time.monotonic() >= again:
            _send(netns, namespace, left)
            again = time.monotonic() + AGAIN
        calm = 0 if left else calm + 1
        return calm == LOOKS

    until(released, f"dnsmasq of {namespace} to release leases that {directory}/host does not have", DEADLINE)


def stale(path: pathlib.Path) -> list[Lease]:
    """Leases of whom the hosts do not have, with this address."""
    hosts = {tuple(line.split(",")[::2][:2]) for line in _lines(path / "host")}
    found = [line.split() for line in _lines(path / "leases")]
    leases = [Lease(f[1], f[2], f[4].replace(":", "").replace("*", "")) for f in found if len(f) == 5]
    return [lease for lease in leases if (lease.mac, lease.address) not in hosts]


def _lines(path: pathlib.Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _near(netns: Netns, namespace: str) -> list[Near]:
    """The server's addresses with their subnets, and their devices."""
    ipr = netns.ipr(namespace)
    names = {link["index"]: link.get("ifname") for link in ipr.get_links()}
    return [
        (ipaddress.IPv4Interface(f"{m.get('local')}/{m['prefixlen']}"), names[m["index"]])
        for m in ipr.get_addr(family=socket.AF_INET)
    ]


def _server(near: typing.Iterable[Near], lease: Lease) -> Near | None:
    """The address that serves a lease's subnet; none when that is gone: nobody can be told, nor offered the address."""
    return next((one for one in near if ipaddress.IPv4Address(lease.address) in one[0].network), None)


def _send(netns: Netns, namespace: str, leases: typing.Mapping[Lease, Near]) -> None:
    with netns.enter(namespace):
        for lease, (interface, device) in leases.items():
            _tell(str(interface.ip), device, lease)


def _tell(server: str, device: str, lease: Lease) -> None:
    """Send it to an address of this very host; dnsmasq must see it come from the device, and not from loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        udp.sendto(packet(server, lease), (server, SERVER_PORT))


def packet(server: str, lease: Lease) -> bytes:
    """DHCPRELEASE (RFC 2131, 4.4.6)."""
    address, client = socket.inet_aton(lease.address), bytes.fromhex(lease.client)
    head = struct.pack("!BBBB4sHH4s4s4s4s", 1, 1, 6, 0, os.urandom(4), 0, 0, address, bytes(4), bytes(4), bytes(4))
    options = bytes([_MESSAGE, 1, _RELEASE, _SERVER, 4]) + socket.inet_aton(server)
    options += bytes([_CLIENT, len(client)]) + client if client else b""
    body = head + bytes.fromhex(lease.mac.replace(":", "")).ljust(16, b"\0") + bytes(192) + _COOKIE + options
    return bytes([*body, _END]).ljust(300, b"\0")
