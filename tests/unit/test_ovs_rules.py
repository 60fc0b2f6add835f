# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Rules as matches of Open vSwitch: every packet that a rule allows, and no other."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.ovs_rules import masked, matches, remote
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.model import Rule

WEB = Rule(direction="ingress", protocol="tcp", port_range=(80, 80), remote_ip_prefix="10.0.0.0/8")


def holds(text: str, port: int) -> bool:
    value, _slash, mask = text.partition("/")
    return port & int(mask or "0xffff", 16) == int(value, 0)


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [
        (1, 1, 1),
        (80, 95, 1),
        (80, 443, 8),
        (1, 65535, 16),
        (1024, 65535, 6),
        (65535, 65535, 1),
        (3, 4, 2),
        (32768, 65535, 1),
    ],
)
def test_a_range_of_ports(first: int, last: int, count: int) -> None:
    pairs = masked(first, last)
    assert len(pairs) == count
    for port in range(65536):
        assert sum(holds(pair, port) for pair in pairs) == (first <= port <= last)


@pytest.mark.parametrize(
    ("rule", "asks", "answers"),
    [
        (Rule(direction="ingress"), ["ip"], ["ip"]),
        (WEB, ["tcp,tp_dst=80"], ["tcp,tp_src=80"]),
        (Rule(direction="egress", protocol="udp"), ["udp"], ["udp"]),
        (Rule(direction="egress", protocol="gre"), ["ip,nw_proto=47"], ["ip,nw_proto=47"]),
        (Rule(direction="egress", protocol="253"), ["ip,nw_proto=253"], ["ip,nw_proto=253"]),
        (Rule(direction="ingress", protocol="icmp"), ["icmp"], ["icmp"]),
        (
            Rule(direction="ingress", protocol="icmp", icmp_type=8, icmp_code=0),
            ["icmp,icmp_type=8,icmp_code=0"],
            ["icmp,ct_nw_proto=1,ct_tp_src=8,ct_tp_dst=0"],
        ),
    ],
)
def test_questions_and_their_answers(rule: Rule, asks: list[str], answers: list[str]) -> None:
    assert (matches(rule, "asks"), matches(rule, "answers")) == (asks, answers)


def test_the_remote_is_where_the_packet_comes_from_or_goes_to() -> None:
    out = dataclasses.replace(WEB, direction="egress")
    assert [remote(WEB, "asks"), remote(WEB, "answers")] == [",nw_src=10.0.0.0/8", ",nw_dst=10.0.0.0/8"]
    assert [remote(out, "asks"), remote(out, "answers")] == [",nw_dst=10.0.0.0/8", ",nw_src=10.0.0.0/8"]
    assert remote(Rule(direction="ingress"), "asks") == ""
