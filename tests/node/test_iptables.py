# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Chains and sets on a real kernel: ours become what they should be, those of others stay what they are."""

from __future__ import annotations

import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.iptables import (
    BULK,
    ChainDriver,
    IpsetDriver,
    parse,
)
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Chain, Ipset

P = "tenantnet-sg-"

#: What an administrator has: a chain of his own, a jump to it, counters, a comment that only looks like ours.
FOREIGN = f"""\
*filter
:INPUT ACCEPT [7:588]
:FORWARD DROP [0:0]
:admin - [0:0]
[3:252] -A INPUT -j admin
[5:420] -A INPUT -s 192.0.2.1/32 -m comment --comment "not -j {P}INPUT" -j ACCEPT
[1:84] -A admin -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""


def chain(name: str, *rules: str, table: str = "filter", slice_: str = "instances", **where: typing.Any) -> Chain:
    where = {"namespace": "", "family": "ipv4", **where}
    return Chain(slice=slice_, table=table, name=name, rules=rules, **where)


INPUT = chain("INPUT", f"-j {P}INPUT")
OURS = chain(f"{P}INPUT", "-i qbr0 -j DROP", f"-m set --match-set {P}peers src -j RETURN", f"-j {P}fallback")
FALLBACK = chain(f"{P}fallback", "-j DROP")
RAW = chain("PREROUTING", f"-j {P}PREROUTING", table="raw")
ZONES = chain(f"{P}PREROUTING", "-i qvb0 -j CT --zone 4097", table="raw")
IPV6 = chain("FORWARD", f"-j {P}FORWARD", family="ipv6")
IPV6_OURS = chain(f"{P}FORWARD", "-m physdev --physdev-out tap0 -j DROP", family="ipv6")
PEERS = Ipset(slice="instances", name=f"{P}peers", members=("10.0.0.1", "10.0.0.2", "10.1.0.0/16"))
EMPTY = Ipset(slice="instances", name=f"{P}empty", members=())
MANY = Ipset(slice="instances", name=f"{P}peers", members=tuple(sorted(f"10.2.0.{i}" for i in range(2 * BULK))))

RULES = (OURS, FALLBACK, RAW, ZONES, IPV6, IPV6_OURS, PEERS)
ALL = (INPUT, *RULES)


@pytest.fixture
def node(make_node):
    run(["iptables-restore", "--counters"], FOREIGN)
    run(["ipset", "create", "admin", "hash:ip"])
    return make_node(IpsetDriver, ChainDriver)


def saved(table: str = "filter") -> list[str]:
    """Rules and chains with their counters."""
    lines = run(["iptables-save", "--counters", "--table", table]).splitlines()
    return [line for line in lines if not line.startswith("#")]


def foreign() -> list[str]:
    """What others have in the filter table."""
    return [line for line in saved() if "not -j" in line or P not in line]


def rules_of_input() -> tuple[str, ...]:
    return tuple(parse(run(["iptables-save"]))["filter"]["INPUT"].rules)


def test_everything_is_made_once_and_removed_to_the_last(node):
    before = saved(), run(["ipset", "save"])
    assert len(node.converge(*ALL)) == len(ALL)
    assert foreign() == before[0]
    node.converge()
    assert (saved(), run(["ipset", "save"])) == before
    assert P not in "".join(saved("raw")) + run(["ip6tables-save"])


@pytest.mark.parametrize(
    "command",
    [
        f"iptables -F {P}fallback",
        f"iptables -D {P}INPUT 1",
        f"iptables -A {P}INPUT -j ACCEPT",
        f"iptables -I {P}fallback -s 192.0.2.7 -j RETURN",
        f"iptables -D INPUT -j {P}INPUT",
        f"iptables -A INPUT -j {P}INPUT",
        f"iptables -I INPUT -s 192.0.2.9 -j {P}fallback",
        f"iptables -N {P}stale",
        f"iptables -t nat -N {P}stale",
        "iptables -t raw -F PREROUTING",
        f"ip6tables -F {P}FORWARD",
        f"ip6tables -D FORWARD -j {P}FORWARD",
        f"ipset add {P}peers 10.3.0.0/24",
        f"ipset del {P}peers 10.0.0.1",
        f"ipset flush {P}peers",
        f"ipset create {P}stale hash:ip",
    ],
)
def test_what_is_changed_by_hand_is_shown_and_repaired(node, command):
    node.converge(*ALL)
    before = foreign()
    run(command.split())
    assert len(node.converge(*ALL)) == 1
    assert foreign() == before


def test_chains_that_stay_keep_their_counters(node):
    node.converge(*ALL)
    run(["iptables-restore", "--noflush", "--counters"], f"*filter\n[9:9] -A {P}fallback -j LOG\nCOMMIT\n")
    node.converge(INPUT, chain(OURS.name, FALLBACK.rules[0]), chain(FALLBACK.name, "-j DROP", "-j LOG"), *RULES[2:])
    assert f"[9:9] -A {P}fallback -j LOG" in saved()


def test_jumps_stand_on_top_in_their_order_and_below_those_of_earlier_slices(node):
    node.converge(*ALL)
    jumps = chain("INPUT", f"-i lo -j {P}INPUT", f"-j {P}fallback", f"-j {P}INPUT")
    routing = (chain("INPUT", "-j tenantnet-l3-INPUT", slice_="routing"), chain("tenantnet-l3-INPUT", slice_="routing"))
    node.converge(jumps, *routing, *RULES)
    assert rules_of_input()[:5] == (*routing[0].rules, *jumps.rules, "-j admin")
    swapped = chain("INPUT", *reversed(jumps.rules))
    assert len(node.converge(swapped, *routing, *RULES)) == 1
    assert rules_of_input()[:5] == (*routing[0].rules, *swapped.rules, "-j admin")


def test_a_rule_of_somebody_else_above_ours_stays(node):
    node.converge(*ALL)
    run(["iptables", "-I", "INPUT", "-s", "192.0.2.3", "-j", "ACCEPT"])
    assert node.diff(*ALL) == []
    node.converge()
    assert rules_of_input()[:2] == ("-s 192.0.2.3/32 -j ACCEPT", "-j admin")


def test_a_namespace_is_looked_at_when_it_is_wanted_or_ours(node):
    rule = chain("tenantnet-l3-snat", "-j MASQUERADE", table="nat", slice_="routing", namespace="qrouter-1")
    assert [change.verb for change in node.diff(rule)] == ["add"]
    for name in ("qrouter-1", "theirs"):
        run(["ip", "netns", "add", name])
    run(["iptables", "-N", f"{P}theirs"], namespace="theirs")
    node.converge(rule)
    assert node.read() == []
    run(["ip", "-n", "qrouter-1", "link", "set", "lo", "alias", "tenantnet test/routing"])
    assert node.read() == [rule]
    node.converge()
    assert run(["iptables-save", "-t", "nat"], namespace="qrouter-1").count("tenantnet") == 0


def test_chains_go_with_their_namespace(node):
    rule = chain("tenantnet-l3-snat", "-j MASQUERADE", table="nat", slice_="routing", namespace="qrouter-1")
    run(["ip", "netns", "add", "qrouter-1"])
    (addition,) = node.converge(rule)
    node.netns.delete("qrouter-1")
    node.drivers[1].apply([type(addition)(rule, None)])
    assert node.read(rule) == []


def test_a_rule_that_iptables_refuses_changes_nothing(node):
    node.converge(*ALL)
    before = saved()
    with pytest.raises(TenantnetError, match="iptables-restore failed"):
        node.apply(*ALL, chain(f"{P}new", "-j ACCEPT", "-m nonsense -j DROP"))
    assert saved() == before


@pytest.mark.parametrize("program", ["iptables-save", "ipset"])
def test_a_missing_program_is_told_by_the_first_change_only(node, monkeypatch, program):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert node.read(*ALL) == []
    with pytest.raises(TenantnetError, match=f"{program} is not installed on this node"):
        node.apply(*(ALL if program == "ipset" else (FALLBACK,)))


def test_sets_change_by_a_few_members_or_as_a_whole_while_they_are_used(node):
    node.converge(*ALL)
    few = Ipset(slice="instances", name=PEERS.name, members=("10.0.0.1", "10.9.0.0/16"))
    for wanted in (few, MANY, PEERS):
        assert len(node.converge(*RULES[:-1], INPUT, wanted, EMPTY)) in (1, 2)
    assert "swap" not in run(["ipset", "list", "-name"])


def test_a_set_of_another_type_is_made_anew(node):
    run(["ipset", "create", PEERS.name, "hash:net", "maxelem", "10"])
    run(["ipset", "add", PEERS.name, "10.0.0.1"])
    (change,) = node.converge(PEERS)
    assert change.verb == "change"
