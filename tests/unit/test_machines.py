# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Virtual machines of a node without guests: their taps, and what libvirt is told."""

from __future__ import annotations

import dataclasses
import pathlib
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import line
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import guests, libvirt
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import model

from .test_compile import CASES, resolved

GOLDEN = pathlib.Path(__file__).parent / "golden/machines"


def topology(datapath: typing.Literal["system", "netdev"], queues: int) -> model.Topology:
    """The seed, with real machines on its compute node."""
    found = resolved(CASES["seed"])
    node = dataclasses.replace(found.nodes["compute1"], guests=False, tap_owner="libvirt-qemu", datapath=datapath)
    ports = {id_: dataclasses.replace(port, queues=queues) for id_, port in found.ports.items()}
    return dataclasses.replace(found, nodes=found.nodes | {"compute1": node}, ports=ports)


@pytest.mark.parametrize(("datapath", "queues"), [("system", 1), ("system", 4), ("netdev", 1)])
def test_what_is_there_and_what_libvirt_is_told(
    datapath: typing.Literal["system", "netdev"], queues: int, golden: typing.Callable[[pathlib.Path, str], None]
) -> None:
    made = topology(datapath, queues)
    taps = [f"{line(resource)}\n" for resource in guests.compile(made, made.nodes["compute1"])]
    told = [f"\n{name}\n{xml}\n" for name, xml in libvirt.machines(made).items()]
    golden(GOLDEN / f"{datapath}-{queues}.txt", "".join([*taps, *told]))


def test_guests_are_no_machines() -> None:
    assert libvirt.machines(resolved(CASES["seed"])) == {}
