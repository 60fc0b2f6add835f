# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Raw sockets: send frames, capture them, and ask with them."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable

from . import Json
from .background import Stop
from .frames import build, dissect, token_of

ETH_P_ALL = 0x0003
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 0x10  # <linux/if_packet.h>

#: Where four bytes are that count up: the end of the source MAC, both ports of UDP behind an IPv4 header.
COUNTED = {"dl_src": 8, "tp_src": 34}


def capture(args: Json, ready: Callable[[], None]) -> Json:
    """Frames with a token of this `run` that pass `devices`, in both directions."""
    devices = [open_device(name) for name in args["devices"]]
    ready()
    return _collect(devices, args, lambda seen: bool(seen["token"]))


def send(args: Json, ready: Callable[[], None]) -> Json:
    """Frames out of `device`, in their order."""
    with open_device(args["device"]) as raw:
        for frame in args["frames"]:
            raw.send(build(frame, args["run"]))
    return {"sent": len(args["frames"])}


def flood(args: Json, ready: Callable[[], None]) -> Json:
    """One frame `count` times, in which a field counts up: its source MAC (dl_src), or its ports (tp_src, tp_dst)."""
    data, offset = bytearray(build(args["frame"], args["run"])), COUNTED[args["field"]]
    (first,) = struct.unpack_from("!I", data, offset)
    with open_device(args["device"]) as raw:
        for number in range(first, first + args["count"]):
            struct.pack_into("!I", data, offset, number)
            raw.send(data)
    return {"sent": args["count"]}


def exchange(args: Json, ready: Callable[[], None]) -> Json:
    """Frames out of `device`, and what comes back: ARP replies, and packets that carry a token (echo replies)."""
    with open_device(args["device"]) as raw:
        for frame in args["frames"]:
            raw.send(build(frame, args["run"]))
        return _collect([raw], args, lambda seen: seen["incoming"] and bool(seen["token"] or _answers(seen)))


def open_device(device: str) -> socket.socket:
    """A socket for the frames of one device, or for those of all ("")."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0 if device else socket.htons(ETH_P_ALL))
    raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    if device:
        raw.bind((device, ETH_P_ALL))
    return raw


def _collect(devices: list[socket.socket], args: Json, wanted: Callable[[Json], bool]) -> Json:
    """Frames that are wanted, within `seconds`.

    `until` names tokens and addresses that answer ARP: once all of them were seen, only `grace` seconds are left. What
    was sent before them has had its chance to arrive then.
    """
    end, awaited = time.monotonic() + args["seconds"], set(args.get("until", ()))
    found = []
    with contextlib.suppress(Stop):
        while (left := end - time.monotonic()) > 0:
            for raw in select.select(devices, [], [], left)[0]:
                seen = _receive(raw, args["run"])
                if not wanted(seen):
                    continue
                found.append(seen)
                if awaited:
                    awaited -= {seen["token"], _answers(seen)}
                    end = end if awaited else min(end, time.monotonic() + args["grace"])
    return {"seen": found}


def _receive(raw: socket.socket, run: str) -> Json:
    data, ancillary, _flags, address = raw.recvmsg(65535, socket.CMSG_SPACE(20))
    vlan = None
    for level, kind, auxdata in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):  # the kernel took the tag off
            status, _length, _snaplen, _mac, _net, tci, _tpid = struct.unpack("=IIIHHHH", auxdata[:20])
            vlan = tci & 0xFFF if status & TP_STATUS_VLAN_VALID else None
    return {
        "token": token_of(data, run),
        "device": address[0],
        "incoming": address[2] != socket.PACKET_OUTGOING,
        "frame": dissect(data, vlan),
    }


def _answers(seen: Json) -> str:
    """The address whose MAC this ARP reply tells, or ""."""
    return str(seen["frame"]["arp_spa"]) if seen["frame"].get("arp_op") == 2 else ""
