# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The way into machines by SSH: a key of the lab's own, and connections that begin on one of its machines.

`ssh -F /run/tenantnet/LAB/ssh_config 10.0.0.21`: no packet is ever in the network of this host.
"""

from __future__ import annotations

import pathlib
import shlex
import shutil
import typing

from ..errors import MissingProgram
from ..run import run

if typing.TYPE_CHECKING:
    from .machine import Machine

# Nobody can be on those wires but the machines of the lab, whose keys are as new as they are.
_CONFIG = """Host *
  User root
  IdentityFile {key}
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ProxyCommand {proxy}
"""


def public_key(machine: Machine) -> str:
    """The lab's key, made when there is none."""
    if not shutil.which("ssh-keygen"):
        raise MissingProgram("ssh-keygen", "openssh-client")
    key = _key(machine)
    if not key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {machine.lab}", "-f", str(key)])
    return key.with_suffix(".pub").read_text(encoding="ascii")


def write_config(machine: Machine) -> None:
    """Let connections begin on a machine: as long as it runs, and ended when it is."""
    if not shutil.which("nc"):
        raise MissingProgram("nc", "netcat-openbsd")
    path = machine.runtime.parent / "ssh_config"
    new = path.with_name("ssh_config.new")
    new.write_text(_CONFIG.format(key=_key(machine), proxy=shlex.join(machine.enter(["nc", "%h", "%p"]))), "utf-8")
    new.rename(path)


def _key(machine: Machine) -> pathlib.Path:
    return machine.runtime.parent / "ssh_key"
