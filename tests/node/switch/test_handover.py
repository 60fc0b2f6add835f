# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The command `tenantnet-handover`: what goes elsewhere leaves, what comes from elsewhere arrives, both at once."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import stat

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import engine, record
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.passes import PASSES, Pass
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.services import handover
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import (
    Bridge,
    Chain,
    Flow,
    Link,
    Namespace,
    NodeState,
    Port,
    Resource,
    Route,
)
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

BR_INT = Bridge(slice="switching", name="br-int", datapath_type="netdev")
GOES = Port(slice="dhcp", bridge="br-int", name="tap1", type="internal", tag=1)
COMES = Port(slice="dhcp", bridge="br-int", name="tap2", type="internal", tag=1, late=True)
GUARD = Flow(slice="dhcp", bridge="br-int", table=0, priority=9, match='in_port="tap1"', actions="drop")
TAP = Link(slice="guests", namespace="", name="tap3", kind="tap", owner="root", late=True)


def tag(port: str) -> str:
    return run(["ovs-vsctl", "--if-exists", "get", "Port", port, "tag"]).strip()


def is_up(link: str) -> bool:
    return "UP" in json.loads(run(["ip", "-json", "link", "show", link]))[0]["flags"]


def apply(*resources: Resource, passes: tuple[Pass, ...] = PASSES) -> engine.Result:
    return engine.apply(NodeState(deployment="test", node="scratch", resources=resources), passes)


@pytest.fixture
def built(openvswitch: None) -> engine.Result:
    """A port goes; another one, and a guest's tap, come when it is gone on all nodes."""
    apply(BR_INT, GOES, GUARD)
    return apply(BR_INT, COMES, TAP, passes=("build",))


def test_what_comes_waits_for_what_goes(built: engine.Result) -> None:
    assert built.waits
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("1", "4095", False)
    assert handover.prepare() == {"steps": ["leave", "arrive"]}
    assert stat.S_IMODE(handover.SOCKET.stat().st_mode) == 0o700
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("1", "4095", False)
    left = handover.ask("leave")
    assert (left["counts"], left["changes"]) == ({"port": 1}, ["- port br-int tap1"])
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("", "4095", False)
    assert handover.ask("arrive")["counts"] == {"link": 1, "port": 1}
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("", "1", True)
    with record.lock():  # when that process has ended
        assert not record.interrupted()
    with pytest.raises(TenantnetError, match="this node is not ready"):
        handover.ask("leave")


def test_nothing_that_lives_is_left_for_the_other_passes(built: engine.Result) -> None:
    handover.prepare()
    handover.ask("leave")
    handover.ask("arrive")
    result = apply(BR_INT, COMES, TAP)
    assert (result.counts, result.waits, result.interrupted) == ({"flow": 1}, False, False)  # that of the one that went


def test_nobody_else_changes_a_node_that_is_ready(built: engine.Result) -> None:
    handover.prepare()
    with pytest.raises(TenantnetError, match="another run on this node"), record.lock(seconds=0.1):
        pass
    handover.ask("leave")
    handover.ask("arrive")


def test_a_process_that_is_not_asked_gives_up_and_the_next_run_knows(
    built: engine.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "PATIENCE", 0.1)
    handover.prepare()
    result = apply(BR_INT, COMES, TAP)  # as soon as the lock is free
    assert result.interrupted
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("", "1", True)


def test_a_boot_before_it_has_left_elsewhere_brings_nothing_to_life(built: engine.Result) -> None:
    engine.restore()
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("", "4095", False)
    assert handover.prepare() == {"steps": ["arrive"]}
    handover.ask("arrive")
    run(["ovs-vsctl", "del-port", "tap2"])
    engine.restore()
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("", "1", True)


def test_steps_are_taken_in_their_order_and_by_who_waits_for_the_answer(built: engine.Result) -> None:
    handover.prepare()
    with pytest.raises(TenantnetError, match="the next step is to leave, not to arrive"):
        handover.ask("arrive")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(handover.SOCKET))
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("1", "4095", False)
    handover.ask("leave")
    handover.ask("arrive")
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("", "1", True)


def test_a_step_that_fails_says_why_and_leaves_the_node_as_it_was_before_that(built: engine.Result) -> None:
    handover.prepare()
    handover.ask("leave")
    run(["ovs-vsctl", "del-port", "tap2"])
    with pytest.raises(TenantnetError, match=r"tap2.*The node is as it was before"):
        handover.ask("arrive")
    assert (tag("tap1"), tag("tap2"), is_up("tap3")) == ("", "4095", False)  # tap1 may have arrived elsewhere


def test_a_node_that_has_nothing_to_hand_over_waits_for_nothing(openvswitch: None) -> None:
    apply(BR_INT, GOES)
    assert handover.prepare() == {"steps": []}
    with record.lock(seconds=5):
        assert not record.interrupted()


def test_without_a_record_nothing_is_ready(openvswitch: None) -> None:
    with pytest.raises(TenantnetError, match="nothing is recorded on this node"):
        handover.prepare()


ROUTER = Namespace(slice="routing", name="qrouter-1")
DEFAULT = Route(slice="routing", namespace="qrouter-1", destination="0.0.0.0/0", device="qg-1", via="203.0.113.1")
FORWARDING = "-d {}/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 192.168.1.9:22"


def router(own: str, floating: tuple[str, ...], late: bool = False) -> list[Resource]:
    """A router with an address of its own, and floating IPs of one forwarded port each."""

    def chain(name: str, *rules: str) -> Chain:
        return Chain(slice="routing", namespace="qrouter-1", family="ipv4", table="nat", name=name, rules=rules)

    p = "tenantnet-l3-"
    addresses = tuple(sorted([f"{own}/24", *(f"{address}/32" for address in floating)]))
    ends = [("qrouter-1", "qg-1"), ("", "qg-1")]
    inside, outside = (
        Link(slice="routing", namespace=mine[0], name=mine[1], kind="veth", peer=other)
        for mine, other in (ends, reversed(ends))
    )
    return [
        ROUTER,
        dataclasses.replace(inside, addresses=addresses, late=late),
        outside,
        DEFAULT,
        chain("POSTROUTING", f"-j {p}snat"),
        chain(f"{p}snat", f"-o qg-1 -j SNAT --to-source {own} --random-fully"),
        chain(f"{p}PREROUTING", *(f"-j {p}pf-{address[-1]}" for address in floating)),
        *(chain(f"{p}pf-{address[-1]}", FORWARDING.format(address)) for address in floating),
    ]


def inside(*argv: str) -> str:
    return run(argv, namespace="qrouter-1")


def here() -> tuple[set[str], set[str], set[str]]:
    """Addresses of the router's gateway, those that it forwards ports of, and those that it sends with."""
    (link,) = json.loads(inside("ip", "-json", "address", "show", "qg-1"))
    rules = inside("iptables-save", "-t", "nat")
    return (
        {address["local"] for address in link["addr_info"] if address["family"] == "inet"},
        set(re.findall(r"-d (\S+)/32 .* DNAT", rules)),
        set(re.findall(r"--to-source (\S+)", rules)),
    )


def test_a_floating_ip_takes_its_rules_along(openvswitch: None) -> None:
    goes, stays, comes = (f"203.0.113.{number}" for number in (7, 8, 9))
    own = "203.0.113.100"
    apply(*router(own, (goes, stays)))
    new = router(own, (stays, comes), late=True)
    assert apply(*new, passes=("build",)).waits
    assert here() == ({own, goes, stays}, {goes, stays}, {own})
    assert handover.prepare() == {"steps": ["leave", "arrive"]}
    handover.ask("leave")
    assert here() == ({own, stays}, {stays}, {own})
    handover.ask("arrive")
    assert here() == ({own, stays, comes}, {stays, comes}, {own})
    assert apply(*new).counts == {"chain": 1}  # that of the one that went


def test_a_router_whose_only_address_is_exchanged_keeps_its_routes(openvswitch: None) -> None:
    old, own = "203.0.113.100", "203.0.113.101"
    apply(*router(old, ()))
    new = router(own, (), late=True)
    apply(*new, passes=("build",))
    assert here() == ({old}, set(), {old, own})
    handover.prepare()
    handover.ask("leave")
    assert here() == (set(), set(), {own})
    assert "default" not in inside("ip", "route")
    handover.ask("arrive")
    assert here() == ({own}, set(), {own})
    assert "default via 203.0.113.1 dev qg-1" in inside("ip", "route")
    assert not apply(*new).changed


def known() -> set[str]:
    """Other ends of tunnels whose MAC Open vSwitch knows."""
    return {line.split()[0] for line in run(["ovs-appctl", "tnl/neigh/show"]).splitlines()[2:]}


def test_the_other_end_of_a_tunnel_is_known_before_the_first_packet(openvswitch: None) -> None:
    run(["ip", "netns", "add", "far"])
    run(["ip", "link", "add", "near", "up", "type", "veth", "peer", "name", "eth1", "netns", "far"])
    run(["ip", "-netns", "far", "link", "set", "eth1", "up"])
    run(["ip", "-netns", "far", "address", "add", "10.0.1.2/24", "dev", "eth1"])
    run(["ovs-vsctl", "add-br", "br-underlay", "--", "set", "Bridge", "br-underlay", "datapath_type=netdev"])
    run(["ovs-vsctl", "add-port", "br-underlay", "near"])
    run(["ip", "link", "set", "br-underlay", "up"])
    run(["ip", "address", "add", "10.0.1.1/24", "dev", "br-underlay"])
    options = {"local_ip": "10.0.1.1", "remote_ip": "10.0.1.2", "key": "flow"}
    tunnel = Port(slice="switching", bridge="br-int", name="vxlan-1", type="vxlan", options=options)
    assert "10.0.1.2" not in known()
    apply(BR_INT, tunnel, GOES)
    until(lambda: "10.0.1.2" in known(), "the answer to be heard")
    for forgotten in ("tnl/neigh/flush", "revalidator/purge"):  # as when nobody has said anything for a while
        run(["ovs-appctl", forgotten])
    apply(BR_INT, tunnel, passes=("build",))
    handover.prepare()
    until(lambda: "10.0.1.2" in known(), "the answer to be heard")
    handover.ask("leave")
