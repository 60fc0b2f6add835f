# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The engine: a node becomes what its state says, or stays what it was."""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import os
import pathlib
import stat
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import engine, record
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import Change
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers import Context, Driver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.bridges import BridgeDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.flows import FlowDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.ports import PortDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.engine import Result
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import ApplyFailed, Refused, TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import (
    Bridge,
    Chain,
    File,
    Flow,
    Link,
    Namespace,
    NodeState,
    Port,
    Resource,
    Route,
)

Switch = collections.abc.Callable[..., Result]

BR_INT = Bridge(slice="switching", name="br-int", datapath_type="netdev")
TAP = Port(slice="dhcp", bridge="br-int", name="tap1", type="internal", tag=1)
QR = Port(slice="routing", bridge="br-int", name="qr-1", type="internal", tag=1)
GUARD = Flow(slice="switching", bridge="br-int", table=0, priority=9, match='in_port="tap1"', actions="resubmit(,25)")
NORMAL = Flow(slice="switching", bridge="br-int", table=60, priority=1, match="", actions="NORMAL")
ALL = (BR_INT, TAP, QR, GUARD, NORMAL)
BROKEN = Port(slice="instances", bridge="br-int", name="qvo1", tag=2)


def live() -> str:
    """Configuration and flows, without what Open vSwitch chooses by itself."""
    flows = [run(["ovs-ofctl", "--names", "--no-stats", "dump-flows", bridge]) for bridge in bridges()]
    columns = ["name,tag,trunks,vlan_mode,other_config,external_ids", "name,type,options,external_ids,error"]
    tables = zip(("Port", "Interface"), columns, strict=True)
    rows = [run(["ovs-vsctl", "--format=json", f"--columns={names}", "list", table]) for table, names in tables]
    return "\n".join(flows + [str(sorted(json.loads(row)["data"], key=str)) for row in rows])


def bridges() -> list[str]:
    return run(["ovs-vsctl", "list-br"]).split()


def state(*resources: Resource) -> NodeState:
    return NodeState(deployment="test", node="scratch", resources=resources)


def tag(port: str) -> str:
    return run(["ovs-vsctl", "get", "Port", port, "tag"]).strip()


@pytest.fixture
def built(switch: Switch) -> Switch:
    switch(*ALL)
    return switch


def test_the_second_run_changes_nothing(built: Switch) -> None:
    before = live()
    assert not built(*ALL).changed
    assert live() == before


def test_check_mode_tells_the_same_and_does_nothing(switch: Switch) -> None:
    told = switch(*ALL, check=True)
    assert bridges() == []
    assert not record.RECORD.parent.exists()
    assert not record.LOCK.exists()
    assert [c.describe() for c in switch(*ALL).changes] == [c.describe() for c in told.changes]


def test_the_diff_names_only_what_changes(built: Switch) -> None:
    result = built(BR_INT, dataclasses.replace(TAP, tag=2), GUARD, NORMAL)
    assert result.before == "port br-int qr-1: slice=routing type=internal tag=1\n" + result.after.replace(
        "tag=2", "tag=1"
    )
    assert result.after == "port br-int tap1: slice=dhcp type=internal tag=2\n"


def test_build_removes_nothing_and_prune_builds_nothing(built: Switch) -> None:
    new = dataclasses.replace(QR, name="qr-2")
    wanted = (BR_INT, TAP, new, GUARD, NORMAL)
    assert [c.describe()[0] for c in built(*wanted, passes=("build",)).changes] == ["+"]
    assert tag("qr-1") == tag("qr-2") == "1"
    result = built(*wanted, passes=("leave", "prune"))
    assert [c.key for c in result.changes] == [QR.key]
    assert result.missing == ()
    run(["ovs-vsctl", "del-port", "qr-2"])
    result = built(*wanted, passes=("leave", "prune"))
    assert not result.changed
    assert [c.key for c in result.missing] == [new.key]


def test_other_slices_are_left_alone(built: Switch) -> None:
    result = built(slices=("routing",))
    assert [c.key for c in result.changes] == [QR.key]
    assert built(*ALL, slices=("dhcp", "switching")).changes == ()
    assert built(*ALL).counts == {"port": 1}


def test_a_thing_may_pass_from_one_slice_to_another(built: Switch) -> None:
    passed = dataclasses.replace(TAP, slice="routing")
    assert built(BR_INT, passed, QR, GUARD, NORMAL, slices=("routing",)).counts == {"port": 1}
    assert not built(BR_INT, passed, QR, GUARD, NORMAL).changed


@pytest.mark.parametrize(
    "bad",
    [
        BROKEN,
        dataclasses.replace(GUARD, priority=10, match='in_port="gone"'),
        dataclasses.replace(GUARD, priority=10, actions="meter:7"),
    ],
    ids=["a port without a device", "a flow of an unknown port", "a flow that the switch rejects"],
)
def test_after_a_failure_everything_is_as_it_was(built: Switch, bad: Resource) -> None:
    before = live()
    others = (BR_INT, dataclasses.replace(TAP, tag=5), dataclasses.replace(QR, name="qr-2"), GUARD)
    with pytest.raises(ApplyFailed, match="The node is as it was before"):
        built(*others, bad)
    assert live() == before
    assert record.load() == state(*ALL)
    assert not record.interrupted()
    assert not built(*ALL).changed


def test_a_failure_on_a_bare_node_leaves_it_bare(switch: Switch) -> None:
    with pytest.raises(ApplyFailed, match="qvo1: could not open network device qvo1"):
        switch(*ALL, BROKEN)
    assert bridges() == []
    assert record.load() is None


def test_all_that_stands_in_the_way_is_told_at_once(switch: Switch) -> None:
    for name in ("br-int", "br-tun"):
        run(["ovs-vsctl", "add-br", name, "--", "set", "Bridge", name, "datapath_type=netdev"])
    with pytest.raises(Refused, match=r"bridge br-int exists .*; bridge br-tun exists"):
        switch(BR_INT, dataclasses.replace(BR_INT, name="br-tun"))


def test_the_record_is_the_node_state_and_for_root_only(built: Switch) -> None:
    assert record.load() == state(*ALL)
    assert stat.S_IMODE(record.RECORD.stat().st_mode) == 0o600
    assert not list(record.RECORD.parent.glob("*.new"))


def test_the_record_merges_slices_and_goes_with_the_last_resource(built: Switch) -> None:
    built(slices=("routing",))
    assert record.load() == state(BR_INT, TAP, GUARD, NORMAL)
    built(QR, slices=("routing",))
    assert {r.key for r in typing.cast(NodeState, record.load()).resources} == {r.key for r in ALL}
    built()
    assert not record.RECORD.exists()


def test_the_record_of_another_deployment_is_refused(built: Switch) -> None:
    with pytest.raises(Refused, match="this node has deployment test; a node carries one, and other is another"):
        built(deployment="other")


def test_a_record_that_nobody_understands_is_told(built: Switch) -> None:
    record.RECORD.write_text("{")
    with pytest.raises(TenantnetError, match=r"state\.json cannot be understood"):
        built(*ALL)


class Killed(PortDriver):
    """A driver in whose second half the process is killed."""

    def enliven(self, changes: typing.Sequence[Change]) -> None:
        os._exit(9)


def killed_drivers(context: Context) -> list[Driver]:
    return [BridgeDriver(context), Killed(context), FlowDriver(context)]


def test_a_killed_run_is_noticed_and_made_good(switch: Switch) -> None:
    if (child := os.fork()) == 0:
        switch(*ALL, drivers=killed_drivers)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (tag("tap1"), record.interrupted()) == ("4095", True)
    result = switch(*ALL)
    assert (result.interrupted, result.counts) == (True, {"port": 2})
    assert tag("tap1") == "1"
    assert not switch(*ALL).interrupted


def test_two_runs_do_not_mix(switch: Switch) -> None:
    with (
        record.lock(),
        pytest.raises(TenantnetError, match=rf"another run on this node \(process {os.getpid()}\)"),
        record.lock(0.1),
    ):
        pytest.fail("both have the lock")
    switch(*ALL)


def test_all_drivers_agree_on_a_bare_node(openvswitch: None) -> None:
    """With every kind of resource read, and none but Open vSwitch's wanted."""
    assert engine.apply(state(*ALL)).counts == {"bridge": 1, "port": 2, "flow": 2}
    assert not engine.apply(state(*ALL)).changed
    engine.apply(state())
    assert bridges() == []
    assert not pathlib.Path("/var/lib/tenantnet/state.json").exists()


def router() -> tuple[Resource, ...]:
    """A router's namespace on the userspace datapath, as far as it takes one of each kind."""
    mine: typing.Any = {"slice": "routing"}
    inside, outside = ("qrouter-1", "qr-1"), ("", "qr-1")
    nat: typing.Any = {"namespace": "qrouter-1", "family": "ipv4", "table": "nat"}
    return (
        BR_INT,
        Namespace(**mine, name="qrouter-1", sysctls={"net.ipv4.ip_forward": "1"}),
        Chain(**mine, **nat, name="tenantnet-l3-snat", rules=("-s 10.0.0.0/24 -j SNAT --to-source 203.0.113.9",)),
        Chain(**mine, **nat, name="POSTROUTING", rules=("-j tenantnet-l3-snat",)),
        Link(**mine, namespace="qrouter-1", name="qr-1", kind="veth", peer=outside, addresses=("10.0.0.1/24",)),
        Link(**mine, namespace="", name="qr-1", kind="veth", peer=inside),
        Port(**mine, bridge="br-int", name="qr-1", tag=1),
        Route(**mine, namespace="qrouter-1", destination="10.9.0.0/24", device="qr-1", via="10.0.0.254"),
        Flow(**mine, bridge="br-int", table=0, priority=9, match='in_port="qr-1"', actions="NORMAL"),
        File(slice="dhcp", path="hosts", content="fa:16:3e:00:00:01,10.0.0.5\n"),
    )


@pytest.mark.parametrize(
    "damage",
    [
        ["ovs-vsctl", "del-port", "qr-1"],
        ["ip", "netns", "delete", "qrouter-1"],
        ["ip", "link", "delete", "qr-1"],
        ["ovs-vsctl", "del-br", "br-int"],
    ],
    ids=" ".join,
)
def test_a_router_is_built_repaired_and_removed(openvswitch: None, damage: list[str]) -> None:
    engine.apply(state(*router()))
    assert not engine.apply(state(*router())).changed
    run(damage)
    assert engine.apply(state(*router())).changed
    assert not engine.apply(state(*router())).changed
    assert "10.0.0.1/24" in run(["ip", "address", "show", "qr-1"], namespace="qrouter-1")
    engine.apply(state())
    assert bridges() == []
    assert run(["ip", "netns", "list"]) == ""
    assert not engine.apply(state()).changed
