# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The difference of two states as data and as text."""

from __future__ import annotations

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import Change, counts, diff, text
from ansible_collections.tenantnet.ovs.plugins.module_utils.passes import Pass, difference
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import (
    KINDS,
    Chain,
    File,
    Flow,
    Key,
    Link,
    Namespace,
    Port,
    Resource,
)

TAP = Port(slice="dhcp", bridge="br-int", name="tap1", type="internal", tag=1)
ROUTER = Namespace(slice="routing", name="qrouter-1", sysctls={"net.ipv4.ip_forward": "1"})
DROP = Flow(slice="switching", bridge="br-int", table=0, priority=2, match='in_port="int-br-ex"', actions="drop")


def by_key(*resources: Resource) -> dict[Key, Resource]:
    return {resource.key: resource for resource in resources}


def moved(port: Port, **fields: object) -> Port:
    return Port(**{name: getattr(port, name) for name in Port.__dataclass_fields__} | fields)


def test_equal_states_do_not_differ() -> None:
    assert diff(by_key(TAP, ROUTER), by_key(ROUTER, TAP)) == []


def test_the_order_is_that_of_what_is_desired_and_removals_are_last_and_reversed() -> None:
    tap2, tap3, tap4 = (moved(TAP, name=name) for name in ("tap2", "tap3", "tap4"))
    changes = diff(by_key(tap3, TAP, tap4), by_key(tap2, moved(TAP, tag=2)))
    assert [(change.verb, change.key[1]) for change in changes] == [
        ("add", "tap2"),
        ("change", "tap1"),
        ("remove", "tap4"),
        ("remove", "tap3"),
    ]


def test_a_change_of_slice_is_a_change() -> None:
    (change,) = diff(by_key(TAP), by_key(moved(TAP, slice="routing")))
    assert (change.verb, change.slice) == ("change", "routing")


def test_a_change_of_nothing_is_no_change() -> None:
    with pytest.raises(ValueError, match="before or after"):
        Change(None, None).describe()


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (None, TAP, "+ port br-int tap1: slice=dhcp type=internal tag=1"),
        (TAP, None, "- port br-int tap1"),
        (TAP, moved(TAP, tag=None), "~ port br-int tap1: tag=1 -> none"),
        (None, ROUTER, "+ namespace qrouter-1: slice=routing sysctls={net.ipv4.ip_forward=1}"),
        (None, DROP, '+ flow br-int 0 2 in_port="int-br-ex": slice=switching actions=drop'),
        (DROP, None, '- flow br-int 0 2 in_port="int-br-ex"'),
    ],
)
def test_a_line_tells_what_differs(before: Resource | None, after: Resource | None, line: str) -> None:
    assert Change(before, after).describe() == line


def test_of_a_list_only_what_comes_and_goes_is_told() -> None:
    old, new = (
        Chain(slice="instances", namespace="", family="ipv4", table="filter", name="tenantnet-sg-i1", rules=rules)
        for rules in (("-j RETURN", "-p icmp -j RETURN"), ("-j RETURN", "-p tcp -j RETURN"))
    )
    told = "rules=-[-p icmp -j RETURN] +[-p tcp -j RETURN]"
    assert Change(old, new).describe() == f"~ chain instances ipv4 filter tenantnet-sg-i1: {told}"


def test_a_new_order_of_a_list_is_told_in_full() -> None:
    old, new = (
        Link(slice="routing", namespace="n", name="qr-1", kind="veth", addresses=addresses)
        for addresses in (("10.0.0.1/24", "10.0.0.2/32"), ("10.0.0.2/32", "10.0.0.1/24"))
    )
    assert "[10.0.0.1/24, 10.0.0.2/32] -> [10.0.0.2/32, 10.0.0.1/24]" in Change(old, new).describe()


def test_no_text_shows_the_content_of_a_file() -> None:
    old, new = (File(slice="dhcp", path="secret", content=content, mode=0o600) for content in ("hush", "quiet"))
    shown = Change(old, new).describe() + Change(None, old).describe() + text([old, new])
    assert "hush" not in shown
    assert "quiet" not in shown


def test_text_is_stable_and_names_only_what_is_given() -> None:
    assert text([TAP, None, ROUTER]) == text([ROUTER, TAP])
    assert text([ROUTER, TAP]).splitlines() == [
        "namespace qrouter-1: slice=routing sysctls={net.ipv4.ip_forward=1}",
        "port br-int tap1: slice=dhcp type=internal tag=1",
    ]


def test_counts_are_by_kind() -> None:
    assert counts(diff({}, by_key(TAP, ROUTER, DROP))) == {"port": 1, "namespace": 1, "flow": 1}


VXLAN, GRE = (
    Flow(
        slice="switching",
        bridge="br-tun",
        table=table,
        priority=1,
        match="tun_id=0x1",
        actions="push_vlan:0x8100,set_field:4097->vlan_vid,goto_table:10",
    )
    for table in (4, 3)
)
VLAN = Flow(
    slice="switching",
    bridge="br-int",
    table=0,
    priority=3,
    match='in_port="int-br-vlan",dl_vlan=101',
    actions="set_field:4097->vlan_vid,goto_table:58",
)


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [(VXLAN, GRE, "build"), (VXLAN, VLAN, "leave"), (VLAN, VXLAN, "leave"), (DROP, VLAN, "build")],
)
def test_a_network_is_never_behind_tunnels_and_on_a_wire_at_once(old: Flow, new: Flow, at: Pass) -> None:
    live, goal = ({kind: by_key(flow) if kind is Flow else {} for kind in KINDS.values()} for flow in (old, new))
    assert Change(None, new) in difference(live, goal, at)
