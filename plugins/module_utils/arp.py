# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""ARP that no kernel sends by itself.

Gratuitous ARP tells the neighbours of a device where an address is now (datapath.md 2.2, RFC 5944 4.6): one that knows
the address of a former device would go on sending there until its own entry grows old. A question asks for a neighbour
whom the kernel may know already; Open vSwitch, which does not, hears the answer.
"""

from __future__ import annotations

import socket
import struct
import typing

_ETH_P_ARP, _ETH_P_IP, _ETHERNET = 0x0806, 0x0800, 1
_REQUEST, _REPLY = 1, 2
_BROADCAST = b"\xff" * 6


def announce(device: str, addresses: typing.Iterable[str]) -> None:
    """Broadcast each address in both forms, as some neighbours learn from requests only and others from replies.

    The device is one of the network namespace of the calling thread. Raises OSError.
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((device, 0))
        mac = raw.getsockname()[4]
        for address in addresses:
            for operation in (_REQUEST, _REPLY):
                raw.send(_frame(mac, address, operation, address))


def ask(device: str, address: str, neighbours: typing.Iterable[str]) -> None:
    """Ask for neighbours in the name of an address of the device, and wait for no answer. Raises OSError."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((device, 0))
        for neighbour in neighbours:
            raw.send(_frame(raw.getsockname()[4], address, _REQUEST, neighbour))


def _frame(mac: bytes, sender: str, operation: int, target: str) -> bytes:
    head = _BROADCAST + mac + struct.pack("!H", _ETH_P_ARP)
    body = struct.pack("!HHBBH", _ETHERNET, _ETH_P_IP, len(mac), 4, operation)
    return head + body + mac + socket.inet_aton(sender) + _BROADCAST + socket.inet_aton(target)
