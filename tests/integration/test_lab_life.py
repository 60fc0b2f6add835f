# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The life of a lab: what people and accidents do to it, and that it goes without a trace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import lab, process, spec
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import RUNTIME
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from .small_lab import NAME, OTHER, Traces, alive, inhabitants, node, nothing, pings, small

__all__ = ["nothing"]  # a fixture

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_check_mode_says_what_a_run_would_do(nothing: None) -> None:
    plan = lab.present(lab.Lab(NAME), small(31), check=True)
    assert "start compute1" in [step.text for step in plan.steps]
    assert not (RUNTIME / NAME).exists()


def test_a_node_restores_itself_after_a_power_failure(nothing: None) -> None:
    """Here a program in the place of tenantnet-node tells that it was called, after Open vSwitch and the underlay."""
    this, compute = lab.Lab(NAME), node("compute1")
    lab.present(this, small(31))
    program = compute.path("/var/lib/tenantnet/bin/tenantnet-node")
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nping -c 1 -W 5 10.0.1.21 >/dev/null && echo $1 >/run/told\n")
    program.chmod(0o755)
    compute.path("/var/lib/tenantnet/state.json").touch()
    process.kill(compute.init_pid)
    lab.present(this, small(31))
    assert compute.path("/run/told").read_text() == "restore\n"


def test_the_fabric_may_fail_too(nothing: None) -> None:
    this = lab.Lab(NAME)
    lab.present(this, small(31))
    process.kill(this.fabric.init_pid)
    lab.present(this, small(31))
    assert pings(node("network"), "10.0.1.31")
    assert not lab.present(this, small(31)).steps


def test_what_is_added_is_added_and_what_is_left_out_goes(nothing: None) -> None:
    this = lab.Lab(NAME)
    network, compute1 = small(31)
    lab.present(this, [network, compute1])
    pid = node("network").pid
    more = spec.Spec(name="network", ovs=True, nics=(*network.nics, spec.Nic(name="eth2", network="vlan")))
    lab.present(this, [more, compute1])
    assert "eth2" in this.facts()["network"]
    lab.present(this, [network])
    assert "eth2" not in this.facts()["network"]
    assert node("network").pid == pid
    assert this.names() == ["fabric", "network"]


def test_jumbo_frames(nothing: None) -> None:
    lab.present(lab.Lab(NAME), small(31, mtu=9000))
    assert pings(node("network"), "10.0.1.31", size=9000 - 28)
    assert not pings(node("network"), "10.0.1.31", size=9000 - 28 + 1)


def test_two_labs_stand_side_by_side(nothing: None) -> None:
    lab.present(lab.Lab(NAME), small(31))
    lab.present(lab.Lab(OTHER), small(32))
    assert pings(node("network"), "10.0.1.31")
    assert pings(node("network", OTHER), "10.0.1.32")
    assert not pings(node("network"), "10.0.1.32")
    lab.absent(lab.Lab(OTHER))
    assert pings(node("network"), "10.0.1.31")


def test_destroy_leaves_nothing() -> None:
    before, this = Traces(), lab.Lab(NAME)
    assert before.files == before.processes == before.mounts == []
    lab.present(this, small(31))
    node("network").run(["ip", "netns", "add", "qrouter-x"])
    with subprocess.Popen(node("network").enter(["sleep", "600"])) as visitor:
        until(lambda: visitor.pid in inhabitants(this), "the visitor to arrive")
        inside = inhabitants(this)
        assert lab.absent(this).steps
        visitor.wait(10)
    assert len(inside) > 10
    assert not alive(inside)
    assert Traces() == before
    assert not lab.absent(this).steps


@pytest.mark.parametrize("reached", ["fabric", "network", "compute1"])
@pytest.mark.parametrize("again", [False, True])
def test_a_run_that_is_killed_half_way(nothing: None, reached: str, again: bool) -> None:
    """It can be removed, and it can be completed."""
    this = lab.Lab(NAME)
    child = os.fork()
    if child == 0:
        lab.present(this, small(31))
        os._exit(0)
    until((node(reached).runtime / "init.pid").exists, f"{reached} to start")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if again:
        lab.present(this, small(31))
        assert pings(node("network"), "10.0.1.31")
        assert not lab.present(this, small(31)).steps
    inside = inhabitants(this)
    lab.absent(this)
    assert inside
    assert not alive(inside)


def test_a_lost_pid_file_hides_no_machine(nothing: None) -> None:
    lab.present(lab.Lab(NAME), small(31))
    shutil.rmtree(RUNTIME / NAME)
    lab.absent(lab.Lab(NAME))
    assert not process.marked(f"{NAME}/")


def test_names_stay_below_the_directories_of_labs() -> None:
    for name in ("..", "a/b", "", "A"):
        with pytest.raises(TenantnetError, match="cannot name a lab"):
            lab.absent(lab.Lab(name))
