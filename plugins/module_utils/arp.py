# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Gratuitous ARP: tells the neighbours of a device where an address is now (datapath.md 2.2, RFC 5944 4.6).

A neighbour that knows the address of a former device would go on sending there until its own entry grows old.
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
                raw.send(_frame(mac, socket.inet_aton(address), operation))


def _frame(mac: bytes, address: bytes, operation: int) -> bytes:
    head = _BROADCAST + mac + struct.pack("!H", _ETH_P_ARP)
    body = struct.pack("!HHBBH", _ETHERNET, _ETH_P_IP, len(mac), len(address), operation)
    return head + body + mac + address + _BROADCAST + address
