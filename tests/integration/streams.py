# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""TCP streams that stay open while a deployment changes: each byte is sent back, and silence ends a stream."""

from __future__ import annotations

import contextlib
import subprocess
import typing

SILENCE = 3.0  # seconds

_SERVER = """
import socketserver, sys, threading
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(100):
            self.request.sendall(data)
socketserver.ThreadingTCPServer.allow_reuse_address = socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("", int(sys.argv[1])), Echo)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""
_CLIENT = """
import select, socket, sys, time
address, port, silence = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
longest = 0.0
with socket.create_connection((address, port), silence) as stream:
    print("ready", flush=True)
    while True:
        begun = time.monotonic()
        stream.sendall(b"x")
        if not select.select([stream], [], [], silence)[0] or not stream.recv(1):
            sys.exit(1)
        longest = max(longest, time.monotonic() - begun)
        if select.select([sys.stdin], [], [], 0.01)[0]:
            print(longest)
            sys.exit(0)
"""

Enter = typing.Callable[[typing.Sequence[str]], typing.Sequence[str]]  # the command that runs a command somewhere


class Stream:
    """A stream from somewhere."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def broke(self) -> bool:
        """Whether it ends by itself, for it hears nothing any more."""
        try:
            return self.process.wait(2 * SILENCE) != 0
        except subprocess.TimeoutExpired:
            return False

    def longest_stall(self) -> float:
        """End it, and tell for how many seconds it heard nothing at most; raises ValueError when it broke before."""
        return float(self.process.communicate(timeout=2 * SILENCE)[0])


@contextlib.contextmanager
def server(enter: Enter, port: int) -> typing.Iterator[None]:
    """Somebody who sends back what he gets."""
    with _run(enter, _SERVER, str(port)):
        yield


@contextlib.contextmanager
def stream(enter: Enter, address: str, port: int) -> typing.Iterator[Stream]:
    """A stream that is open."""
    with _run(enter, _CLIENT, address, str(port), str(SILENCE)) as process:
        yield Stream(process)


@contextlib.contextmanager
def _run(enter: Enter, script: str, *arguments: str) -> typing.Iterator[subprocess.Popen[str]]:
    """A script that ends with its standard input."""
    command = enter(["/usr/bin/python3", "-c", script, *arguments])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n", f"{arguments} did not start"
        yield process
