# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The command `tenantnet-handover`: what may be at one place only goes from one node to another within a moment.

    tenantnet-handover ready     returns what is to be done when this node has been read, and leaves a process behind
    tenantnet-handover leave     returns when what goes elsewhere is gone here
    tenantnet-handover arrive    returns when what comes from elsewhere is here

Reading a node takes most of the time of any change. So that is done before, and what is left are these two, which only
ask the process. It holds the node's lock, and gives up when it is not asked for a while. Each answer is a line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import socket
import sys
import typing

from ..errors import TenantnetError

if typing.TYPE_CHECKING:
    from ..changes import Change

SOCKET = pathlib.Path("/run/tenantnet/handover")  # for root only
PATIENCE = 60.0  # seconds between two questions

READY = "ready"
STEPS = (READY, "leave", "arrive")


def main() -> int:
    """Take one step; 1, with the reason in place of an answer, when it failed."""
    parser = argparse.ArgumentParser(prog="tenantnet-handover", description="Move what may be at one place only.")
    parser.add_argument("step", choices=STEPS)
    step = parser.parse_args().step
    try:
        answer = prepare() if step == READY else ask(step)
    except (TenantnetError, OSError) as exc:
        answer = {"error": str(exc)}
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 1 if "error" in answer else 0


def ask(step: str) -> dict[str, typing.Any]:
    """What the process that is ready has changed in a step; raises TenantnetError with what it or nobody says."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(SOCKET))
            connection.sendall(step.encode())
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile(encoding="utf-8") as stream:
                text = stream.read()
        except (FileNotFoundError, ConnectionError) as exc:
            raise TenantnetError(f"this node is not ready, or was not asked for {PATIENCE:g} s") from exc
    return _checked(text)


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
        return _checked(pipe.read())


def _checked(text: str) -> dict[str, typing.Any]:
    """What a process said before it closed its end; raises TenantnetError when that is an error or nothing."""
    answer = json.loads(text or '{"error": "the process that was ready has ended"}')
    if "error" in answer:
        raise TenantnetError(answer["error"])
    return dict(answer)


def _stand_by(writer: int) -> None:
    """Write the steps to take, or why there is no being ready; then take them, up to one that fails."""
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        try:
            from .. import engine  # here, because it takes a while, and something is away while others ask

            with engine.ready() as steps, socket.socket(socket.AF_UNIX) as server:
                _listen(server)
                json.dump({"steps": [*steps]}, pipe)
                pipe.close()
                for name, step in steps.items():
                    while not _serve(server, name, step):
                        pass
        except Exception as exc:  # there is nobody else who could tell
            if not pipe.closed:
                json.dump({"error": str(exc) or repr(exc)}, pipe)


def _listen(server: socket.socket) -> None:
    SOCKET.unlink(missing_ok=True)  # of a former process; this one has the lock
    former = os.umask(0o077)
    server.bind(str(SOCKET))
    os.umask(former)
    server.listen()
    server.settimeout(PATIENCE)


def _serve(server: socket.socket, name: str, step: typing.Callable[[], list[Change]]) -> bool:
    """Whether it was asked for this step, and has taken it; raises TenantnetError, which who asked has heard of."""
    from ..changes import counts  # here for the same reason

    with server.accept()[0] as connection:
        with connection.makefile(encoding="utf-8") as stream:
            asked = stream.read()
        if asked != name:  # nothing, when who asked has gone already
            _answer(connection, error=f"the next step is to {name}, not to {asked}")
            return False
        try:
            changes = step()
        except TenantnetError as exc:
            _answer(connection, error=str(exc))
            raise
        _answer(connection, changes=[change.describe() for change in changes], counts=counts(changes))
    return True


def _answer(connection: socket.socket, **answer: typing.Any) -> None:
    with contextlib.suppress(ConnectionError):  # nobody waits for it any more
        connection.sendall(json.dumps(answer).encode())


if __name__ == "__main__":
    raise SystemExit(main())
