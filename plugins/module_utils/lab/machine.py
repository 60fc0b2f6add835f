# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A machine of a lab: a process tree in network, mount, host name and process namespaces of its own.

Ending its init is a power failure: every process, link and mount of the machine ends with it, its disk stays.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import typing

from ..errors import TenantnetError
from ..run import run
from . import cgroup, init, ovs, process

RUNTIME = pathlib.Path("/run/tenantnet")  # <lab>/<machine>/init.pid
DISKS = pathlib.Path("/var/lib/tenantnet-lab")  # <lab>/<machine>/<one directory for each of init.DISK>

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """A machine by its name, running or not."""

    lab: str
    name: str

    def __post_init__(self) -> None:
        for name in (self.lab, self.name):
            if not _NAME.fullmatch(name):
                raise TenantnetError(f"{name!r} cannot name a lab or its machine: only a-z, 0-9, . and - may occur")

    def __str__(self) -> str:
        return f"{self.lab}/{self.name}"

    @property
    def runtime(self) -> pathlib.Path:
        """Directory of what tells that it runs."""
        return RUNTIME / self.lab / self.name

    @property
    def disk(self) -> pathlib.Path:
        """Directory of what survives a power failure."""
        return DISKS / self.lab / self.name

    @property
    def pid(self) -> int | None:
        """Process id of its init; None when it is not running."""
        try:
            pid, started = map(int, (self.runtime / "init.pid").read_text(encoding="ascii").split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if process.start_time(pid) == started else None

    @property
    def init_pid(self) -> int:
        """Like pid; raises TenantnetError when it is not running."""
        if pid := self.pid:
            return pid
        raise TenantnetError(f"lab node {self.name} of lab {self.lab!r} is not running; `make lab` starts it")

    @property
    def system_pid(self) -> int:
        """Process id of what runs its programs: systemd where it has one, else its init. Raises TenantnetError."""
        if not cgroup.exists(str(self)):
            return self.init_pid
        if self.pid and (pid := cgroup.systemd(str(self))):
            return pid
        raise TenantnetError(
            f"systemd of lab node {self.name} of lab {self.lab!r} is not running; `make lab` starts it"
        )

    @property
    def is_up(self) -> bool:
        """Whether it runs, and its systemd if it is to have one."""
        return bool(self.pid and (not cgroup.exists(str(self)) or cgroup.systemd(str(self))))

    @property
    def boot(self) -> str:
        """Names this run of the machine, and no other one."""
        return f"{self.init_pid}-{process.start_time(self.init_pid)}"

    @property
    def netns(self) -> str:
        """Path of its network namespace."""
        return f"/proc/{self.init_pid}/ns/net"

    def path(self, path: str) -> pathlib.Path:
        """The machine's file, seen from here; an absolute symbolic link on the way leads to this host's files."""
        return pathlib.Path(f"/proc/{self.system_pid}/root{path}")

    def start(self, services: init.Services | None = None, held: bool = False) -> None:
        """Start its init with these services; raises TenantnetError. A running one is left alone.

        Held services wait to be told, and can divide a control group of the machine's own.
        """
        if self.pid:
            return
        init.check()
        self.runtime.mkdir(parents=True, exist_ok=True)
        for directory in init.DISK:
            (self.disk / directory).mkdir(parents=True, exist_ok=True)
        pid = init.spawn(init.Birth(str(self), self.name, self.disk, services or {}, held))
        new = self.runtime / "init.pid.new"
        new.write_text(f"{pid} {process.start_time(pid)}\n", encoding="ascii")
        new.rename(self.runtime / "init.pid")

    def kill(self) -> None:
        """End it like a power failure and wait until it has gone; also one whose start was interrupted."""
        if pid := self.pid:
            process.kill(pid)
        for pid in process.marked(str(self)):
            process.kill(pid)
        cgroup.remove(str(self))
        shutil.rmtree(self.runtime, ignore_errors=True)

    def remove(self) -> None:
        """End it and remove its disk, and the directories of the lab after its last machine."""
        self.kill()
        shutil.rmtree(self.disk, ignore_errors=True)
        for directory in (self.runtime.parent, self.disk.parent, RUNTIME, DISKS):
            with contextlib.suppress(OSError):  # it is not empty, or not there
                directory.rmdir()

    def enter(self, argv: typing.Sequence[str]) -> list[str]:
        """The command that runs a command inside the machine."""
        return _enter(self.system_pid, argv)

    def enter_init(self, argv: typing.Sequence[str]) -> list[str]:
        """The command that runs a command where its init is, also when that has a systemd below it."""
        return _enter(self.init_pid, argv)

    def run(self, argv: typing.Sequence[str], stdin: str = "") -> str:
        """Run a program in the machine and return its standard output; raises TenantnetError."""
        try:
            return run(self.enter(argv), stdin)
        except TenantnetError as exc:
            raise TenantnetError(f"{self}: {argv[0]}: {exc}") from exc


def _enter(pid: int, argv: typing.Sequence[str]) -> list[str]:
    return ["nsenter", f"--target={pid}", "--net", "--mount", "--uts", "--pid", "--", *argv]


def main() -> int:
    """Start, end or enter a bare machine, for tests by hand."""
    parser = argparse.ArgumentParser(prog="machine", description=main.__doc__)
    parser.add_argument("verb", choices=["up", "down", "exec"])
    parser.add_argument("lab")
    parser.add_argument("name")
    parser.add_argument("command", nargs="*")
    arguments = parser.parse_args()
    machine = Machine(arguments.lab, arguments.name)
    match arguments.verb:
        case "up":
            machine.start(ovs.services(machine))
            ovs.wait(machine)
        case "down":
            machine.remove()
        case "exec":
            command = machine.enter(arguments.command)
            os.execvp(command[0], command)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
