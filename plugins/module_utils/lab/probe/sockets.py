# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Ordinary sockets: servers, clients and ICMP echo."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

from . import Json
from .background import Stop
from .frames import checksum

IP_PKTINFO, IP_MTU_DISCOVER, IP_PMTUDISC_DO = 8, 10, 2  # <linux/in.h>
ASKED = b"x"  # what requests are made of
AGAIN = 0.3  # seconds until a datagram is sent again
IN_PKTINFO = struct.Struct("i4s4s")  # struct in_pktinfo of ip(7): interface, local address, address of the header


def listen(args: Json, ready: Callable[[], None]) -> Json:
    """Servers on `tcp` and `udp` ports, and for other protocols, `raw`, whose numbers have names.

    Each tells a client the `nonce`, the client's address, and how much it sent.
    """
    servers: dict[socket.socket, str] = {}
    in_use = []
    for protocol, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
        for port in args.get(protocol, ()):
            server = socket.socket(socket.AF_INET, kind)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                server.bind((args.get("address", ""), port))
            except OSError:
                in_use.append(f"{protocol}/{port}")  # somebody listens there already, which is as good
                continue
            if protocol == "tcp":
                server.listen(16)
            else:  # an answer comes from the address that was asked, be it a machine's second one
                server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            servers[server] = f"{protocol}/{port}"
    for name, number in args.get("raw", {}).items():
        server = socket.socket(socket.AF_INET, socket.SOCK_RAW, number)
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        servers[server] = name
    ready()
    seen: list[Json] = []
    end = time.monotonic() + args["seconds"]
    with contextlib.suppress(Stop):
        while (left := end - time.monotonic()) > 0:
            for server in select.select(list(servers), [], [], left)[0]:
                if served := _serve(server, args["nonce"]):
                    seen.append({"port": servers[server], **served})
    return {"seen": seen, "in_use": in_use}


def _serve(server: socket.socket, nonce: str) -> Json | None:
    if server.type != socket.SOCK_STREAM:
        data, control, _flags, peer = server.recvmsg(65535, socket.CMSG_SPACE(IN_PKTINFO.size))
        if server.type == socket.SOCK_RAW:
            data = data[_header(data) :]
            if not data.startswith(ASKED):  # an answer: a raw socket gets those for others on its machine, too
                return None
        _interface, asked, _of_header = IN_PKTINFO.unpack(control[0][2])
        source = [(socket.IPPROTO_IP, IP_PKTINFO, IN_PKTINFO.pack(0, asked, bytes(4)))]
        server.sendmsg([json.dumps({"nonce": nonce, "peer": peer[0], "bytes": len(data)}).encode()], source, 0, peer)
        return {"peer": peer[0], "bytes": len(data)}
    client, peer = server.accept()
    got = 0
    with client, contextlib.suppress(OSError):
        client.settimeout(2)
        while data := client.recv(65536):
            got += len(data)
        client.sendall(json.dumps({"nonce": nonce, "peer": peer[0], "bytes": got}).encode())
    return {"peer": peer[0], "bytes": got}


def _header(packet: bytes) -> int:
    """Length of the IPv4 header that raw sockets show, in bytes."""
    return (packet[0] & 15) * 4


def reach(args: Json, ready: Callable[[], None]) -> Json:
    """Ask `address` at once on `tcp` and `udp` ports, by `icmp` echo, by `raw` protocols: each answer, or why none."""
    asked = {f"{protocol}/{port}": (protocol, port) for protocol in ("tcp", "udp") for port in args.get(protocol, ())}
    asked |= {name: ("raw", number) for name, number in args.get("raw", {}).items()}
    asked |= {"icmp": ("icmp", 0)} if args.get("icmp") else {}
    answers: Json = {}

    def ask(name: str, protocol: str, number: int) -> None:
        answers[name] = _ask(args, protocol, number)

    threads = [threading.Thread(target=ask, args=(name, *how)) for name, how in asked.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _ask(args: Json, protocol: str, port: int) -> Json:
    if protocol == "icmp":
        return _echoed(args)
    payload, source = ASKED * args.get("bytes", 1), (args.get("source", ""), 0)
    try:
        if protocol == "tcp":
            connection = socket.create_connection((args["address"], port), args["seconds"], source)
        else:
            kind = (socket.SOCK_DGRAM,) if protocol == "udp" else (socket.SOCK_RAW, port)
            connection = socket.socket(socket.AF_INET, *kind)
            connection.bind(source)
            connection.connect((args["address"], port))
        with connection:
            if protocol == "tcp":
                connection.sendall(payload)
                connection.shutdown(socket.SHUT_WR)
                said = connection.recv(4096)
            else:
                said = _exchanged(connection, payload[:512], args["seconds"])
            return {"answer": json.loads((said[_header(said) :] if protocol == "raw" else said) or b"null")}
    except (OSError, ValueError) as exc:
        return {"error": str(exc) or type(exc).__name__}


def _echoed(args: Json) -> Json:
    """The answer to an echo request, which is sent again and again like a datagram; whichever is answered counts."""
    raw, end = _echo_socket(args), time.monotonic() + args["seconds"]
    body = _echo(os.urandom(2), 0, 84)
    try:
        while (left := end - time.monotonic()) > 0:
            raw.send(body)
            if _answered(raw, body, min(AGAIN, left)):
                return {"answers": 1}
    except OSError as exc:
        return {"answers": 0, "error": exc.strerror or str(exc)}
    return {"answers": 0, "error": "no answer"}


def _exchanged(connection: socket.socket, payload: bytes, seconds: float) -> bytes:
    """The answer to a datagram, which is sent again and again, for it or its answer may be lost on a busy machine."""
    end = time.monotonic() + seconds
    while True:
        connection.sendall(payload)
        connection.settimeout(max(0.01, min(AGAIN, end - time.monotonic())))
        try:
            return connection.recv(4096)
        except TimeoutError:
            if time.monotonic() >= end:
                raise


def ping(args: Json, ready: Callable[[], None]) -> Json:
    """ICMP echo: `count` requests of `size` bytes with their IP header, fragmented only if `df` is not set."""
    raw, answers, ident = _echo_socket(args), 0, os.urandom(2)
    try:
        for sequence in range(args["count"]):
            body = _echo(ident, sequence, args["size"])
            raw.send(body)
            answers += _answered(raw, body, args["seconds"])
    except OSError as exc:
        return {"answers": answers, "error": exc.strerror or str(exc)}
    return {"answers": answers} if answers else {"answers": 0, "error": "no answer"}


def _echo_socket(args: Json) -> socket.socket:
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    raw.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO if args.get("df") else 0)
    raw.bind((args.get("source", ""), 0))
    raw.connect((args["address"], 0))
    return raw


def _echo(ident: bytes, sequence: int, size: int) -> bytes:
    """An echo request of `size` bytes with its IP header."""
    body = (struct.pack("!BBH", 8, 0, 0) + ident + struct.pack("!H", sequence)).ljust(size - 20, b"x")
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def _answered(raw: socket.socket, request: bytes, seconds: float) -> bool:
    """Whether the answer to a request comes in time."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and select.select([raw], [], [], left)[0]:
        reply = raw.recv(65535)[20:]
        if reply[0] == 0 and reply[4:8] == request[4:8]:
            return True
    return False


def packets(args: Json, ready: Callable[[], None]) -> Json:
    """IPv4 packets to `address` by the machine's own stack: each of a protocol (nw_proto), UDP to a port (tp_dst)."""
    for packet in args["packets"]:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, packet["nw_proto"]) as raw:
            raw.sendto(struct.pack("!HHHH", 40000, packet.get("tp_dst", 0), 8, 0), (args["address"], 0))
    return {"sent": len(args["packets"])}
