# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A machine whose system is systemd's: a container of systemd-nspawn with a root of its own, in the machine's network.

The container is a service of the machine's init, which starts it again when it was told to reboot. Only its owner's
network namespace survives that, like the wires of a real machine.
"""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import typing

from ..errors import MissingProgram, TenantnetError
from ..run import run
from ..wait import until
from . import cgroup, init, root, spec, ssh

if typing.TYPE_CHECKING:
    from .machine import Machine

SERVICE = "systemd"
_DEADLINE = 90.0  # seconds to boot in; some when the machine is busy with other labs

# /proc/sys/net is writable, as the network is the machine's own.
_NSPAWN = (
    "env",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network",
    "systemd-nspawn",
    "--boot",
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--network-namespace-path=/proc/self/ns/net",
    "--capability=all",
    "--system-call-filter=@module bpf keyctl",
    "--bind=/dev/net/tun",
    "--resolv-conf=off",
    "--link-journal=no",
    "--console=pipe",
)

_UNDERLAY = """[Match]
Name={name}

[Network]
Address={address}
LinkLocalAddressing=no
"""


def services(machine: Machine, one: spec.Spec) -> init.Services:
    """What the machine's init runs; the root is made when there is none. Raises TenantnetError."""
    if not shutil.which("systemd-nspawn", path=init.PATH):
        raise MissingProgram("systemd-nspawn", "systemd-container")
    path = _root(machine)
    if not path.is_dir():
        root.copy(path)
    for name, text in _files(machine, one).items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return {SERVICE: (*_NSPAWN, f"--directory=/var/lib/machines/{machine.name}", f"--machine={machine.name}")}


def boot(machine: Machine) -> None:
    """Start systemd, when the NICs are there, and wait until it has started all that it should."""
    run(machine.enter_init(["s6-svc", "-u", f"{init.SERVICES}/{SERVICE}"]))
    until(lambda: cgroup.systemd(str(machine)), f"systemd of {machine} to start", _DEADLINE)
    until(lambda: _state(machine) in ("running", "degraded"), f"systemd of {machine} to be up", _DEADLINE)
    if _state(machine) == "degraded":
        failed = machine.run(["systemctl", "list-units", "--failed", "--plain", "--no-legend"])
        raise TenantnetError(f"{machine}: not all units are up: {' '.join(failed.split())}")


def _state(machine: Machine) -> str:
    """Word of systemctl(1), is-system-running; "" before there is one."""
    try:
        return machine.run(["systemctl", "show", "--property=SystemState", "--value"]).strip()
    except TenantnetError:  # it does not answer yet
        return ""


def _root(machine: Machine) -> pathlib.Path:
    return machine.disk / "var-lib/machines" / machine.name


def _files(machine: Machine, one: spec.Spec) -> dict[str, str]:
    """What makes it another machine than its brothers, who have the same root."""
    files = {
        "etc/hostname": f"{machine.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n",
        "etc/machine-id": f"{hashlib.sha256(str(machine).encode()).hexdigest()[:32]}\n",
        "root/.ssh/authorized_keys": ssh.public_key(machine),
    }
    if (nic := one.underlay) and nic.address:
        files["etc/systemd/network/underlay.network"] = _UNDERLAY.format(name=spec.UNDERLAY, address=nic.address)
    return files
