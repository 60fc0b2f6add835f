# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The tap of a machine, which somebody else may make later, and which goes from one kind of bridge to the other."""

from __future__ import annotations

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import engine
from ansible_collections.tenantnet.ovs.plugins.module_utils.passes import PASSES, Pass
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Bridge, Flow, Link, NodeState, Port, Resource
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

NUMBER = 4097

BR_INT = Bridge(slice="switching", name="br-int", datapath_type="netdev")
TAP = Port(slice="instances", bridge="br-int", name="tap1", tag=1, ofport_request=NUMBER, awaited=True)
FROM_TAP = Flow(slice="instances", bridge="br-int", table=60, priority=100, match='in_port="tap1"', actions="drop")
QBR = Link(slice="instances", namespace="", name="qbr1", kind="bridge")


def link(master: str = "") -> Link:
    """The tap as a lab makes it; its far end is a machine's."""
    return Link(
        slice="guests",
        namespace="",
        name="tap1",
        kind="veth",
        peer=("", "eth9"),
        peer_mac="fa:16:3e:00:00:01",
        master=master,
    )


def apply(*resources: Resource, passes: tuple[Pass, ...] = PASSES) -> engine.Result:
    return engine.apply(NodeState(deployment="test", node="scratch", resources=resources), passes)


def number() -> str:
    return run(["ovs-vsctl", "get", "Interface", "tap1", "ofport"]).strip()


@pytest.mark.usefixtures("openvswitch")
def test_a_port_has_its_number_before_its_device_is_there() -> None:
    apply(BR_INT, TAP, FROM_TAP)
    assert not apply(BR_INT, TAP, FROM_TAP).changed
    assert number() == "-1"
    assert f"in_port={NUMBER}" in run(["ovs-ofctl", "-O", "OpenFlow14", "--no-names", "dump-flows", "br-int"])
    run(["ip", "link", "add", "tap1", "type", "veth", "peer", "name", "far"])
    until(lambda: number() == str(NUMBER), "Open vSwitch to take the tap")
    assert not apply(BR_INT, TAP, FROM_TAP).changed


@pytest.mark.usefixtures("openvswitch")
def test_a_tap_is_in_one_bridge_at_a_time_and_moves_when_it_is_built() -> None:
    apply(BR_INT, TAP, FROM_TAP, link())
    assert number() == str(NUMBER)
    apply(BR_INT, QBR, link("qbr1"), passes=("build",))
    assert run(["ovs-vsctl", "list-ports", "br-int"]) == ""
    assert "master qbr1" in run(["ip", "link", "show", "tap1"])
    apply(BR_INT, QBR, link("qbr1"))
    apply(BR_INT, TAP, FROM_TAP, link(), passes=("build",))
    assert "master" not in run(["ip", "link", "show", "tap1"])
    assert number() == str(NUMBER)
    assert apply(BR_INT, TAP, FROM_TAP, link()).counts == {"link": 1}  # qbr1
