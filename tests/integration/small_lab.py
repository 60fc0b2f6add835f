# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Small labs, made anew for a test, and what of them could stay behind."""

from __future__ import annotations

import os
import pathlib
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import lab, process, spec
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import DISKS, RUNTIME, Machine

from .names import lab_name

NAME, OTHER = lab_name("life-a"), lab_name("life-b")


def small(last: int, mtu: int = 1500) -> list[spec.Spec]:
    """Two machines; `last` is the last octet of the second one's addresses."""
    nics = [
        (
            spec.Nic(name="eth0", network="management", address=f"10.0.0.{octet}/24"),
            spec.Nic(name="eth1", network="tunnel", address=f"10.0.1.{octet}/24", underlay=True, mtu=mtu),
        )
        for octet in (21, last)
    ]
    return [spec.Spec(name=name, ovs=True, nics=two) for name, two in zip(("network", "compute1"), nics, strict=True)]


def node(name: str, lab_name: str = NAME) -> Machine:
    """A machine of a lab that was made for this test."""
    return Machine(lab_name, name)


def pings(machine: Machine, address: str, size: int = 56) -> bool:
    """Whether an unfragmented echo request is answered; the first one may be lost to the learning of addresses."""
    try:
        machine.run(["ping", "-c", "3", "-i", "0.2", "-W", "1", "-M", "do", "-s", str(size), address])
    except TenantnetError:
        return False
    return True


class Traces:
    """What of a lab could stay behind on this host."""

    def __init__(self) -> None:
        self.links = sorted(os.listdir("/sys/class/net"))
        self.mounts = [
            line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if lab_name("life") in line
        ]
        self.names = sorted(os.listdir("/run/netns")) if pathlib.Path("/run/netns").is_dir() else []
        self.files = [str(path) for top in (RUNTIME, DISKS) for path in top.glob(lab_name("life-*"))]
        self.processes = process.marked(f"{NAME}/") + process.marked(f"{OTHER}/")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Traces) and vars(self) == vars(other)


def inhabitants(this: lab.Lab) -> dict[int, int | None]:
    """Processes in namespaces of a lab, by whatever way they came there: process id -> start time."""
    running = [machine for name in this.names() if (machine := this.machine(name)).pid]
    wanted = {os.readlink(f"/proc/{machine.pid}/ns/{kind}") for machine in running for kind in ("net", "mnt", "pid")}
    found = {}
    for link in pathlib.Path("/proc").glob("[0-9]*/ns/*"):
        try:
            if os.readlink(link) in wanted:
                pid = int(link.parts[2])
                found[pid] = process.start_time(pid)
        except OSError:  # it has ended
            continue
    return found


def alive(processes: dict[int, int | None]) -> list[int]:
    return [pid for pid, started in processes.items() if started and process.start_time(pid) == started]


@pytest.fixture
def nothing() -> typing.Iterator[None]:
    """No lab before, and none after."""
    for name in (NAME, OTHER):
        lab.absent(lab.Lab(name))
    before = Traces()
    yield
    for name in (NAME, OTHER):
        lab.absent(lab.Lab(name))
    assert Traces() == before
