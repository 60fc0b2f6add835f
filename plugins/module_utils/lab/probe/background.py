# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Operations in the foreground and in the background, and the command line.

    OPERATION ARGUMENTS               run it, print its result
    start FILE OPERATION ARGUMENTS    run it in a process of its own; returns once it listens or captures
    collect FILE SECONDS AFTER        its result, as soon as it is there; AFTER so many seconds it is told to end

ARGUMENTS and results are JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable

from . import Json

#: Where each operation is. A verification starts thousands of probes, so each loads what it needs.
MODULES = {
    "raw": ("capture", "send", "flood", "exchange"),
    "sockets": ("listen", "reach", "ping", "packets"),
    "web": ("get", "pages"),
    "names": ("dhcp", "resolve"),
}


class Stop(Exception):
    """Somebody does not want to wait any longer."""


def run(operation: str, arguments: str, ready: Callable[[], None]) -> Json:
    """The result of an operation, which says when it is ready for what others send."""
    (module,) = (name for name, operations in MODULES.items() if operation in operations)
    function = getattr(importlib.import_module(f".{module}", __package__), operation)
    result: Json = function(json.loads(arguments), ready)
    return result


def start(path: str, operation: str, arguments: str) -> Json:
    """Run an operation in a process of its own that writes its result to a file; returns when it is ready."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _background(path, operation, arguments, writer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    return {"pid": pid} if said == "ready" else {"error": said or "it ended at once"}


def _background(path: str, operation: str, arguments: str, writer: int) -> None:
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)  # whoever waits for the end of our output must not wait for us

    def ready() -> None:
        os.write(writer, b"ready")
        os.close(writer)

    def stop(*_signal: object) -> None:
        raise Stop

    signal.signal(signal.SIGTERM, stop)
    _write(f"{path}.pid", str(os.getpid()))
    try:
        result = run(operation, arguments, ready)
    except Exception as exc:  # whatever it is, the one who collects must hear it
        result = {"error": f"{type(exc).__name__}: {exc}"}
        with contextlib.suppress(OSError):
            os.write(writer, result["error"].encode())
    _write(f"{path}.new", json.dumps(result))
    os.rename(f"{path}.new", path)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def collect(path: str, seconds: str, after: str) -> Json:
    """The result of what was started with this file, which is removed."""
    pid = int(_read(f"{path}.pid"))
    began, told = time.monotonic(), False
    while not os.path.exists(path):
        waited = time.monotonic() - began
        if waited >= float(after) and not told:
            told = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if waited > float(seconds):
            return {"error": f"no result within {seconds} s"}
        time.sleep(0.005)
    result: Json = json.loads(_read(path))
    os.unlink(path)
    os.unlink(f"{path}.pid")
    return result


def main(argv: list[str]) -> None:
    """Print the result of one operation as JSON."""
    if argv[0] == "start":
        result = start(*argv[1:])
    elif argv[0] == "collect":
        result = collect(*argv[1:])
    else:
        result = run(argv[0], argv[1], lambda: None)
    sys.stdout.write(json.dumps(result) + "\n")
