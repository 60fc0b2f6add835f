# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A bare machine of a lab is a node that drivers can work on, and what they make stays in it."""

from __future__ import annotations

import os
import pathlib
import sys
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import ovs
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine

from .names import lab_name

ROOT = pathlib.Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def bare() -> typing.Iterator[Machine]:
    """A machine with Open vSwitch and without NICs."""
    machine = Machine(lab_name("node"), "bare")
    machine.remove()
    try:
        machine.start(ovs.services(machine))
        ovs.wait(machine)
        yield machine
    finally:
        machine.remove()


def test_open_vswitch_is_at_its_usual_paths(bare: Machine) -> None:
    bare.run(["ovs-vsctl", "add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev"])
    assert "LOCAL" in bare.run(["ovs-ofctl", "show", "br0"])
    assert bare.run(["ovs-appctl", "-t", "ovs-vswitchd", "version"]).startswith("ovs-vswitchd")
    assert "br0" not in os.listdir("/sys/class/net")
    bare.run(["ovs-vsctl", "del-br", "br0"])


def test_named_namespaces_are_its_own(bare: Machine) -> None:
    bare.run(["ip", "netns", "add", "qrouter-bare"])
    assert bare.run(["ip", "netns", "list"]).split()[0] == "qrouter-bare"
    assert not pathlib.Path("/run/netns/qrouter-bare").exists()
    bare.run(["ip", "netns", "delete", "qrouter-bare"])


def test_the_tests_of_drivers_pass_in_it(bare: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """One file of them: the others need the same, and run outside."""
    pytest_ = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--rootdir={ROOT}",
        "-c",
        f"{ROOT}/pyproject.toml",
    ]
    said = bare.run(["env", f"--chdir={ROOT}", *pytest_, "tests/node/test_namespaces.py"])
    with capsys.disabled():
        print(said)
