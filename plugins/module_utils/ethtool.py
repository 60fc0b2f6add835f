# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""TX checksum offload of a device, as `ethtool -K <device> tx on|off`, in the network namespace of the calling thread.

Turning it off takes TCP segmentation offload, which needs it, with it; turning it on brings that back.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

# <linux/sockios.h>, <linux/ethtool.h>
_SIOCETHTOOL = 0x8946
_GTXCSUM, _STXCSUM = 0x16, 0x17


def tx_checksum(device: str) -> bool:
    """Whether the kernel leaves checksums of what is sent to the device; raises OSError."""
    return bool(_ask(device, _GTXCSUM, 0))


def set_tx_checksum(device: str, on: bool) -> None:
    """Turn it on or off; raises OSError."""
    _ask(device, _STXCSUM, on)


def _ask(device: str, command: int, value: int) -> int:
    """SIOCETHTOOL with a `struct ethtool_value`; the request holds the device's name and a pointer to it."""
    argument = (ctypes.c_uint32 * 2)(command, value)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP", device.encode(), ctypes.addressof(argument)))
    return argument[1]
