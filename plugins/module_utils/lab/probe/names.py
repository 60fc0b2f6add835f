# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""DHCP and DNS as a client asks: what each server answers, and nothing of it is used."""

from __future__ import annotations

import ipaddress
import os
import select
import socket
import struct
import time
from collections.abc import Callable

from . import Json
from .frames import ETH_P_IP, checksum
from .raw import open_device

DISCOVER, REQUEST = 1, 3
COOKIE = bytes.fromhex("63825363")
MESSAGE, REQUESTED_OPTIONS, SERVER = 53, 55, 54
AGAIN = 1.0  # seconds until what is awaited is asked once more
BROADCAST = 0x8000  # answers are to be broadcast: nobody has the address yet

A, PTR = 1, 12


def dhcp(args: Json, ready: Callable[[], None]) -> Json:
    """Ask by `device`, whose MAC is `mac`, for each of the MACs in `asks`, and collect the answers of all servers.

    An ask with `ciaddr` renews that address, one without discovers. It waits `seconds`, or `grace` after the last of
    `until`: pairs of a place in `asks` and a server. After each ask it rests `pace` seconds.
    """
    base, found = int.from_bytes(os.urandom(4), "big") & ~0xFF, []
    end, awaited = time.monotonic() + args["seconds"], set(map(tuple, args.get("until", ())))
    with open_device(args["device"]) as raw:
        for number, ask in enumerate(args["asks"]):
            raw.send(_frame(args["mac"], base + number, ask))
            time.sleep(args.get("pace", 0))
        again = time.monotonic() + AGAIN
        while (now := time.monotonic()) < end:
            if now >= again:  # as a client does: a datagram may be lost (RFC 2131, 4.1)
                again = now + AGAIN
                for number in {number for number, _server in awaited}:
                    raw.send(_frame(args["mac"], base + number, args["asks"][number]))
            if not select.select([raw], [], [], min(end, again) - now)[0]:
                continue
            answer = _answer(raw.recv(65535), base, len(args["asks"]))
            if answer is None:
                continue
            found.append(answer)
            if awaited:
                awaited.discard((answer["ask"], answer["server"]))
                end = end if awaited else min(end, time.monotonic() + args["grace"])
    return {"answers": found}


def _frame(mac: str, xid: int, ask: Json) -> bytes:
    source = ipaddress.IPv4Address(ask.get("ciaddr", "0.0.0.0")).packed
    kind, flags = (REQUEST, 0) if "ciaddr" in ask else (DISCOVER, BROADCAST)
    head = struct.pack("!BBBBIHH4s12x", 1, 1, 6, 0, xid, 0, flags, source)
    options = bytes([MESSAGE, 1, kind, REQUESTED_OPTIONS, len(ask["options"]), *ask["options"], 255])
    body = (head + _mac(ask["mac"]).ljust(16, b"\0") + bytes(192) + COOKIE + options).ljust(300, b"\0")
    body = struct.pack("!HHHH", 68, 67, 8 + len(body), 0) + body
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, socket.IPPROTO_UDP, 0, source, b"\xff" * 4)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return b"\xff" * 6 + _mac(mac) + struct.pack("!H", ETH_P_IP) + ip + body


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _answer(frame: bytes, base: int, count: int) -> Json | None:
    """What a server answered to one of our asks; None for any other frame."""
    start = 14 + (frame[14] & 15) * 4 if len(frame) > 14 else 0
    body = frame[start + 8 :]
    if frame[12:14] != b"\x08\0" or frame[start : start + 2] != b"\0\x43" or body[236:240] != COOKIE or body[0] != 2:
        return None
    number = int.from_bytes(body[4:8], "big") - base
    if not 0 <= number < count:
        return None
    options = _options(body[240:])
    return {
        "ask": number,
        "message": options.get(MESSAGE, b"\0")[0],
        "address": socket.inet_ntoa(body[16:20]),
        "server": socket.inet_ntoa(options.get(SERVER, bytes(4))),
        "options": {str(code): value.hex() for code, value in options.items()},
    }


def _options(data: bytes) -> dict[int, bytes]:
    """Options by code; one that comes in several parts is one (RFC 3396)."""
    found: dict[int, bytes] = {}
    while data and data[0] != 255:
        if data[0] == 0:  # padding
            data = data[1:]
            continue
        code, length = data[0], data[1]
        found[code] = found.get(code, b"") + data[2 : 2 + length]
        data = data[2 + length :]
    return found


def resolve(args: Json, ready: Callable[[], None]) -> Json:
    """Ask the name server at `address` for the addresses of names, and for the names of addresses, all at once.

    Returns `answers`: question -> what it answered, or None. It waits `seconds`, or `grace` after the last of `until`.
    """
    asked = dict(enumerate(args["questions"], int.from_bytes(os.urandom(1), "big")))
    answers: dict[str, list[str] | None] = dict.fromkeys(args["questions"])
    end, awaited = time.monotonic() + args["seconds"], set(args["until"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect((args["address"], 53))
        for number, question in asked.items():
            udp.send(_query(number, question))
        while None in answers.values() and (left := end - time.monotonic()) > 0:
            if not select.select([udp], [], [], left)[0]:
                continue
            data = udp.recv(65535)
            question = asked[struct.unpack("!H", data[:2])[0]]
            answers[question] = _records(data)
            if awaited:
                awaited.discard(question)
                end = end if awaited else min(end, time.monotonic() + args["grace"])
    return {"answers": answers}


def _query(number: int, question: str) -> bytes:
    address = question.replace(".", "").isdigit()
    name = ipaddress.IPv4Address(question).reverse_pointer if address else question
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", number, 0x100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, PTR if address else A, 1)


def _records(data: bytes) -> list[str]:
    """Addresses and names of an answer; none of one that says that there is none, or that it will not say."""
    _name, place = _domain(data, 12)
    place, found = place + 4, []
    for _record in range(struct.unpack("!H", data[6:8])[0]):
        _name, place = _domain(data, place)
        kind, _class, _ttl, length = struct.unpack("!HHIH", data[place : place + 10])
        place += 10
        if kind == A:
            found.append(socket.inet_ntoa(data[place : place + 4]))
        elif kind == PTR:
            found.append(_domain(data, place)[0])
        place += length
    return found


def _domain(data: bytes, place: int) -> tuple[str, int]:
    """A name at a place, and the place after it (RFC 1035, 4.1.4)."""
    labels: list[str] = []
    while length := data[place]:
        if length >= 0xC0:
            rest, _after = _domain(data, (length & 0x3F) << 8 | data[place + 1])
            return ".".join([*labels, *([rest] if rest else [])]), place + 2
        labels.append(data[place + 1 : place + 1 + length].decode())
        place += 1 + length
    return ".".join(labels), place + 1
