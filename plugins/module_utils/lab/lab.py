# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A whole lab: what is, what must be, and the steps between them, for any lab that is up, half up or not there."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import os
import pathlib
import pkgutil
import shutil
import sys
import typing

from ..state import STATE_DIR
from . import ovs, process, root, spec, ssh, systemd, web, wires
from .machine import DISKS, RUNTIME, Machine

#: Exists on a machine whose node state was restored after its last start.
_RESTORED = "/run/tenantnet-lab-restored"

#: Facts by machine.
Facts = dict[str, spec.Facts]


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One change: what it says to people, and what it does."""

    text: str
    act: typing.Callable[[], object]


@dataclasses.dataclass(frozen=True, slots=True)
class Lab:
    """A lab by its name."""

    name: str

    def __post_init__(self) -> None:
        self.machine(spec.FABRIC)  # raises TenantnetError when the name cannot be one

    @property
    def fabric(self) -> Machine:
        """The machine that holds the wires."""
        return self.machine(spec.FABRIC)

    def machine(self, name: str) -> Machine:
        """One of its machines."""
        return Machine(self.name, name)

    def facts(self) -> Facts:
        """What is: all machines that run or have a disk. Raises TenantnetError."""
        networks = wires.networks(self.fabric) if self.fabric.pid else {}
        return {name: self._facts(self.machine(name), networks) for name in self.names()}

    def _facts(self, machine: Machine, networks: dict[str, str]) -> spec.Facts:
        if not machine.pid:
            return {}
        if machine.name == spec.FABRIC:
            return {"running": "yes"} | dict.fromkeys(wires.bridges(machine), "bridge")
        restored = {"restored": "yes"} if machine.is_up and machine.path(_RESTORED).exists() else {}
        return {"running": "yes"} | wires.facts(machine, networks) | restored

    def names(self) -> list[str]:
        """Machines that run or have a disk, the fabric too."""
        names: set[str] = set()
        for directory in self.directories():
            names.update(path.name for path in directory.iterdir() if path.is_dir())
        return sorted(names)

    def directories(self) -> list[pathlib.Path]:
        """All that it has on this host's file system."""
        return [path for path in (RUNTIME / self.name, DISKS / self.name) if path.is_dir()]


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Facts as they are and as they must be, and the steps from the one to the other."""

    before: Facts
    after: Facts
    steps: tuple[Step, ...]


def present(lab: Lab, specs: typing.Sequence[spec.Spec], check: bool = False) -> Plan:
    """Make a lab be as it must be; with `check` only say how. Raises TenantnetError."""
    spec.check(specs)
    if check:
        return plan(lab, specs)
    with _lock(lab):
        found = plan(lab, specs)
        for step in found.steps:
            step.act()
    return found


def absent(lab: Lab, check: bool = False) -> Plan:
    """End a lab, however much of it there is, and remove its disks; with `check` only say what there is."""
    names = lab.names()
    exists = names or lab.directories() or process.marked(f"{lab.name}/")
    before = {name: {"running": "yes"} if lab.machine(name).pid else {} for name in names}
    if exists and not check:
        with _lock(lab):
            _remove(lab)
    return Plan(before, {}, (Step(f"remove lab {lab.name}", lambda: None),) if exists else ())


def plan(lab: Lab, specs: typing.Sequence[spec.Spec]) -> Plan:
    """The steps, in their order: machines, wires, then what needs both."""
    before = lab.facts()
    after = {spec.FABRIC: spec.fabric(specs)} | {one.name: one.facts for one in specs}
    live = before if before.get(spec.FABRIC) else {}
    roots = [Step("make the root of systemd's machines", root.make)] if _lacks_root(specs) else []
    steps = [
        *roots,
        *_end_steps(lab, before, live, after),
        *_fabric_steps(lab, live.get(spec.FABRIC, {}), after[spec.FABRIC]),
    ]
    for stage in (_start, _plug, _settle):
        for one in specs:
            steps += stage(lab, one, live.get(one.name, {}))
    return Plan(before, after, tuple(steps))


def _lacks_root(specs: typing.Iterable[spec.Spec]) -> bool:
    return any(one.systemd for one in specs) and not root.exists()


def _end_steps(lab: Lab, before: Facts, live: Facts, after: Facts) -> typing.Iterator[Step]:
    """Machines that are no longer wanted; and all of them, where the fabric has ended and taken their NICs with it."""
    for name in sorted(before):
        machine = lab.machine(name)
        if name not in after:
            yield Step(f"remove {name}", machine.remove)
        elif before[name] and name not in live:
            yield Step(f"end {name}, which has lost its wires", machine.kill)


def _fabric_steps(lab: Lab, live: spec.Facts, wanted: spec.Facts) -> typing.Iterator[Step]:
    if "running" not in live:
        yield Step("start the fabric", lab.fabric.start)
    for bridge in sorted(wanted.keys() - {"running"} - live.keys()):
        yield Step(f"add network {bridge}", functools.partial(wires.add_bridge, lab.fabric, bridge))


def _start(lab: Lab, one: spec.Spec, live: spec.Facts) -> typing.Iterator[Step]:
    if "running" not in live:
        yield Step(f"start {one.name}", lambda: _power_on(lab.machine(one.name), one))


def _plug(lab: Lab, one: spec.Spec, live: spec.Facts) -> typing.Iterator[Step]:
    machine = lab.machine(one.name)
    for nic in one.nics:
        if live.get(nic.name) != one.facts[nic.name]:
            text = f"plug {nic.name} of {one.name} into {nic.network}"
            yield Step(text, functools.partial(wires.plug, lab.fabric, machine, nic))
    for name in sorted(live.keys() - one.facts.keys() - {spec.UNDERLAY}):
        yield Step(f"unplug {name} of {one.name}", functools.partial(wires.unplug, lab.fabric, machine, name))


def _settle(lab: Lab, one: spec.Spec, live: spec.Facts) -> typing.Iterator[Step]:
    """After its NICs are there: loopback, Open vSwitch and its underlay, then what the node itself has recorded."""
    machine = lab.machine(one.name)
    if live.get("lo") != one.facts["lo"]:
        yield Step(f"set lo of {one.name}", lambda: wires.set_device(machine, "lo", one.loopback))
    if one.systemd and "restored" not in live:
        yield Step(f"boot {one.name}", lambda: systemd.boot(machine))
    if one.ovs and "restored" not in live:
        yield Step(f"wait for Open vSwitch of {one.name}", lambda: ovs.wait(machine))
    if (nic := one.underlay) and any(live.get(name) != one.facts[name] for name in (spec.UNDERLAY, nic.name)):
        yield Step(f"add {spec.UNDERLAY} to {one.name}", lambda: _add_underlay(machine, nic))
    if "restored" not in live:
        yield Step(f"restore what {one.name} has recorded", lambda: _restore(machine, one))


def _power_on(machine: Machine, one: spec.Spec) -> None:
    if one.systemd:
        machine.start(systemd.services(machine, one), held=True)
        return
    services = dict(ovs.services(machine)) if one.ovs else {}
    if one.web:
        script = machine.disk / "var-lib/web.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_bytes(pkgutil.get_data(web.__package__, "web.py") or b"")  # imported, so Ansible takes it along
        services["web"] = (sys.executable, "/var/lib/web.py")
    machine.start(services)
    if one.ssh:
        ssh.write_config(machine)


def _add_underlay(machine: Machine, nic: spec.Nic) -> None:
    """The address comes last: where it is, the rest is."""
    wires.silence(machine, nic.name)
    ovs.add_underlay(machine, nic)
    wires.set_device(machine, spec.UNDERLAY, [nic.address] if nic.address else [])


def _restore(machine: Machine, one: spec.Spec) -> None:
    """Where systemd runs, its unit does that."""
    program = f"{STATE_DIR}/bin/tenantnet-node"
    if machine.path(f"{STATE_DIR}/state.json").exists() and not one.systemd:
        machine.run([program, "restore"])
    machine.path(_RESTORED).touch()


def _remove(lab: Lab) -> None:
    for name in lab.names():
        lab.machine(name).remove()
    for pid in process.marked(f"{lab.name}/"):
        process.kill(pid)
    for directory in lab.directories():  # the one that is locked, or whatever else is in the way
        shutil.rmtree(directory)
    for directory in (RUNTIME, DISKS):
        with contextlib.suppress(OSError):  # another lab's are in it, or it is not there
            directory.rmdir()


@contextlib.contextmanager
def _lock(lab: Lab) -> typing.Iterator[None]:
    """Be the only one at work on this lab. What is locked is its directory, which goes when the lab does."""
    path = RUNTIME / lab.name
    while True:
        with contextlib.suppress(FileNotFoundError):  # somebody else has just removed it
            path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                break
            os.close(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)
