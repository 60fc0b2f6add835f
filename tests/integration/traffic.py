# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Traffic that runs while something else happens, and what it says of it afterwards."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import signal
import subprocess
import threading
import time
import typing

from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import ids, names

INTERVAL = 0.01  # seconds between two packets
SEQUENCES = 65536  # numbers of echo requests: after the last one, the first one comes again

#: Sends back what it gets, on one connection.
_ECHO = """
import socket
server = socket.create_server(("", 7))
print("listens", flush=True)
connection = server.accept()[0]
while data := connection.recv(65536):
    connection.sendall(data)
"""

#: Sends a byte each interval until its input ends; prints the longest time without an answer, in seconds.
_STREAM = """
import select, socket, sys, time
connection = socket.create_connection((sys.argv[1], 7), timeout=10)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("connected", flush=True)
longest, last = 0.0, time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    connection.sendall(b"x")
    while select.select([connection], [], [], float(sys.argv[2]))[0]:
        assert connection.recv(65536), "the connection was closed"
        now = time.monotonic()
        longest, last = max(longest, now - last), now
print(max(longest, time.monotonic() - last))
"""

#: Asks who has an address, until its input ends; prints who answered to each question, a line each.
_ASK = """
import select, socket, struct, sys, time
device, mine, target, interval = sys.argv[1], *map(socket.inet_aton, sys.argv[2:4]), float(sys.argv[4])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
wire.bind((device, 0x0806))
mac = bytes.fromhex(sys.argv[5]) or wire.getsockname()[4]
arp = struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
while not select.select([sys.stdin], [], [], 0)[0]:
    wire.send(b"\\xff" * 6 + mac + arp + mac + mine + bytes(6) + target)
    end, answers = time.monotonic() + interval, []
    while select.select([wire], [], [], max(0, end - time.monotonic()))[0]:
        frame = wire.recv(64)
        if frame[20:22] == b"\\0\\2" and frame[28:32] == target and frame[38:42] == mine:
            answers.append(frame[22:28].hex(":"))
    print("asked", *answers, flush=True)
"""


@dataclasses.dataclass(frozen=True)
class Answers:
    """Who answered to ARP requests."""

    macs: tuple[str, ...]  # one after the other; one that answers again after another is here again
    doubled: int  # questions with several answers, none of which can have been meant for one before


@dataclasses.dataclass(frozen=True)
class Pings:
    """What was answered. Requests after the last answer do not count: they may have been under way at the end."""

    answers: int
    lost: int
    duplicates: int
    longest_gap: float  # seconds between two answers
    gaps: tuple[str, ...]  # when it was: number of the first request without answer, of the next with one, clock


class Ping:
    """Echo requests each INTERVAL, from a machine or a guest on it, until they are stopped."""

    def __init__(self, command: typing.Sequence[str], address: str) -> None:
        argv = [*command, "ping", "-D", "-n", "-i", str(INTERVAL), address]
        self._process = _start(argv)
        self._lines: list[str] = []  # read all the time: when a pipe is full, ping waits
        self._reader = threading.Thread(target=self._lines.extend, args=(self._process.stdout,))
        self._reader.start()

    def stop(self) -> Pings:
        """End it, and tell."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(10)
        self._reader.join(10)
        return answered("".join(self._lines))


def answered(said: str) -> Pings:
    """What `ping -D` said, in the end."""
    pairs = re.findall(r"^\[([\d.]+)\] \d+ bytes from \S+ icmp_seq=(\d+) ", said, re.MULTILINE)
    assert pairs, said
    found = [*zip((when for when, _number in pairs), _counted([int(number) for _when, number in pairs]), strict=True)]
    numbers = {number for _when, number in found}
    longest = max((float(b[0]) - float(a[0]) for a, b in itertools.pairwise(found)), default=float("inf"))
    ordered = [0, *sorted(numbers)]
    clock = {number: time.strftime("%X", time.localtime(float(when))) for when, number in found}
    gaps = tuple(f"{a + 1}-{b} {clock[b]}" for a, b in itertools.pairwise(ordered) if b > a + 1)
    return Pings(len(numbers), max(numbers) - len(numbers), said.count("(DUP!)"), longest, gaps)


def _counted(numbers: list[int]) -> list[int]:
    """Sequence numbers, of which there are SEQUENCES only, as if they went on."""
    counted = numbers[:1]
    for number in numbers[1:]:
        ahead = (number - counted[-1] + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2
        counted.append(counted[-1] + ahead)
    return counted


class Questions:
    """ARP requests, one for five echo requests, from a machine or a guest on it, until they are stopped."""

    def __init__(self, command: typing.Sequence[str], mine: str, address: str, mac: str = "") -> None:
        """`mine` and `mac` are who asks: an invented one, where whoever is there must not learn from the answers."""
        self._process = _python(command, _ASK, "eth0", mine, address, str(5 * INTERVAL), mac)
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._lines.extend, args=(self._process.stdout,))
        self._reader.start()

    def stop(self) -> Answers:
        """End them, and tell."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)
        assert self._process.returncode == 0, self._lines
        asked = [line.split()[1:] for line in self._lines]
        macs = tuple(mac for mac, _same in itertools.groupby(itertools.chain(*asked)))
        return Answers(macs, sum(len(b) > 1 for a, b in itertools.pairwise(asked) if a))


class Stream:
    """A TCP connection that carries a byte there and back each interval."""

    def __init__(
        self, server: typing.Sequence[str], client: typing.Sequence[str], address: str, interval: float = INTERVAL
    ) -> None:
        self._server = _python(server, _ECHO)
        assert self._server.stdout and self._server.stdout.readline() == "listens\n"
        self._client = _python(client, _STREAM, address, str(interval))
        assert self._client.stdout and self._client.stdout.readline() == "connected\n"

    def stop(self) -> float:
        """End it; the longest time without an answer, in seconds. Fails when the connection broke."""
        said = self._client.communicate(timeout=10)[0]
        self._server.communicate(timeout=10)
        assert self._client.returncode == 0, said
        return float(said)


def guest(machine: Machine, project: str, name: str) -> list[str]:
    """What a command begins with that runs with the network of a guest and the programs of its node."""
    namespace = names.guest_namespace(ids.of("lab", project, "instance", name))
    return machine.enter(["ip", "netns", "exec", namespace])


def _python(command: typing.Sequence[str], script: str, *arguments: str) -> subprocess.Popen[str]:
    return _start([*command, "/usr/bin/python3", "-IS", "-c", script, *arguments])


def _start(argv: typing.Sequence[str]) -> subprocess.Popen[str]:
    """A process group of its own: nsenter(1) waits for its child, and does not pass on signals."""
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True)
