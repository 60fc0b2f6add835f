# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Supervised processes with systemd: the one place that knows what a unit looks like.

Units are in /run: a boot begins without them, and they come when the namespaces that they are for are there.
"""

from __future__ import annotations

import pathlib
import time
import typing

from . import steady
from .run import run
from .steady import Status
from .wait import until

UNIT_DIR = pathlib.Path("/run/systemd/system")
RECORD_DIR = pathlib.Path("/run/tenantnet/daemons")

# After=openvswitch-switch counts at shutdown, where the order is the reverse. Not after tenantnet-restore, which waits
# for what it starts.
_UNIT = """# Written by tenantnet; what it runs is decided by the node's state.
[Unit]
Description=tenantnet daemon {name}
After=network.target openvswitch-switch.service
StartLimitIntervalSec=0
CollectMode=inactive-or-failed

[Service]
Type=exec
ExecStart=:{command}
{namespace}Restart=always
RestartSec=1
TimeoutStopSec={kill_after:g}
IgnoreSIGPIPE=no
"""

# In double quotes, as systemd.syntax(7) and systemd.service(5) ("Command lines") say; ":" above keeps "$" as it is.
_ESCAPES = {ord("\\"): "\\\\", ord('"'): '\\"', ord("%"): "%%"}
_ESCAPES |= {code: f"\\x{code:02x}" for code in (*range(1, 32), 127)}


class Systemd:
    """Units of systemd; supervisor.Supervisor says what the methods mean. One call of systemctl is for all units."""

    def names(self, prefix: str) -> list[str]:
        return sorted(path.stem for path in UNIT_DIR.glob(f"{prefix}*.service"))

    def write(self, name: str, namespace: str, command: typing.Sequence[str]) -> None:
        _replace(_path(name), unit(name, namespace, command))

    def is_written(self, name: str, namespace: str, command: typing.Sequence[str]) -> bool:
        return _read(_path(name)) == unit(name, namespace, command)

    def record(self, name: str, text: str) -> None:
        RECORD_DIR.mkdir(parents=True, exist_ok=True)
        _replace(_record(name), text)

    def recorded(self, name: str) -> str:
        return _read(_record(name))

    def pids(self, names: typing.Sequence[str]) -> dict[str, int]:
        return {name: status.pid for name, status in _statuses(names).items() if status.pid}

    def start(self, names: typing.Sequence[str]) -> None:
        if not names:
            return
        run(["systemctl", "daemon-reload"])
        if died := [name for name, found in _show(names, "NRestarts").items() if found.get("NRestarts", "0") != "0"]:
            run(["systemctl", "reset-failed", *_units(died)])  # what they ran before does not count
        # Not to wait for the jobs: a process that cannot run is told below, with its last words.
        run(["systemctl", "restart", "--no-block", *_units(names)])
        until(lambda: not _jobs(names), f"systemd to start {', '.join(names)}", steady.DEADLINE)
        steady.wait(names, _statuses, _last_words)

    def reload(self, names: typing.Sequence[str]) -> None:
        if names:
            run(["systemctl", "kill", "--kill-who=main", "--signal=SIGHUP", *_units(names)])

    def remove(self, names: typing.Sequence[str]) -> None:
        if not names:
            return
        run(["systemctl", "stop", *_units(names)])
        for name in names:
            _path(name).unlink(missing_ok=True)
            _record(name).unlink(missing_ok=True)
        run(["systemctl", "daemon-reload"])


def unit(name: str, namespace: str, command: typing.Sequence[str]) -> str:
    """Text of a unit."""
    path = f"NetworkNamespacePath=/run/netns/{namespace}\n" if namespace else ""
    words = " ".join(f'"{word.translate(_ESCAPES)}"' for word in command)
    return _UNIT.format(name=name, command=words, namespace=path, kill_after=steady.KILL_AFTER)


def _path(name: str) -> pathlib.Path:
    return UNIT_DIR / f"{name}.service"


def _record(name: str) -> pathlib.Path:
    return RECORD_DIR / f"{name}.json"


def _units(names: typing.Iterable[str]) -> list[str]:
    return [f"{name}.service" for name in names]


def _show(names: typing.Sequence[str], *properties: str) -> dict[str, dict[str, str]]:
    """Properties of units, by name."""
    if not names:
        return {}
    said = run(["systemctl", "show", f"--property={','.join(properties)}", *_units(names)])
    blocks = (dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip("\n").split("\n\n"))
    return dict(zip(names, blocks, strict=True))


def _jobs(names: typing.Sequence[str]) -> list[str]:
    """Units that systemd is still about to start or to stop."""
    return [name for name, found in _show(names, "Id", "Job").items() if found.get("Job", "0") not in ("", "0")]


def _statuses(names: typing.Sequence[str]) -> dict[str, Status]:
    found = _show(names, "MainPID", "SubState", "NRestarts", "ExecMainStartTimestampMonotonic")
    return {name: _status(properties) for name, properties in found.items()}


def _status(properties: typing.Mapping[str, str]) -> Status:
    if "NRestarts" not in properties:  # systemd knows no such unit
        return Status(None, False)
    limit, period = steady.LOOPING
    recent = int(properties["ExecMainStartTimestampMonotonic"]) / 1e6 > time.monotonic() - period
    looping = recent and int(properties["NRestarts"]) >= limit
    up = properties["SubState"] == "running" and not looping
    return Status(int(properties["MainPID"]) if up else None, looping)


def _last_words(name: str) -> str:
    run(["journalctl", "--sync"])
    journal = ["journalctl", "--quiet", "--output=cat", "--lines=1", f"_SYSTEMD_UNIT={name}.service"]
    return run(journal).strip() or f"it says nothing in its journal (journalctl --unit={name})"


def _replace(path: pathlib.Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
