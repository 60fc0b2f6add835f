# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A session of measuring: the machines, how to run programs and probes on them, and what was measured already."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import pathlib
import threading
import typing
import uuid
import zipfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..plan.check import Check

if typing.TYPE_CHECKING:
    from testinfra.host import Host  # type: ignore[import-untyped]

Json = dict[str, typing.Any]
T = typing.TypeVar("T")
Capture = Callable[..., Json]  # collects the result of what runs in the background; stop=True ends it now
LAST = 3.0  # seconds for the last of what was sent to arrive

PROBE = pathlib.Path(__file__).parents[2] / "module_utils/lab/probe"
DIRECTORY = "/run/tenantnet/probe"  # on each machine: the program, and results of what runs in the background
PYTHON = ("/usr/bin/python3", "-IS")  # the machine's own and its standard library, whatever else is installed

#: Unpacked, and not run as the archive that Python can run too: so it is compiled once, and not for each probe.
UNPACK = """
import base64, io, os, shutil, sys, tempfile, zipfile
directory = sys.argv[1]
os.makedirs(os.path.dirname(directory), exist_ok=True)
new = tempfile.mkdtemp(dir=os.path.dirname(directory))
zipfile.ZipFile(io.BytesIO(base64.b64decode(sys.argv[2]))).extractall(new)
try:
    os.rename(new, directory)
except OSError:  # it is there
    shutil.rmtree(new)
"""


#: A verification starts thousands of probes: what is run is a file, for a directory takes Python longer to begin with.
MAIN = """
import sys
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
from probe.background import main
main(sys.argv[1:])
"""


class Session:
    """Machines by name, all checks, and the results that several checks share."""

    def __init__(self, hosts: Mapping[str, Host], checks: Sequence[Check]) -> None:
        self.hosts, self.checks = hosts, checks
        self._results: dict[Hashable, typing.Any] = {}
        self._guards: dict[Hashable, threading.Lock] = {}

    def once(self, key: Hashable, measure: Callable[[], T]) -> T:
        """The result of an experiment that several checks read; an error of it is an error for each of them."""
        with self._guards.setdefault(key, threading.Lock()):  # who comes second waits
            if key not in self._results:
                try:
                    self._results[key] = measure()
                except Exception as exc:
                    self._results[key] = exc
            result = self._results[key]
        if isinstance(result, Exception):
            raise result
        return typing.cast("T", result)

    def host(self, node: str) -> Host:
        """A machine; raises RuntimeError when nobody said how to reach it."""
        if node not in self.hosts:
            raise RuntimeError(f"nobody said how to reach machine {node}")
        return self.hosts[node]

    def output(self, place: Json, *argv: str, words: str = "") -> str:
        """Standard output of a program in the network namespace of a place.

        Raises RuntimeError when it fails: with `words` for the command, and with its last words.
        """
        command = enter(place, argv)
        result = self.host(place["node"]).run(" ".join(["%s"] * len(command)), *command)
        if result.rc == 0:
            return str(result.stdout)
        said = (result.stderr or result.stdout).strip().splitlines() or [f"exit status {result.rc}"]
        if "cannot open /run/netns/" in said[-1]:
            raise RuntimeError(f"{place['node']} has no namespace {place['namespace']}")
        raise RuntimeError(f"{words or ' '.join(argv)} failed on {where(place)}: {said[-1]}")

    def json(self, place: Json, *argv: str) -> list[Json]:
        """What a program prints as JSON."""
        found: list[Json] = json.loads(self.output(place, *argv) or "[]")
        return found

    def probe(self, place: Json, operation: str, **args: typing.Any) -> Json:
        """Run an operation of the probe in a place and return its result."""
        return self._probe(place, operation, json.dumps(args))

    def start(self, place: Json, operation: str, **args: typing.Any) -> Capture:
        """Start an operation in the background; call what is returned to collect its result."""
        file = f"{DIRECTORY}/{uuid.uuid4().hex}.json"
        self._probe(place, "start", file, operation, json.dumps(args))
        patience = str(args["seconds"] + 5)

        def collect(stop: bool = False) -> Json:
            return self._probe(place, "collect", file, patience, str(0 if stop else LAST))

        return collect

    def _probe(self, place: Json, *argv: str) -> Json:
        program = self.once(("probe", place["node"]), lambda: self._install(place["node"]))
        words = f"probe {argv[2] if argv[0] == 'start' else argv[0]}"
        result: Json = json.loads(self.output(place, *PYTHON, program, *argv, words=words))
        if argv[0] in ("start", "collect") and "error" in result:
            raise RuntimeError(f"{words} failed on {where(place)}: {result['error']}")
        return result

    def _install(self, node: str) -> str:
        archive = _archive()
        directory = f"{DIRECTORY}/{hashlib.sha256(archive).hexdigest()[:16]}"
        content = base64.b64encode(archive).decode()
        self.output({"node": node, "namespace": ""}, *PYTHON, "-c", UNPACK, directory, content)
        return f"{directory}/main.py"


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """The results of calls that spend their time waiting for a machine."""
    with ThreadPoolExecutor(max(1, len(calls))) as pool:
        return [pending.result() for pending in [pool.submit(call) for call in calls]]


def enter(place: Json, argv: Sequence[str]) -> list[str]:
    """The command that runs a command in the network namespace of a place."""
    inside = ["nsenter", f"--net=/run/netns/{place['namespace']}", "--"] if place["namespace"] else []
    return [*inside, *argv]


def where(place: Json) -> str:
    """A place as a person would look for it."""
    return f"{place['node']}, namespace {place['namespace']}" if place["namespace"] else str(place["node"])


def _archive() -> bytes:
    """The probe: what Python runs and what that imports, in one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(PROBE.glob("*.py")):
            archive.write(path, f"probe/{path.name}")
        archive.writestr("main.py", MAIN)
    return buffer.getvalue()
