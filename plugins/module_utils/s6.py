# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Supervised processes with s6: the one place that knows what a service directory looks like.

A service is a name, a command and a record: any text that is kept beside it for whoever wrote it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import time
import typing

from .errors import TenantnetError
from .run import run
from .wait import wait_for

SCAN_DIR = "/run/service"
LOG_DIR = "/var/log/tenantnet"

KILL_AFTER = 5.0  # seconds between SIGTERM and SIGKILL
DEADLINE = 15.0  # seconds for a process to end, or to be up
STEADY = 0.5  # seconds that a new process must live to be called up
LOOPING = (3, 10.0)  # so many deaths in so many seconds are a process that cannot run

_RECORD = "data/tenantnet.json"


class S6:
    """Services of the scan directory. A method that takes several of them does its work on all at the same time."""

    def names(self, prefix: str) -> list[str]:
        """Services there are, running or not."""
        try:
            return sorted(name for name in os.listdir(SCAN_DIR) if name.startswith(prefix))
        except FileNotFoundError:
            return []

    def write(self, name: str, namespace: str, command: typing.Sequence[str]) -> None:
        """Make a service, or give one another command; neither starts anything."""
        script = _script(name, namespace, command)
        if os.path.isdir(_path(name)):
            _replace(_path(name, "run"), script, 0o755)
            return
        os.makedirs(LOG_DIR, exist_ok=True)
        hidden = _path(f".{name}")  # s6-svscan does not look at names with a dot, and never sees half a directory
        shutil.rmtree(hidden, ignore_errors=True)
        os.makedirs(f"{hidden}/data")
        _replace(f"{hidden}/run", script, 0o755)
        _replace(f"{hidden}/timeout-kill", f"{KILL_AFTER * 1000:.0f}\n", 0o644)
        os.rename(hidden, _path(name))

    def is_written(self, name: str, namespace: str, command: typing.Sequence[str]) -> bool:
        """Whether the service has exactly this command."""
        return _read(_path(name, "run")) == _script(name, namespace, command)

    def record(self, name: str, text: str) -> None:
        """Keep a text beside the service."""
        _replace(_path(name, _RECORD), text, 0o644)

    def recorded(self, name: str) -> str:
        """The text that was kept; "" when there is none."""
        return _read(_path(name, _RECORD))

    def pid(self, name: str) -> int | None:
        """Process of a service that is up; None when it is down, and when it dies again and again."""
        if not _supervised(name) or _is_looping(name):
            return None
        up, pid = _svstat(name, "up,pid")
        return int(pid) if up == "true" else None

    def start(self, names: typing.Sequence[str]) -> None:
        """Start services, those that run anew; each is up afterwards, or an error says why."""
        if not names:
            return
        self._stop(names)
        run(["s6-svscanctl", "-a", SCAN_DIR])
        wait_for(lambda: all(_supervised(n) for n in names), DEADLINE, f"s6 to take up {', '.join(names)}")
        for name in names:
            run(["s6-svdt-clear", _path(name)])
            run(["s6-svc", "-u", _path(name)])
        self._wait_steady(names)

    def reload(self, names: typing.Sequence[str]) -> None:
        """Send SIGHUP."""
        for name in names:
            run(["s6-svc", "-h", _path(name)])

    def remove(self, names: typing.Sequence[str]) -> None:
        """End services and remove all that there is of them, their logs too."""
        if not names:
            return
        self._stop(names)
        hidden = [f".{name}" for name in names]
        for name, other in zip(names, hidden, strict=True):
            shutil.rmtree(_path(other), ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                os.rename(_path(name), _path(other))
        run(["s6-svscanctl", "-an", SCAN_DIR])
        wait_for(lambda: not any(_supervised(n) for n in hidden), DEADLINE, f"s6 to leave {', '.join(names)}")
        for name, other in zip(names, hidden, strict=True):
            shutil.rmtree(_path(other), ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_log(name))

    def _stop(self, names: typing.Sequence[str]) -> None:
        running = [name for name in names if _supervised(name)]
        for name in running:
            run(["s6-svc", "-d", _path(name)])
        wait_for(
            lambda: all(_svstat(n, "pid") == ["-1"] for n in running), DEADLINE, f"{', '.join(running)} to end"
        )

    def _wait_steady(self, names: typing.Sequence[str]) -> None:
        """Wait until each has been up for a while with one process."""
        seen: dict[str, tuple[int | None, float]] = {}

        def steady(name: str) -> bool:
            pid, now = self.pid(name), time.monotonic()
            if name not in seen or seen[name][0] != pid:
                seen[name] = (pid, now)
            return pid is not None and now - seen[name][1] >= STEADY

        def settled() -> bool:
            return all([steady(name) for name in names]) or any(_is_looping(name) for name in names)

        wait_for(settled, DEADLINE, f"{', '.join(names)} to be up")
        if dead := [f"{name} does not stay up: {_last_words(name)}" for name in names if _is_looping(name)]:
            raise TenantnetError("; ".join(dead))


def _script(name: str, namespace: str, command: typing.Sequence[str]) -> str:
    """The `run` file: each line ends in an exec, so that what s6 supervises is the daemon itself and nothing before it."""
    enter = ["nsenter", f"--net=/run/netns/{namespace}", "--"] if namespace else []
    return f"#!/bin/sh\nexec >>{shlex.quote(_log(name))} 2>&1\nexec {shlex.join([*enter, *command])}\n"


def _path(name: str, file: str = "") -> str:
    return os.path.join(SCAN_DIR, name, file).rstrip("/")


def _log(name: str) -> str:
    return f"{LOG_DIR}/{name.removeprefix('tenantnet-')}.log"


def _last_words(name: str) -> str:
    return next(reversed(_read(_log(name)).splitlines()), f"it says nothing in {_log(name)}")


def _svstat(name: str, fields: str) -> list[str]:
    return run(["s6-svstat", "-o", fields, _path(name)]).split()


def _supervised(name: str) -> bool:
    try:
        return bool(_svstat(name, "up"))
    except TenantnetError:
        return False


def _is_looping(name: str) -> bool:
    """Whether a service died so often of late that it cannot run."""
    since, seconds = _svstat(name, "updownsince,updownfor")
    limit, period = LOOPING
    recent = _tai(since) + int(seconds) - period
    deaths = [line.split()[0] for line in run(["s6-svdt", _path(name)]).splitlines() if line]
    return len([label for label in deaths if _tai(label) > recent]) >= limit


def _tai(label: str) -> float:
    """Seconds of a TAI64N label; good for differences only."""
    return int(label[2:17], 16) + int(label[17:25], 16) / 1e9


def _replace(path: str, text: str, mode: int) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    os.replace(f"{path}.new", path)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
