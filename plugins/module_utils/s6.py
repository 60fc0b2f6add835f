# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Supervised processes with s6: the one place that knows what a service directory looks like."""

from __future__ import annotations

import pathlib
import shutil
import sys
import typing

from . import steady
from .errors import TenantnetError
from .run import run
from .steady import Status
from .wait import until

SCAN_DIR = pathlib.Path("/run/service")
LOG_DIR = pathlib.Path("/var/log/tenantnet")

_RUN = "run"
_RECORD = "data/tenantnet.json"


class S6:
    """Services of the scan directory; supervisor.Supervisor says what the methods mean."""

    def names(self, prefix: str) -> list[str]:
        try:
            return sorted(path.name for path in SCAN_DIR.iterdir() if path.name.startswith(prefix))
        except FileNotFoundError:
            return []

    def write(self, name: str, namespace: str, command: typing.Sequence[str]) -> None:
        if not SCAN_DIR.is_dir():
            raise TenantnetError(f"no supervisor runs on this node: {SCAN_DIR}, where s6-svscan looks, does not exist")
        script = _script(name, namespace, command)
        LOG_DIR.mkdir(parents=True, exist_ok=True)
        if _path(name).is_dir():
            _replace(_path(name) / _RUN, script, 0o755)
            return
        hidden = _hidden(name)
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir()
        (hidden / _RECORD).parent.mkdir()
        _replace(hidden / _RUN, script, 0o755)
        _replace(hidden / "timeout-kill", f"{steady.KILL_AFTER * 1000:.0f}\n", 0o644)
        hidden.rename(_path(name))

    def is_written(self, name: str, namespace: str, command: typing.Sequence[str]) -> bool:
        return _read(_path(name) / _RUN).splitlines()[1:] == _script(name, namespace, command).splitlines()[1:]

    def record(self, name: str, text: str) -> None:
        _replace(_path(name) / _RECORD, text, 0o644)

    def recorded(self, name: str) -> str:
        return _read(_path(name) / _RECORD)

    def pids(self, names: typing.Sequence[str]) -> dict[str, int]:
        return {name: status.pid for name, status in _statuses(names).items() if status.pid}

    def start(self, names: typing.Sequence[str]) -> None:
        if not names:
            return
        self._stop(names)
        run(["s6-svscanctl", "-a", str(SCAN_DIR)])
        until(lambda: all(_supervised(n) for n in names), f"s6 to take up {', '.join(names)}", steady.DEADLINE)
        for name in names:
            run(["s6-svdt-clear", str(_path(name))])
            run(["s6-svc", "-u", str(_path(name))])
        steady.wait(names, _statuses, _last_words)

    def reload(self, names: typing.Sequence[str]) -> None:
        for name in names:
            run(["s6-svc", "-h", str(_path(name))])

    def remove(self, names: typing.Sequence[str]) -> None:
        if not names:
            return
        self._stop(names)
        present = [name for name in names if _path(name).is_dir()]
        for name in present:
            shutil.rmtree(_hidden(name), ignore_errors=True)
            _path(name).rename(_hidden(name))
        run(["s6-svscanctl", "-an", str(SCAN_DIR)])
        left = f"s6 to leave {', '.join(present)}"
        until(lambda: not any(_supervised(_hidden(n).name) for n in present), left, steady.DEADLINE)
        for name in present:
            shutil.rmtree(_hidden(name))
            _log(name).unlink(missing_ok=True)

    def _stop(self, names: typing.Sequence[str]) -> None:
        running = [name for name in names if _supervised(name)]
        for name in running:
            run(["s6-svc", "-d", str(_path(name))])
        until(
            lambda: all(_svstat(n, "pid") == ["-1"] for n in running), f"{', '.join(running)} to end", steady.DEADLINE
        )


def _script(name: str, namespace: str, command: typing.Sequence[str]) -> str:
    """The `run` file, which becomes the daemon. Python starts it, as no shell should read the command."""
    argv = ["nsenter", f"--net=/run/netns/{namespace}", "--", *command] if namespace else list(command)
    return f"""#!/usr/bin/env -S "{sys.executable}" -IS
import os, signal
for number in signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP}}:  # some may be ignored, which is inherited
    signal.signal(number, signal.SIG_DFL)
log = os.open({str(_log(name))!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
os.dup2(log, 1)
os.dup2(log, 2)
os.execvp({argv[0]!r}, {argv!r})
"""


def _path(name: str) -> pathlib.Path:
    return SCAN_DIR / name


def _hidden(name: str) -> pathlib.Path:
    """Where a service is while it is made or removed: s6-svscan does not look at names that begin with a dot."""
    return SCAN_DIR / f".{name}"


def _log(name: str) -> pathlib.Path:
    return LOG_DIR / f"{name}.log"


def _last_words(name: str) -> str:
    return next(reversed(_read(_log(name)).splitlines()), f"it says nothing in {_log(name)}")


def _svstat(name: str, fields: str) -> list[str]:
    return run(["s6-svstat", "-o", fields, str(_path(name))]).split()


def _supervised(name: str) -> bool:
    try:
        return bool(_svstat(name, "up"))
    except TenantnetError:
        return False


def _statuses(names: typing.Iterable[str]) -> dict[str, Status]:
    return {name: _status(name) for name in names}


def _status(name: str) -> Status:
    try:
        up, pid, since, seconds = _svstat(name, "up,pid,updownsince,updownfor")
    except TenantnetError:  # not supervised, or not yet
        return Status(None, False)
    limit, period = steady.LOOPING
    recent = _tai(since) + int(seconds) - period
    deaths = [line.split()[0] for line in run(["s6-svdt", str(_path(name))]).splitlines() if line]
    looping = len([label for label in deaths if _tai(label) > recent]) >= limit
    return Status(int(pid) if up == "true" and not looping else None, looping)


def _tai(label: str) -> float:
    """Seconds of a TAI64N label; good for differences only."""
    return int(label[2:17], 16) + int(label[17:25], 16) / 1e9


def _replace(path: pathlib.Path, text: str, mode: int) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    new.replace(path)


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
