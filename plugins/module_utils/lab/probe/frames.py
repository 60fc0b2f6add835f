# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Frames as dictionaries, in the words of ovs-fields(7): the same words build a frame and come back from a capture.

A frame that we build carries a *token* after its last header, so that it is known again wherever it arrives and however
it is encapsulated.
"""

from __future__ import annotations

import re
import socket
import struct

from . import Json

ETH_P_IP, ETH_P_ARP, ETH_P_8021Q, ETH_P_IPV6, ETH_P_TEB = 0x0800, 0x0806, 0x8100, 0x86DD, 0x6558
ETH_P_802_3_MIN = 0x0600  # below it is no type but a length: an LLC header follows (IEEE 802.2)
SNAP = bytes.fromhex("aaaa03000000")  # the LLC header before an Ethernet type (RFC 1042)
NO_NEXT_HEADER, ROUTER_ADVERTISEMENT, NEIGHBOUR_ADVERTISEMENT = 59, 134, 136
VXLAN_PORT = 4789
TOKEN = re.compile(rb"tenantnet-probe:([^/;]*)/([^;]*);")
ECHO_ID = 0x7465  # of ICMP echo requests that are built as frames
HALF = 1200  # bytes of each half of a fragmented datagram, a multiple of 8; Open vSwitch drops smaller ones
MORE_FRAGMENTS = 0x2000


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def build(frame: Json, run: str) -> bytes:
    """The bytes of a frame: ARP (arp_op), IPv6 (ipv6_src) with or without ICMPv6 (icmp_type), IPv4 with UDP or an ICMP
    echo request (nw_proto), or of any other Ethernet type (dl_type).

    It may be of a VLAN (dl_vlan), with another tag behind it (cvlan), stand behind some tags of VLAN 0 (priority_tags),
    which receivers take off without being told to, have an LLC header (llc, hexadecimal), behind that of SNAP its type,
    have IPv4 options (ip_options, hexadecimal), be the first or the later half (ip_frag) of a datagram (ip_id), each
    with a token of its own, or be a tunnel's (tun_id) with another frame in it (inner).
    `run` tells the tokens of this experiment from those of any other.
    """
    token = f"tenantnet-probe:{run}/{frame['token']};".encode()
    if "arp_op" in frame:
        kind, body = ETH_P_ARP, struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, frame["arp_op"])
        body += _mac(frame["arp_sha"]) + _ip(frame["arp_spa"]) + _mac(frame["arp_tha"]) + _ip(frame["arp_tpa"]) + token
    elif "ipv6_src" in frame:
        kind, body = ETH_P_IPV6, _ipv6(frame, token)
    elif "dl_type" in frame or "nw_src" not in frame:
        kind, body = frame.get("dl_type", 0), token
    else:
        kind, body = ETH_P_IP, _ipv4(frame, _tunnelled(frame, run) if "inner" in frame else _datagram(frame, token))
    head = _mac(frame["dl_dst"]) + _mac(frame["dl_src"])
    for tag in [0] * frame.get("priority_tags", 0) + [frame[field] for field in ("dl_vlan", "cvlan") if field in frame]:
        head += struct.pack("!HH", ETH_P_8021Q, tag)
    if "llc" in frame:
        llc = bytes.fromhex(frame["llc"])
        body = llc + (struct.pack("!H", kind) if llc == SNAP else b"") + body
        kind = len(body)
    return (head + struct.pack("!H", kind) + body).ljust(60, b"\0")


def token_of(data: bytes, run: str) -> str:
    """The token that a frame carries, anywhere in it; "" when it has none of this run."""
    found = TOKEN.search(data)
    return found[2].decode() if found and found[1] == run.encode() else ""


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _ip(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _tunnelled(frame: Json, run: str) -> bytes:
    """VXLAN (RFC 7348) or GRE with a key (RFC 2890) around a frame."""
    inner = build(frame["inner"], run)
    if frame["nw_proto"] == socket.IPPROTO_GRE:
        return struct.pack("!HHI", 0x2000, ETH_P_TEB, frame["tun_id"]) + inner
    return _udp(frame, 16 + len(inner)) + struct.pack("!II", 0x08000000, frame["tun_id"] << 8) + inner


def _datagram(frame: Json, token: bytes) -> bytes:
    if frame["nw_proto"] == socket.IPPROTO_ICMP:
        body = struct.pack("!BBHHH", 8, 0, 0, ECHO_ID, 1) + token
        return body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    if "ip_frag" not in frame:
        return _udp(frame, 8 + len(token)) + token
    body = token if frame["ip_frag"] == "later" else _udp(frame, 2 * HALF) + token
    return body.ljust(HALF, b"\0")


def _udp(frame: Json, size: int) -> bytes:
    return struct.pack("!HHHH", frame["tp_src"], frame["tp_dst"], size, 0)


def _ipv4(frame: Json, body: bytes) -> bytes:
    offset = {"first": MORE_FRAGMENTS, "later": HALF // 8}.get(frame.get("ip_frag", ""), 0)
    options = bytes.fromhex(frame.get("ip_options", ""))
    size = 20 + len(options)
    lengths = 0x40 | size // 4, 0, size + len(body)
    head = struct.pack("!BBHHHBBH", *lengths, frame.get("ip_id", 0), offset, 64, frame["nw_proto"], 0)
    head += _ip(frame["nw_src"]) + _ip(frame["nw_dst"]) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def _ipv6(frame: Json, token: bytes) -> bytes:
    source, destination = _ip(frame["ipv6_src"]), _ip(frame["ipv6_dst"])
    proto, body = NO_NEXT_HEADER, token
    if "icmp_type" in frame:
        proto, body = socket.IPPROTO_ICMPV6, _icmp6(frame, token)
        pseudo = source + destination + struct.pack("!II", len(body), proto)
        body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), proto, 255) + source + destination + body


def _icmp6(frame: Json, token: bytes) -> bytes:
    """A router advertisement, a neighbour advertisement of nd_target, or an echo (RFC 4861, RFC 4443)."""
    rest = struct.pack("!HH", ECHO_ID, 1)
    if frame["icmp_type"] == ROUTER_ADVERTISEMENT:
        rest = bytes(12)
    elif frame["icmp_type"] == NEIGHBOUR_ADVERTISEMENT:
        rest = struct.pack("!I", 1 << 29) + _ip(frame["nd_target"])  # override what is known
    return struct.pack("!BBH", frame["icmp_type"], 0, 0) + rest + token


def dissect(frame: bytes, dl_vlan: int | None = None) -> Json:
    """The fields of a frame; what is inside a tunnel is in `inner`. `dl_vlan` is the tag that the kernel took off."""
    found: Json = {"dl_dst": frame[0:6].hex(":"), "dl_src": frame[6:12].hex(":")}
    (kind,), rest = struct.unpack("!H", frame[12:14]), frame[14:]
    while kind == ETH_P_8021Q and len(rest) >= 4:
        (tag, kind), rest = struct.unpack("!HH", rest[:4]), rest[4:]
        if (vlan := tag & 0xFFF) == 0:
            found["priority_tags"] = found.get("priority_tags", 0) + 1
        elif dl_vlan is None:
            dl_vlan = vlan
        else:
            found["cvlan"] = vlan
    if dl_vlan is not None:
        found["dl_vlan"] = dl_vlan
    if kind < ETH_P_802_3_MIN:
        snap = rest.startswith(SNAP)
        found["llc"] = rest[: len(SNAP) if snap else 3].hex()
        if not snap or len(rest) < 8:
            return found
        (kind,), rest = struct.unpack("!H", rest[6:8]), rest[8:]
    if kind == ETH_P_ARP and len(rest) >= 28:
        found |= {"arp_op": rest[7], "arp_sha": rest[8:14].hex(":"), "arp_spa": socket.inet_ntoa(rest[14:18])}
        found |= {"arp_tha": rest[18:24].hex(":"), "arp_tpa": socket.inet_ntoa(rest[24:28])}
    elif kind == ETH_P_IP and len(rest) >= 20:
        found |= {"nw_src": socket.inet_ntoa(rest[12:16]), "nw_dst": socket.inet_ntoa(rest[16:20]), "nw_proto": rest[9]}
        size, (number, offset) = (rest[0] & 15) * 4, struct.unpack("!HH", rest[4:8])
        found |= {"ip_options": rest[20:size].hex()} if size > 20 else {}
        if offset & 0x3FFF:
            found |= {"ip_id": number, "ip_frag": "later" if offset & 0x1FFF else "first"}
        if not offset & 0x1FFF:
            found |= _transport(rest[9], rest[size:])
    elif kind not in (ETH_P_ARP, ETH_P_IP, ETH_P_IPV6):
        found["dl_type"] = kind
    elif kind == ETH_P_IPV6 and len(rest) >= 41:
        addresses = {"ipv6_src": rest[8:24], "ipv6_dst": rest[24:40]}
        found |= {k: socket.inet_ntop(socket.AF_INET6, v) for k, v in addresses.items()}
        found |= {"icmp_type": rest[40]} if rest[6] == socket.IPPROTO_ICMPV6 else {}
        if found.get("icmp_type") == NEIGHBOUR_ADVERTISEMENT and len(rest) >= 64:
            found["nd_target"] = socket.inet_ntop(socket.AF_INET6, rest[48:64])
    return found


def _transport(proto: int, body: bytes) -> Json:
    found: Json = {}
    if proto in (socket.IPPROTO_TCP, socket.IPPROTO_UDP) and len(body) >= 8:
        found["tp_src"], found["tp_dst"] = struct.unpack("!HH", body[:4])
        if proto == socket.IPPROTO_UDP and found["tp_dst"] == VXLAN_PORT and len(body) >= 30:
            found |= {"tun_id": int.from_bytes(body[12:15], "big"), "inner": dissect(body[16:])}
    elif proto == socket.IPPROTO_ICMP and body:
        found["icmp_type"] = body[0]
    elif proto == socket.IPPROTO_GRE and len(body) >= 22 and body[0] & 0x20:  # with a key
        start = 4 + (4 if body[0] & 0x80 else 0)  # after the checksum, if any
        found["tun_id"] = int.from_bytes(body[start : start + 4], "big")
        found["inner"] = dissect(body[start + 4 :])
    return found
