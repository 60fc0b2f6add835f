# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The command `tenantnet-handover`: what may be at one place only goes from one node to another within a moment.

    tenantnet-handover ready     returns when this node has been read, and leaves a process behind that is ready
    tenantnet-handover leave     returns when what goes elsewhere is gone here
    tenantnet-handover arrive    returns when what comes from elsewhere is here

Reading a node takes most of the time of any change. So that is done before, and what is left are these two, which only
ask the process. It holds the node's lock, and gives up when it is not asked for a while.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import socket
import sys
import typing

from ..changes import Change, counts
from ..errors import TenantnetError

SOCKET = pathlib.Path("/run/tenantnet/handover")  # for root only
PATIENCE = 45.0  # seconds between two questions; another run waits longer than that for the lock

STEPS = ("ready", "leave", "arrive")


def main() -> int:
    """Take one step; 1, with the reason on standard error, when it failed."""
    parser = argparse.ArgumentParser(prog="tenantnet-handover", description="Move what may be at one place only.")
    parser.add_argument("step", choices=STEPS)
    step = parser.parse_args().step
    try:
        answer = prepare() if step == "ready" else ask(step)
    except (TenantnetError, OSError) as exc:
        sys.stderr.write(f"tenantnet-handover: {exc}\n")
        return 1
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


def ask(step: str) -> dict[str, typing.Any]:
    """What the process that is ready has changed in a step; raises TenantnetError with what it or nobody says."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(SOCKET))
        except (FileNotFoundError, ConnectionRefusedError) as exc:
            raise TenantnetError(f"this node is not ready, or was not asked for {PATIENCE:g} s") from exc
        connection.sendall(step.encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile(encoding="utf-8") as stream:
            answer = json.loads(stream.read() or '{"error": "the process that was ready has ended"}')
    if "error" in answer:
        raise TenantnetError(answer["error"])
    return dict(answer)


def prepare() -> dict[str, typing.Any]:
    """Leave a process behind that is ready; raises TenantnetError with what it says when it cannot be."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.close(reader)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):  # who asked waits for the end of these
            os.dup2(null, descriptor)
        try:
            _stand_by(writer)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        if error := pipe.read():
            raise TenantnetError(error)
    return {}


def _stand_by(writer: int) -> None:
    """Close `writer` when ready, or write there why not; then take steps, to the last one or one that fails."""
    from .. import engine  # takes a while, and `ask` has no use for it

    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        try:
            with engine.ready() as carry_out, socket.socket(socket.AF_UNIX) as server:
                _listen(server)
                pipe.close()
                while _serve(server, carry_out) != STEPS[-1]:
                    pass
        except Exception as exc:  # there is nobody else who could tell
            if not pipe.closed:
                pipe.write(str(exc))


def _listen(server: socket.socket) -> None:
    SOCKET.unlink(missing_ok=True)  # of a former process; this one has the lock
    os.umask(0o077)
    server.bind(str(SOCKET))
    server.listen()
    server.settimeout(PATIENCE)


def _serve(server: socket.socket, carry_out: typing.Callable[[typing.Any], list[Change]]) -> str:
    """Take the step that is asked for next, and return it; raises TenantnetError, which who asked has heard of."""
    connection = server.accept()[0]
    with connection, connection.makefile("rw", encoding="utf-8") as stream:
        step = stream.read()
        try:
            changes = carry_out(step)
        except TenantnetError as exc:
            stream.write(json.dumps({"error": str(exc)}))
            raise
        stream.write(json.dumps({"changes": [change.describe() for change in changes], "counts": counts(changes)}))
    return step


if __name__ == "__main__":
    raise SystemExit(main())
