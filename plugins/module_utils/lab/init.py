# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The birth of a machine: namespaces of its own, private mounts, and s6-svscan as the process with the id 1."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import sys
import typing

from ..errors import MissingProgram, TenantnetError
from . import kernel
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
        if not os.path.isdir(place):
            raise TenantnetError(f"{place} does not exist on this host (Debian package {package})")


def spawn(mark: str, hostname: str, disk: str, services: Services) -> int:
    """Start the init of a machine and return its process id; raises TenantnetError when it does not come up.

    The pipe tells how it went: the process id, then the error, if any. Its last holder's exec closes it.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _attempt(writer, lambda: _become_parent(writer, mark, hostname, disk, services))
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        pid, _, error = pipe.read().partition("\n")
    os.waitpid(child, 0)
    if error or not pid:
        raise TenantnetError(f"machine {mark} did not start: {error or 'it was killed'}")
    return int(pid)


def _attempt(writer: int, step: typing.Callable[[], None]) -> typing.NoReturn:
    """Take a step in a child, which must never return into its parent's code, and tell its error."""
    try:
        step()
        os._exit(0)
    except BaseException as exc:
        os.write(writer, f"\n{exc}".encode())
    finally:
        os._exit(1)


def _become_parent(writer: int, mark: str, hostname: str, disk: str, services: Services) -> None:
    """Enter new namespaces, and fork the one whom the new PID namespace begins with."""
    os.setsid()  # the terminal's signals are not for the machine
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET)
    pid = os.fork()
    if pid == 0:
        _attempt(writer, lambda: _become_init(writer, mark, hostname, disk, services))
    os.write(writer, str(pid).encode())


def _become_init(writer: int, mark: str, hostname: str, disk: str, services: Services) -> None:
    os.umask(0o022)
    os.chdir("/")
    kernel.set_hostname(hostname)
    mount_all(disk)
    for name, command in services.items():
        write_service(f"{SERVICES}/{name}", command)
    _detach_stdio("/var/log/init.log", keep=writer)
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # Python's own choice for the first two would be inherited
    os.execvpe("s6-svscan", ["s6-svscan", SERVICES], {"PATH": PATH, "LANG": "C.UTF-8", MARK: mark})


def mount_all(disk: str) -> None:
    """Give the present mount namespace its own /run, /proc and /sys, and the directories of the machine's disk."""
    kernel.make_private()
    kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    for directory in ("/run/netns", SERVICES, "/run/openvswitch", "/run/lock"):
        os.makedirs(directory)
    for directory, (place, _) in DISK.items():
        kernel.bind(f"{disk}/{directory}", place)
    mount_kernel()


def mount_kernel() -> None:
    """Mount /proc of the present PID namespace and /sys of the present network namespace."""
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("proc", "/proc", "proc", flags)
    kernel.mount("sysfs", "/sys", "sysfs", flags)


def write_service(directory: str, command: typing.Sequence[str]) -> None:
    """Make a service directory whose process becomes the command. Python starts it, as no shell should read it."""
    os.makedirs(directory)
    with open(f"{directory}/run", "w", encoding="utf-8") as file:
        print(f'#!/usr/bin/env -S "{sys.executable}" -IS', file=file)
        print(f"# {shlex.join(command)}", file=file)
        print(f"import os\nos.execvp({command[0]!r}, {list(command)!r})", file=file)
    os.chmod(f"{directory}/run", 0o755)


def _detach_stdio(log: str, keep: int) -> None:
    """Read nothing, write to a log, and hold no other descriptor of the program that started us."""
    for fd in sorted(int(name) for name in os.listdir("/proc/self/fd")):
        if fd != keep:
            with contextlib.suppress(OSError):  # the one that listed the directory
                os.close(fd)
    os.open("/dev/null", os.O_RDONLY)
    os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    os.dup2(1, 2)
