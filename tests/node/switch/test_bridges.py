# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Bridges and ports on a real Open vSwitch; ovs-vsctl, which is not ours, is the witness."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import Change
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers import Context
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.bridges import BridgeDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.ports import PortDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.engine import Result
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import Refused, TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.netns import Netns
from ansible_collections.tenantnet.ovs.plugins.module_utils.ovsdb import Ovsdb
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Bridge, Flow, Port, Resource

Switch = collections.abc.Callable[..., Result]

BR_INT = Bridge(
    slice="switching",
    name="br-int",
    datapath_type="netdev",
    other_config={"mac-table-size": "50000", "disable-in-band": "true"},
)
BR_TUN = dataclasses.replace(BR_INT, name="br-tun")
BR_EX = dataclasses.replace(BR_INT, name="br-ex", adopt=True)

PATCH_TUN = Port(
    slice="switching",
    bridge="br-int",
    name="patch-tun",
    type="patch",
    options={"peer": "patch-int"},
    other_config={"mcast-snooping-flood": "false"},
)
PATCH_INT = Port(slice="switching", bridge="br-tun", name="patch-int", type="patch", options={"peer": "patch-tun"})
TAP = Port(
    slice="dhcp",
    bridge="br-int",
    name="tap1",
    type="internal",
    tag=1,
    other_config={"net_uuid": "n", "tag": "1"},
    external_ids={"iface-id": "p", "attached-mac": "fa:16:3e:00:00:01"},
)
VXLAN = Port(
    slice="switching",
    bridge="br-tun",
    name="vxlan-0a000102",
    type="vxlan",
    options={"remote_ip": "10.0.1.2", "local_ip": "10.0.1.1", "in_key": "flow", "out_key": "flow"},
)
NIC = Port(slice="switching", bridge="br-ex", name="eth3")
ALL = (BR_INT, BR_TUN, PATCH_TUN, PATCH_INT, TAP, VXLAN)


def column(table: str, name: str, column: str) -> str:
    return run(["ovs-vsctl", "--bare", "get", table, name, column]).strip()


def ports(bridge: str) -> list[str]:
    return run(["ovs-vsctl", "list-ports", bridge]).split()


def add_nic(bridge: str) -> None:
    run(["ip", "link", "add", "eth3", "type", "veth", "peer", "name", "wire"])
    run(["ovs-vsctl", "add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev"])


def add(*resources: Resource) -> list[Change]:
    return [Change(None, resource) for resource in resources]


def test_bridges_and_ports_are_made_as_desired_and_only_once(switch: Switch) -> None:
    assert switch(*ALL).counts == {"bridge": 2, "port": 4}
    assert column("Bridge", "br-int", "fail_mode") == "secure"
    assert column("Bridge", "br-int", "protocols") == "[OpenFlow10, OpenFlow13, OpenFlow14]"
    assert column("Bridge", "br-int", "external_ids") == "{tenantnet-deployment=test, tenantnet-slice=switching}"
    assert column("Port", "tap1", "tag") == "1"
    assert column("Port", "tap1", "external_ids") == "{tenantnet-deployment=test, tenantnet-slice=dhcp}"
    assert column("Interface", "tap1", "external_ids") == '{attached-mac="fa:16:3e:00:00:01", iface-id=p}'
    assert column("Interface", "patch-tun", "options") == "{peer=patch-int}"
    assert not switch(*ALL).changed


def test_everything_goes_when_nothing_is_desired(switch: Switch) -> None:
    switch(*ALL)
    switch()
    assert run(["ovs-vsctl", "list-br"]) == ""


@pytest.mark.parametrize(
    "drift",
    [
        ["set", "Port", "tap1", "tag=7"],
        ["clear", "Port", "tap1", "tag"],
        ["set", "Port", "tap1", "vlan_mode=trunk", "trunks=4095", "tag=4095"],
        ["set", "Port", "tap1", "trunks=1,2"],
        ["set", "Port", "tap1", "other_config:more=1"],
        ["set", "Interface", "tap1", "external_ids:more=1"],
        ["set", "Interface", "vxlan-0a000102", "options:remote_ip=10.0.1.3"],
        ["set", "Interface", "patch-tun", "options:peer=elsewhere"],
        ["set", "Bridge", "br-int", "fail_mode=standalone"],
        ["clear", "Bridge", "br-int", "fail_mode"],
        ["set", "Bridge", "br-int", "protocols=OpenFlow10"],
        ["set", "Bridge", "br-int", "other_config:more=1"],
        ["set", "Bridge", "br-int", "mcast_snooping_enable=true"],
        ["set-controller", "br-int", "tcp:127.0.0.1:6653"],
        ["del-port", "tap1"],
        ["del-br", "br-tun"],
    ],
    ids=" ".join,
)
def test_drift_is_seen_and_repaired(switch: Switch, drift: list[str]) -> None:
    switch(*ALL)
    run(["ovs-vsctl", *drift])
    assert switch(*ALL, check=True).changed
    switch(*ALL)
    assert not switch(*ALL).changed


def test_flows_that_go_with_a_controller_come_back_at_once(switch: Switch) -> None:
    flow = Flow(slice="switching", bridge="br-int", table=60, priority=1, match="", actions="NORMAL")
    switch(*ALL, flow)
    run(["ovs-vsctl", "set-controller", "br-int", "tcp:127.0.0.1:6653"])
    assert switch(*ALL, flow).counts == {"bridge": 1, "flow": 1}
    assert "NORMAL" in run(["ovs-ofctl", "dump-flows", "br-int", "table=60"])


def test_a_change_of_tag_keeps_the_port(switch: Switch) -> None:
    switch(*ALL)
    number = column("Interface", "tap1", "ofport")
    switch(*ALL[:4], dataclasses.replace(TAP, tag=2), VXLAN)
    assert column("Port", "tap1", "tag") == "2"
    assert column("Interface", "tap1", "ofport") == number


def test_a_port_moves_to_another_bridge(switch: Switch) -> None:
    switch(*ALL)
    switch(*ALL[:4], dataclasses.replace(TAP, bridge="br-tun"), VXLAN)
    assert "tap1" in ports("br-tun")
    assert "tap1" not in ports("br-int")


def test_a_new_port_is_dead_until_it_is_enlivened(context: Context) -> None:
    bridges, driver = BridgeDriver(context), PortDriver(context)
    bridges.apply(add(BR_INT, BR_TUN))
    born = add(PATCH_TUN, PATCH_INT, TAP, VXLAN)
    driver.apply(born)
    assert [column("Port", "tap1", name) for name in ("tag", "vlan_mode", "trunks")] == ["4095", "trunk", "[4095]"]
    assert column("Interface", "patch-tun", "options") == "{peer=nonexistent-peer}"
    driver.enliven(born)
    assert [column("Port", "tap1", name) for name in ("tag", "vlan_mode", "trunks")] == ["1", "[]", "[]"]
    assert column("Interface", "patch-tun", "options") == "{peer=patch-int}"


def test_what_a_killed_run_left_dead_is_not_alive_in_the_diff(context: Context) -> None:
    BridgeDriver(context).apply(add(BR_INT))
    driver = PortDriver(context)
    driver.apply(add(TAP))
    live = driver.read({TAP.key: TAP})
    assert [typing.cast(Port, port).tag for port in live.values()] == [4095]


@pytest.mark.parametrize(
    ("port", "cause"),
    [
        (Port(slice="instances", bridge="br-int", name="qvo1", tag=1), "could not open network device qvo1"),
        (dataclasses.replace(TAP, bridge="br-none"), "bridge br-none does not exist"),
    ],
)
def test_a_port_that_cannot_work_is_an_error_with_its_cause(context: Context, port: Port, cause: str) -> None:
    BridgeDriver(context).apply(add(BR_INT))
    driver = PortDriver(context)
    with pytest.raises(TenantnetError, match=cause):
        driver.apply(add(port))
        driver.enliven(add(port))


def test_a_bridge_of_others_is_refused(switch: Switch) -> None:
    run(["ovs-vsctl", "add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev"])
    with pytest.raises(Refused, match="bridge br-int exists and was not made by tenantnet"):
        switch(*ALL)
    assert ports("br-int") == []


def test_a_port_of_others_is_refused(switch: Switch) -> None:
    switch(BR_INT, BR_TUN)
    run(["ovs-vsctl", "add-port", "br-tun", "tap1", "--", "set", "Interface", "tap1", "type=internal"])
    with pytest.raises(Refused, match="port tap1 is wanted in bridge br-int; it exists in bridge br-tun"):
        switch(*ALL)


def test_a_bridge_that_holds_a_port_of_others_stays(switch: Switch) -> None:
    switch(*ALL)
    run(["ovs-vsctl", "add-port", "br-int", "mine", "--", "set", "Interface", "mine", "type=internal"])
    with pytest.raises(TenantnetError, match="bridge br-int still holds ports that were not made by tenantnet: mine"):
        switch()
    assert ports("br-int") == ["mine", "patch-tun", "tap1"]
    assert not switch(*ALL).changed


def test_another_deployment_is_refused(switch: Switch) -> None:
    switch(*ALL)
    with pytest.raises(Refused, match="test"):
        switch(*ALL, deployment="other")


def test_an_adopted_bridge_is_used_as_it_is(switch: Switch) -> None:
    add_nic("br-ex")
    run(["ovs-vsctl", "add-port", "br-ex", "eth3", "--", "set", "Bridge", "br-ex", "external_ids:theirs=1"])
    phy = dataclasses.replace(PATCH_INT, bridge="br-ex", name="phy-br-ex", options={"peer": "int-br-ex"})
    int_ = dataclasses.replace(PATCH_TUN, name="int-br-ex", options={"peer": "phy-br-ex"})
    result = switch(BR_INT, BR_EX, NIC, phy, int_)
    assert result.counts == {"bridge": 1, "port": 2}
    assert column("Bridge", "br-ex", "fail_mode") == "[]"
    assert column("Bridge", "br-ex", "external_ids") == '{theirs="1"}'
    assert column("Port", "eth3", "external_ids") == "{}"
    assert not switch(BR_INT, BR_EX, NIC, phy, int_).changed
    switch()
    assert ports("br-ex") == ["eth3"]


def test_a_nic_that_is_missing_in_an_adopted_bridge_is_put_into_it(switch: Switch) -> None:
    add_nic("br-ex")
    switch(BR_EX, NIC)
    assert ports("br-ex") == ["eth3"]
    switch()
    assert ports("br-ex") == []


def test_a_bridge_to_adopt_must_exist(switch: Switch) -> None:
    with pytest.raises(Refused, match="bridge br-ex is to be adopted, and does not exist"):
        switch(BR_EX)


def test_a_bridge_can_be_handed_over_to_the_administrator(switch: Switch) -> None:
    switch(dataclasses.replace(BR_EX, adopt=False))
    switch(BR_EX)
    assert column("Bridge", "br-ex", "external_ids") == "{}"
    switch()
    assert run(["ovs-vsctl", "list-br"]).split() == ["br-ex"]


def test_without_open_vswitch_nothing_is_live_and_nothing_can_be_made(scratch: None) -> None:
    context = Context("test", Ovsdb(), Netns())
    assert BridgeDriver(context).read({}) == PortDriver(context).read({}) == {}
    with pytest.raises(TenantnetError, match="Open vSwitch is not running on this node"):
        BridgeDriver(context).apply(add(BR_INT))


def test_a_nic_that_carries_an_address_of_the_node_is_refused(switch: Switch) -> None:
    run(["ip", "link", "add", "eth3", "type", "veth", "peer", "name", "wire"])
    run(["ip", "address", "add", "192.0.2.1/24", "dev", "eth3"])
    with pytest.raises(Refused, match=r"eth3 carries this node's address 192\.0\.2\.1, .* in bridge br-ex"):
        switch(dataclasses.replace(BR_EX, adopt=False), NIC)
    assert run(["ovs-vsctl", "list-br"]) == ""
    run(["ip", "address", "del", "192.0.2.1/24", "dev", "eth3"])
    assert switch(dataclasses.replace(BR_EX, adopt=False), NIC).changed


def test_a_nic_is_raised_with_its_port_and_again_when_somebody_has_put_it_down(switch: Switch) -> None:
    run(["ip", "link", "add", "eth3", "type", "veth", "peer", "name", "wire"])
    bridge, nic = dataclasses.replace(BR_EX, adopt=False), dataclasses.replace(NIC, up=True)
    switch(bridge, nic)
    assert "UP" in run(["ip", "link", "show", "eth3"])
    assert not switch(bridge, nic).changed
    run(["ip", "link", "set", "eth3", "down"])
    assert [c.describe() for c in switch(bridge, nic).changes] == ["~ port br-ex eth3: up=False -> True"]
    assert "UP" in run(["ip", "link", "show", "eth3"])
