# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The states of resource modules as a function of what there is and what is given, and what bad input is told."""

from __future__ import annotations

import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.resources import Item, View, combine, normal, outcome
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Bridge, Port
from ansible_collections.tenantnet.ovs.plugins.module_utils.views import (
    bridges,
    daemons,
    flows,
    iptables,
    links,
    namespaces,
)

P1 = {"name": "p1", "tag": 1, "options": {"a": "1"}}
P2 = {"name": "p2"}
BOND = {"name": "b0", "members": ["p3", "p4"], "lacp": "active"}
BR0 = {"name": "br0", "mcast_snooping": True, "other_config": {"a": "1"}, "ports": [P1, P2]}
BR1 = {"name": "br1"}
LIVE = (BR0, BR1)
CHANGE = {"name": "br0", "other_config": {"b": "2"}, "ports": [{"name": "p1", "tag": 2, "options": {"b": "2"}}]}


def combined(
    state: typing.Any, *given: Item, view: View = bridges.VIEW, live: typing.Sequence[Item] = LIVE
) -> list[Item]:
    return combine(state, view, live, given)


def test_merged_replaces_values_and_lets_collections_grow() -> None:
    port = {"name": "p1", "tag": 2, "options": {"a": "1", "b": "2"}}
    merged = {**BR0, "other_config": {"a": "1", "b": "2"}, "ports": [port, P2]}
    assert combined("merged", CHANGE) == [merged, BR1]


def test_merged_adds_what_is_new() -> None:
    assert combined("merged", {"name": "br2"}) == [BR0, BR1, {"name": "br2"}]


def test_merged_replaces_a_list_that_is_one_value() -> None:
    trunk = {"name": "br0", "ports": [{"name": "p1", "trunks": [1, 2]}]}
    (item,) = combined("merged", {"name": "br0", "ports": [{"name": "p1", "trunks": [3]}]}, live=[trunk])
    assert item["ports"][0]["trunks"] == [3]


def test_a_bond_and_the_controllers_grow_and_are_in_order() -> None:
    live = [{"name": "br0", "controllers": ["tcp:192.0.2.2"], "ports": [BOND]}]
    more = {"name": "br0", "controllers": ["tcp:192.0.2.1"], "ports": [{"name": "b0", "members": ["p2", "p3"]}]}
    (item,) = combined("merged", more, live=live)
    bridge, bond = bridges.VIEW.build(item)
    assert isinstance(bridge, Bridge)
    assert isinstance(bond, Port)
    assert bridge.controllers == ("tcp:192.0.2.1", "tcp:192.0.2.2")
    assert (bond.members, bond.lacp) == (("p2", "p3", "p4"), "active")


def test_merged_rules_come_after_those_that_are_there() -> None:
    chain = {"name": "tn-local-a", "namespace": "", "family": "ipv4", "table": "filter"}
    given = {**chain, "rules": ["-j DROP", "-s 192.0.2.1/32 -j ACCEPT"]}
    (item,) = combined("merged", given, view=iptables.VIEW, live=[{**chain, "rules": ["-j RETURN", "-j DROP"]}])
    assert item["rules"] == ["-j RETURN", "-j DROP", "-s 192.0.2.1/32 -j ACCEPT"]


def test_replaced_is_about_what_is_named_only() -> None:
    assert combined("replaced", CHANGE) == [CHANGE, BR1]


def test_overridden_leaves_nothing_else() -> None:
    assert combined("overridden", CHANGE) == [CHANGE]
    assert combined("overridden") == []


def test_deleted_looks_at_names_only_and_without_any_takes_all() -> None:
    assert combined("deleted", CHANGE, {"name": "absent"}) == [BR1]
    assert combined("deleted") == []


def test_a_port_leaves_the_bridge_that_it_was_in() -> None:
    live = bridges.make_way([*LIVE], [{"name": "br1", "ports": [{"name": "p1"}]}])
    assert live == [{**BR0, "ports": [P2]}, BR1]


def test_a_device_leaves_the_port_that_it_was_in() -> None:
    live = [{"name": "br0", "ports": [P1, BOND]}, {"name": "br1", "ports": [{"name": "b1", "members": ["p5", "p6"]}]}]
    given = {"name": "br1", "ports": [{"name": "b2", "members": ["p1", "p3", "p5", "p6"]}]}
    left = [{"name": "br0", "ports": [{**BOND, "members": ["p4"]}]}, {"name": "br1", "ports": []}]
    assert bridges.make_way(live, [given]) == left


FLOW = {"bridge": "br0", "table": 0, "priority": 1, "match": ""}


@pytest.mark.parametrize(
    ("view", "item", "told"),
    [
        (bridges, {"name": "a-name-that-is-too-long"}, "a name has 1 to 15 characters"),
        (bridges, {"name": "br0", "adopt": True, "fail_mode": "secure"}, "so fail_mode cannot be given"),
        (bridges, {"name": "br0", "ports": [P1, P1]}, "bridge br0 has port p1 twice"),
        (bridges, {"name": "br0", "ports": [{"name": "br0"}]}, "bridge br0 has port br0 twice"),
        (bridges, {"name": "br0", "ports": [{"name": "p1", "tag": 4095}]}, "tag: 4095 is not a number from 0 to 4094"),
        (bridges, {"name": "br0", "ports": [{"name": "p1", "trunks": [-1]}]}, "trunks: -1 is not a number from 0 to"),
        (bridges, {"name": "br0", "ports": [{**BOND, "type": "internal"}]}, "is a bond: type belong to a single"),
        (bridges, {"name": "br0", "controllers": ["192.0.2.1"]}, "'192.0.2.1' is not a controller like tcp:"),
        (bridges, {"name": "br0", "ports": [P1, {"name": "b", "members": ["p1", "p2"]}]}, "br0 has port p1 twice"),
        (bridges, {"name": "br0", "ports": [{"name": "b", "members": ["a b", "c"]}]}, "member 'a b': a name has 1 to"),
        (bridges, {"name": "br0", "ports": [{"name": "b", "bond_updelay": -1}]}, "bond_updelay: -1 is not a number"),
        (flows, {**FLOW, "match": "in_port=3"}, "in_port=3 is a port by its number, which may change; give its name"),
        (flows, {**FLOW, "match": "tcp,table=2"}, "table= cannot be part of match 'tcp,table=2'"),
        (flows, {**FLOW, "table": 255}, "table: 255 is not a number from 0 to 254"),
        (namespaces, {"name": "a/b"}, "namespace 'a/b': a name has"),
        (links, {"name": "v0", "addresses": ["192.0.2.1"]}, "is not an IPv4 address like 192.0.2.1/24"),
        (links, {"name": "v0", "addresses": ["2001:db8::1/64"]}, "is not an IPv4 address like 192.0.2.1/24"),
        (links, {"name": "v0", "routes": [{"destination": "192.0.2.1/24"}]}, "has host bits set"),
        (links, {"name": "v0", "routes": [{"destination": "default", "via": "gw"}]}, "'gw' is not an IPv4 address"),
        (links, {"name": "v0", "mac": "02:00"}, "'02:00' is not a MAC address"),
        (links, {"name": "v0", "mtu": 10}, "mtu: 10 is not a number from 68 to 65535"),
        (links, {"name": "v0", "bridge": {"stp_state": "on"}}, "bridge stp_state: 'on' is not a number"),
        (iptables, {"name": "web"}, "chain web: names of chains of owner local begin with tn-local-"),
        (iptables, {"name": "INPUT", "rules": ["-j DROP"]}, "a built-in chain is everybody's"),
        (
            daemons,
            {"name": "d", "files": [{"path": "/etc/passwd"}]},
            "a path is relative to the daemon's own",
        ),
        (
            daemons,
            {"name": "d", "files": [{"path": "f", "mode": "u+x"}]},
            "mode 'u+x' is not three or four octal",
        ),
        (daemons, {"name": "d", "command": []}, "daemon d: its command is empty"),
    ],
)
def test_bad_input_is_told_in_one_sentence(view: typing.Any, item: Item, told: str) -> None:
    with pytest.raises(TenantnetError) as caught:
        normal(view.VIEW, "local", [item])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("view", "item", "told"),
    [
        (bridges, {"name": "br0", "ports": [{"name": "p", "type": "patch"}]}, "port p of bridge br0: type patch needs"),
        (flows, FLOW, "actions are missing"),
        (links, {"name": "v0"}, "link v0 is a new one and needs a kind"),
        (links, {"name": "v0", "kind": "veth"}, "link v0: a veth needs a peer"),
        (links, {"name": "v0", "kind": "bridge", "peer": {"name": "v1"}}, "no other kind has one"),
        (daemons, {"name": "d"}, "daemon d is a new one and needs a command"),
        (daemons, {"name": "d", "command": ["a"], "files": [{"path": "f"}]}, "file f is a new one and needs a content"),
    ],
)
def test_what_is_missing_is_told_in_one_sentence(view: typing.Any, item: Item, told: str) -> None:
    with pytest.raises(TenantnetError, match=told):
        [view.VIEW.build(item) for item in normal(view.VIEW, "local", [item])]


def test_an_item_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(TenantnetError, match="config has bridges item br0 twice"):
        normal(bridges.VIEW, "local", [BR0, {"name": "br0"}])


def test_an_owner_has_a_short_name() -> None:
    with pytest.raises(TenantnetError, match="owner 'me-too': a name has 1 to 12"):
        outcome(bridges.VIEW, {"owner": "me-too", "state": "gathered", "config": None}, False)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("in_port=web,tcp", 'in_port="web",tcp'),
        ('in_port="web"', 'in_port="web"'),
        ("in_port=LOCAL, udp", "in_port=LOCAL,udp"),
    ],
)
def test_ports_of_flows_need_no_quotes(written: str, read: str) -> None:
    (item,) = normal(flows.VIEW, "local", [{**FLOW, "match": written, "actions": "output:a.b,output:NXM_NX_REG0[]"}])
    assert (item["match"], item["actions"]) == (read, 'output:"a.b",output:NXM_NX_REG0[]')


ITEMS = [
    (bridges, {"name": "br0", "ports": [{"name": "p1", "type": "patch", "trunks": [1, 2], "options": {"peer": "x"}}]}),
    (bridges, {"name": "br0", "adopt": True, "ports": [{"name": "p1", "tag": 0, "vlan_mode": "native-tagged"}]}),
    (bridges, {"name": "br0", "datapath_type": "netdev", "fail_mode": "secure", "protocols": ["OpenFlow14"]}),
    (bridges, {"name": "br0", "controllers": ["ptcp:6634", "tcp:192.0.2.1:6653"], "ports": [BOND]}),
    (flows, {**FLOW, "match": "tcp", "actions": "drop"}),
    (namespaces, {"name": "a", "sysctls": {"net.ipv4.ip_forward": "1"}}),
    (links, {"name": "v0", "namespace": "a", "kind": "veth", "peer": {"name": "v1"}, "addresses": ["192.0.2.1/24"]}),
    (
        links,
        {"name": "b0", "kind": "bridge", "up": False, "routes": [{"destination": "0.0.0.0/0", "via": "192.0.2.9"}]},
    ),
    (iptables, {"name": "tn-local-a", "family": "ipv4", "table": "nat", "rules": ["-j RETURN"]}),
    (daemons, {"name": "d", "command": ["a", "b"], "on_change": "reload", "files": [{"path": "c/d", "content": "x"}]}),
    (daemons, {"name": "d", "command": ["a"], "files": [{"path": "c", "content": "", "mode": "0600"}]}),
]


@pytest.mark.parametrize(("view", "item"), ITEMS, ids=lambda value: getattr(value, "__name__", "").rpartition(".")[2])
def test_what_is_shown_is_what_was_written(view: typing.Any, item: Item) -> None:
    resources = [resource for part in normal(view.VIEW, "local", [item]) for resource in view.VIEW.build(part)]
    assert view.VIEW.items(resources) == [item]
