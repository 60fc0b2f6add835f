# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A shell for a person, in a node of a lab or in a guest on it (`make shell NODE=compute1 GUEST=demo/instance1`)."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import typing

from ..errors import TenantnetError
from ..state import STATE_DIR, Link, from_json
from . import guest, init, spec
from .lab import Lab
from .machine import Machine


def main() -> int:
    """Open a shell in a node, or in a guest on it; 1 when there is none."""
    parser = argparse.ArgumentParser(prog="shell", description=main.__doc__)
    parser.add_argument("--lab", default="lab")
    parser.add_argument("--node", required=True)
    parser.add_argument("--guest", help="project/name of an instance on the node")
    arguments = parser.parse_args()
    try:
        machine = _machine(Lab(arguments.lab), arguments.node)
        if arguments.guest:
            command = _enter_guest(machine, arguments.guest, _shell(arguments.guest, init.PATH))
        else:
            command = machine.enter(_shell(str(machine), f"{STATE_DIR}/bin:{init.PATH}"))
    except (TenantnetError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    subprocess.run(command, check=False)  # what its last command returned is not our failure
    return 0


def _machine(lab: Lab, name: str) -> Machine:
    """A machine that runs; raises TenantnetError, telling which there are."""
    running = [found for found in lab.names() if lab.machine(found).pid and found != spec.FABRIC]
    if name not in running:
        there = f"it has {', '.join(running)}" if running else f"it is not up: `make lab LAB={lab.name}` starts it"
        raise TenantnetError(f"lab {lab.name} has no running node {name!r}; {there}")
    return lab.machine(name)


def _shell(where: str, path: str) -> list[str]:
    """Bash that says where it is, and neither reads nor writes files of root's home on this host."""
    prompt = rf"\[\e[1;33m\]{where}\[\e[0m\]:\w\$ "
    variables = {
        "TERM": os.environ.get("TERM", "linux"),
        "LANG": "C.UTF-8",
        "HOME": "/root",
        "PATH": path,
        "PS1": prompt,
    }
    return ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), "bash", "--norc", "--noprofile"]


def _enter_guest(machine: Machine, label: str, argv: typing.Sequence[str]) -> list[str]:
    """The command that runs a command in a guest; raises TenantnetError when the node has no such guest."""
    pid = _guest_pid(machine, label)
    return machine.enter(["nsenter", f"--target={pid}", "--net", "--mount", "--uts", "--pid", "--", *argv])


def _guest_pid(machine: Machine, label: str) -> int:
    """Process id, as the node sees it, of the init of the guest that an instance ("project/name") is."""
    taps = _taps(machine)
    for link in taps:
        if link.alias.split(":")[0] == label and link.peer:
            try:
                return int(machine.path(f"{guest.PIDS}/{link.peer[0].removeprefix('guest-')}.pid").read_text())
            except FileNotFoundError:
                raise TenantnetError(f"guest {label} on node {machine.name} is not running") from None
    found = ", ".join(sorted({link.alias.split(":")[0] for link in taps})) or "no guest at all"
    raise TenantnetError(f"node {machine.name} has no guest {label}; it has {found}")


def _taps(machine: Machine) -> list[Link]:
    """Recorded links that lead to guests."""
    try:
        state = from_json(json.loads(machine.path(f"{STATE_DIR}/state.json").read_text()))
    except FileNotFoundError:
        return []
    links = [resource for resource in state.resources if isinstance(resource, Link) and not resource.namespace]
    return [link for link in links if link.peer and link.peer[0].startswith("guest-")]


if __name__ == "__main__":
    raise SystemExit(main())
