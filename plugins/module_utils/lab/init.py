# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The birth of a machine: namespaces of its own, private mounts, and s6-svscan as the process with the id 1."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import sys
import typing

from .. import kernel
from ..errors import MissingProgram, TenantnetError
from . import cgroup
from .process import MARK

#: Programs of a machine are those of this host; administrators' directories included, whoever started the lab.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: What of a machine survives a power failure: directory of its disk -> (where it is seen, package that has the place).
DISK = {
    "etc-openvswitch": ("/etc/openvswitch", "openvswitch-switch"),
    "var-log": ("/var/log", "base-files"),
    "var-lib": ("/var/lib", "base-files"),  # the last one: it hides the disk itself
}

SERVICES = "/run/service"

#: What init runs: name -> command.
Services = typing.Mapping[str, typing.Sequence[str]]


def check() -> None:
    """Whether this host has what a machine is made of; raises TenantnetError naming the package that is missing."""
    for program, package in {"s6-svscan": "s6", "nsenter": "util-linux"}.items():
        if not shutil.which(program, path=PATH):
            raise MissingProgram(program, package)
    for place, package in DISK.values():
        if not pathlib.Path(place).is_dir():
            raise TenantnetError(f"{place} does not exist on this host (Debian package {package})")


@dataclasses.dataclass(frozen=True, slots=True)
class Birth:
    """What an init is born with."""

    mark: str
    hostname: str
    disk: pathlib.Path
    services: Services
    held: bool = False  # services wait to be told, and can divide a control group of the machine's own


def spawn(birth: Birth) -> int:
    """Start the init of a machine and return its process id; raises TenantnetError when it does not come up.

    A pipe tells how it went, in lines: the process id, and errors. The last holder's exec closes it.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        attempt(writer, lambda: _become_parent(writer, birth))
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        lines = pipe.read().splitlines()
    os.waitpid(child, 0)
    if len(lines) == 1 and lines[0].isdigit():
        return int(lines[0])
    errors = " ".join(line for line in lines if not line.isdigit())
    raise TenantnetError(f"machine {birth.mark} did not start: {errors or 'it was killed'}")


def attempt(writer: int, step: typing.Callable[[], None]) -> typing.NoReturn:
    """Take a step in a child, which must never return into its parent's code, and tell its error."""
    try:
        step()
        os._exit(0)
    except BaseException as exc:
        os.write(writer, f"{exc}\n".encode())
    finally:
        os._exit(1)


def _become_parent(writer: int, birth: Birth) -> None:
    """Enter new namespaces, and fork the one whom the new PID namespace begins with."""
    os.setsid()  # the terminal's signals are not for the machine
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET)
    pid = os.fork()
    if pid == 0:
        attempt(writer, lambda: _become_init(writer, birth))
    os.write(writer, f"{pid}\n".encode())


def _become_init(writer: int, birth: Birth) -> None:
    os.umask(0o022)
    os.chdir("/")
    kernel.set_hostname(birth.hostname)
    if birth.held:
        cgroup.enter(birth.mark)
    mount_all(birth.disk)
    if birth.held:
        kernel.mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
    for name, command in birth.services.items():
        write_service(pathlib.Path(SERVICES, name), command, birth.held)
    log = os.open("/var/log/init.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    become_scanner(log, writer, birth.mark)


def mount_all(disk: pathlib.Path) -> None:
    """Give the present mount namespace its own /run, /proc and /sys, and the directories of the machine's disk."""
    kernel.make_private()
    kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    for directory in ("/run/netns", SERVICES, "/run/openvswitch", "/run/lock"):
        pathlib.Path(directory).mkdir()
    for directory, (place, _package) in DISK.items():
        kernel.bind(str(disk / directory), place)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("proc", "/proc", "proc", flags)
    kernel.mount("sysfs", "/sys", "sysfs", flags)


def write_service(directory: pathlib.Path, command: typing.Sequence[str], held: bool = False) -> None:
    """Make a service directory whose process becomes the command. Python starts it, as no shell should read it."""
    write_run(
        directory,
        f"""#!/usr/bin/env -S "{sys.executable}" -IS
import os, signal
for number in signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP}}:  # some may be ignored, which is inherited
    signal.signal(number, signal.SIG_DFL)
os.execvp({command[0]!r}, {list(command)!r})
""",
    )
    if held:
        directory.joinpath("down").touch()  # s6-supervise(8): s6-svc -u starts it


def write_run(directory: pathlib.Path, script: str) -> None:
    """Make a service directory with this script."""
    write_program(directory / "run", script)


def write_program(path: pathlib.Path, script: str) -> None:
    """Make a script that can be run, and the directory that it is the first one in."""
    path.parent.mkdir(parents=True)
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)


def become_scanner(log: int, writer: int, mark: str, **environment: str) -> typing.NoReturn:
    """Become s6-svscan, which writes to a log and holds nothing else of the program that it was."""
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    for fd in sorted(int(path.name) for path in pathlib.Path("/proc/self/fd").iterdir()):
        if fd > 2 and fd != writer:  # the exec closes that one, which says that all went well
            with contextlib.suppress(OSError):  # the one that listed the directory
                os.close(fd)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    os.execvpe("s6-svscan", ["s6-svscan", SERVICES], {"PATH": PATH, "LANG": "C.UTF-8", MARK: mark, **environment})
