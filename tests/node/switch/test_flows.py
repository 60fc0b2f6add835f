# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Flows on a real Open vSwitch."""

from __future__ import annotations

import collections.abc
import dataclasses
import pathlib

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import Change, diff
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers import Context
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.flows import FlowDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.engine import Result
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import ApplyFailed, Refused, TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.netns import Netns
from ansible_collections.tenantnet.ovs.plugins.module_utils.ovsdb import Ovsdb
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Bridge, Flow, Port, cookie

Switch = collections.abc.Callable[..., Result]

LEARN = (
    f"learn(table=20,hard_timeout=300,priority=1,cookie={cookie('test', 'learned'):#x},NXM_OF_VLAN_TCI[0..11],"
    "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],"
    'output:OXM_OF_IN_PORT[]),output:"patch-int"'
)
BR_TUN = Bridge(slice="switching", name="br-tun", datapath_type="netdev")
PORTS = tuple(
    Port(slice="switching", bridge="br-tun", name=name, type="internal") for name in ("patch-int", "vxlan-1", "vxlan-2")
)


def flow(table: int, priority: int, match: str, actions: str) -> Flow:
    return Flow(slice="switching", bridge="br-tun", table=table, priority=priority, match=match, actions=actions)


#: One of every form that Neutron's tables have, some of them not written as ovs-ofctl prints them.
FLOWS = (
    flow(0, 65535, "dl_vlan=4095", "drop"),
    flow(0, 1, 'in_port="vxlan-1"', "resubmit(,4)"),
    flow(0, 3, 'in_port="patch-int",vlan_tci=0x0000/0x1fff', "push_vlan:0x8100,set_field:4098->vlan_vid,goto_table:58"),
    flow(0, 0, "", "drop"),
    flow(2, 0, "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00", "resubmit(,20)"),
    flow(4, 1, "tun_id=0x3e9", "push_vlan:0x8100,set_field:4097->vlan_vid,goto_table:10"),
    flow(10, 1, "", LEARN),
    flow(22, 1, "dl_vlan=1", 'pop_vlan,set_field:1001->tun_id,output:"vxlan-1","vxlan-2"'),
    flow(24, 2, 'in_port="patch-int",arp,arp_spa=192.168.1.11', "goto_table:25"),
    flow(71, 65, "ip,reg5=4097,dl_src=fa:16:3e:00:00:01", "ct(table=72,zone=NXM_NX_REG5[0..15])"),
    flow(72, 70, "ip,nw_dst=10.0.0.0/24", "conjunction(9,1/2),conjunction(4294967295,1/2)"),
    flow(72, 70, "ct_state=+new-est,ip,conj_id=9", "ct(commit,zone=NXM_NX_REG5[0..15]),resubmit(,73)"),
    flow(72, 77, "ct_state=+est-rel+rpl,icmp,ct_nw_proto=1,ct_tp_src=8,ct_tp_dst=0,reg5=4097", "resubmit(,73)"),
    flow(82, 77, "ct_state=+est-rel-rpl,tcp,tp_dst=0x50/0xfff0,reg5=4097,nw_src=10.0.0.0/8", "resubmit(,92)"),
    flow(95, 1, "reg6=1", 'clone(set_field:4097->reg5,resubmit(,81)),push_vlan:0x8100,output:"patch-int"'),
    flow(60, 32768, "", "NORMAL"),
)
ALL = (BR_TUN, *PORTS, *FLOWS)


def dump() -> list[str]:
    return run(["ovs-ofctl", "-O", "OpenFlow14", "--names", "--no-stats", "dump-flows", "br-tun"]).splitlines()


def add(text: str) -> None:
    run(["ovs-ofctl", "-O", "OpenFlow14", "add-flow", "br-tun", text])


@pytest.fixture
def built(switch: Switch) -> Switch:
    switch(*ALL)
    return switch


def test_flows_are_made_with_our_cookie_and_only_once(switch: Switch) -> None:
    assert switch(*ALL).counts["flow"] == len(FLOWS)
    assert len(dump()) == len(FLOWS)
    assert all(f"cookie={cookie('test', 'switching'):#x}," in line for line in dump())
    assert any('"vxlan-1"' in line and "table=22" in line for line in dump())
    assert not switch(*ALL).changed


def test_what_is_no_longer_desired_goes_and_nothing_else(built: Switch) -> None:
    result = built(*ALL[:-1])
    assert [change.describe() for change in result.changes] == ["- flow br-tun 60 32768"]
    assert len(dump()) == len(FLOWS) - 1


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("del-flows", "table=22"),
        ("mod-flows", "table=22,dl_vlan=1 actions=drop"),
        ("add-flow", f"cookie={cookie('test', 'switching'):#x},table=7,priority=1,actions=drop"),
        ("add-flow", f"cookie={cookie('test', 'switching'):#x},table=0,priority=0,idle_timeout=60,actions=drop"),
        ("add-flow", f"cookie={cookie('test', 'routing'):#x},table=0,priority=0,actions=drop"),
    ],
    ids=["deleted", "changed", "added", "with a timeout", "of another slice"],
)
def test_drift_is_seen_and_repaired(built: Switch, command: str, text: str) -> None:
    run(["ovs-ofctl", "-O", "OpenFlow14", command, "br-tun", text])
    assert built(*ALL, check=True).counts == {"flow": 1}
    built(*ALL)
    assert not built(*ALL).changed


def test_flows_follow_a_port_that_comes_back_with_another_number(built: Switch) -> None:
    run(["ovs-vsctl", "del-port", "vxlan-1"])
    run(["ovs-vsctl", "add-port", "br-tun", "other", "--", "set", "Interface", "other", "type=internal"])
    built(*ALL)
    assert not built(*ALL).changed
    assert any('"vxlan-1"' in line and "table=22" in line for line in dump())
    assert not any("other" in line for line in dump())


def test_flows_of_a_port_go_with_it(built: Switch) -> None:
    built(BR_TUN, *PORTS[:1], *FLOWS[2:7])
    assert not built(BR_TUN, *PORTS[:1], *FLOWS[2:7]).changed
    assert len(dump()) == 5


def test_learned_flows_are_left_alone(built: Switch) -> None:
    add(f"cookie={cookie('test', 'learned'):#x},table=20,priority=1,dl_dst=fa:16:3e:00:00:01,actions=drop")
    assert not built(*ALL).changed
    assert len(dump()) == len(FLOWS) + 1


def learned(*flows: str) -> None:
    for text in flows:
        add(f"cookie={cookie('test', 'learned'):#x},table=20,priority=1,{text}")


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        (FLOWS, {"01", "02", "03", "04"}),
        (
            (*FLOWS[:7], flow(22, 1, "dl_vlan=1", 'pop_vlan,set_field:7->tun_id,output:"vxlan-2"'), *FLOWS[8:]),
            {"03", "04"},
        ),
        ((*FLOWS[:7], *FLOWS[8:]), {"03", "04"}),
        ((*FLOWS, flow(20, 2, "dl_vlan=1,dl_dst=fa:16:3e:00:00:02", "drop")), {"01", "03", "04"}),
        ((FLOWS[0], *FLOWS[2:]), {"02", "03"}),
        (tuple(f for f in FLOWS if not f.match.startswith("tun_id=")), set()),
    ],
    ids=[
        "nothing changes",
        "the VLAN has other ways",
        "the VLAN goes",
        "the MAC has a place",
        "the port goes",
        "the tunnel id goes",
    ],
)
def test_what_was_learned_is_forgotten_with_what_it_was_learned_from(
    built: Switch, after: tuple[Flow, ...], kept: set[str]
) -> None:
    number = run(["ovs-vsctl", "get", "Interface", "vxlan-1", "ofport"]).strip()
    learned(
        f"vlan_tci=0x0001/0x0fff,dl_dst=fa:16:3e:00:00:01,actions=output:{number}",
        "vlan_tci=0x0001/0x0fff,dl_dst=fa:16:3e:00:00:02,actions=drop",
        "vlan_tci=0x0002/0x0fff,dl_dst=fa:16:3e:00:00:03,actions=drop",
        f"vlan_tci=0x0002/0x0fff,dl_dst=fa:16:3e:00:00:04,actions=output:{number}",
    )
    built(BR_TUN, *PORTS, *after)
    assert {line.partition("dl_dst=fa:16:3e:00:00:")[2][:2] for line in dump() if "priority=1,vlan_tci" in line} == kept


def test_what_a_revalidator_taught_after_a_change_is_forgotten_once_more(context: Context, built: Switch) -> None:
    driver = FlowDriver(context)
    live = driver.read({one.key: one for one in FLOWS})
    before = live["br-tun", "22", "1", "dl_vlan=1"]
    change = Change(before, flow(22, 1, "dl_vlan=1", 'pop_vlan,set_field:7->tun_id,output:"vxlan-2"'))
    driver.apply([change])
    learned(
        "vlan_tci=0x0001/0x0fff,dl_dst=fa:16:3e:00:00:01,actions=drop",
        "vlan_tci=0x0002/0x0fff,dl_dst=fa:16:3e:00:00:02,actions=drop",
    )
    driver.forget([change])
    assert [line for line in dump() if "vlan_tci=0x0001/0x0fff" in line] == []
    assert len([line for line in dump() if "vlan_tci=0x0002/0x0fff" in line]) == 1


def test_flows_go_with_their_bridge(built: Switch) -> None:
    assert built().changed
    assert run(["ovs-vsctl", "list-br"]) == ""


def test_flows_of_others_are_left_alone(built: Switch) -> None:
    add("cookie=0x99,table=40,priority=5,actions=drop")
    assert not built(*ALL).changed
    built(BR_TUN, *PORTS)
    assert dump() == [" cookie=0x99, table=40, priority=5 actions=drop"]


def test_a_flow_of_others_in_the_way_is_refused(switch: Switch) -> None:
    switch(BR_TUN, *PORTS)
    add("cookie=0x99,table=24,priority=2,arp,arp_spa=192.168.1.11,in_port=1,actions=NORMAL")
    number = run(["ovs-vsctl", "get", "Interface", "patch-int", "ofport"]).strip()
    assert number == "1"
    with pytest.raises(Refused, match="a flow of bridge br-tun is in the way and was not made by tenantnet: table=24"):
        switch(*ALL)
    assert len(dump()) == 1


def test_a_flow_of_others_that_does_what_is_desired_counts(switch: Switch) -> None:
    switch(BR_TUN, *PORTS)
    add("cookie=0x99,table=60,actions=NORMAL")
    assert switch(*ALL).counts == {"flow": len(FLOWS) - 1}
    assert not switch(*ALL).changed


def test_what_open_vswitch_adds_in_standalone_mode_gives_way(built: Switch) -> None:
    run(["ovs-ofctl", "-O", "OpenFlow14", "del-flows", "br-tun"])
    add("table=0,priority=0,actions=NORMAL")
    built(*ALL)
    assert not built(*ALL).changed


def test_a_port_that_is_not_there_is_named(switch: Switch) -> None:
    with pytest.raises(ApplyFailed, match="flows of bridge br-tun name ports that it does not have: gone"):
        switch(*ALL, flow(0, 5, 'in_port="gone"', "drop"))
    assert run(["ovs-vsctl", "list-br"]) == ""


def test_a_malformed_flow_changes_nothing_and_is_named(switch: Switch) -> None:
    with pytest.raises(TenantnetError, match=r"flow br-tun 0 5 tcp_port=1: .*unknown keyword tcp_port"):
        switch(*ALL, flow(0, 5, "tcp_port=1", "drop"))
    assert run(["ovs-vsctl", "list-br"]) == ""


def test_a_bundle_is_all_or_nothing(context: Context, switch: Switch) -> None:
    switch(BR_TUN, *PORTS)
    driver = FlowDriver(context)
    meter = dataclasses.replace(FLOWS[0], table=58, actions="meter:7,goto_table:59")  # a meter that does not exist
    desired = {resource.key: resource for resource in (*FLOWS, meter)}
    with pytest.raises(TenantnetError, match="ovs-ofctl failed"):
        driver.apply(diff(driver.read(desired), desired))
    assert dump() == []


def test_a_dead_vswitchd_has_no_flows(switch: Switch) -> None:
    switch(*ALL)
    pathlib.Path("/run/openvswitch/br-tun.mgmt").unlink()
    assert switch(*ALL, check=True).counts == {"flow": len(FLOWS)}


def test_without_open_vswitch_there_are_no_flows(scratch: None) -> None:
    driver = FlowDriver(Context("test", Ovsdb(), Netns()))
    desired = {resource.key: resource for resource in FLOWS}
    assert driver.read(desired) == {}
    assert driver.foreign(desired) == []
