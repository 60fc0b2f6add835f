# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What the plan writes as rules and sets is, to the letter, what the kernel's tools say of them afterwards."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.iptables import ChainDriver, IpsetDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.zones import ZoneDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Chain, Ipset, Namespace, Zone
from ansible_collections.tenantnet.ovs.plugins.plugin_utils import plan
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.iptables_firewall import ANSWER, set_name
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.rules import WITH_PORTS, rule_text
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.model import Rule
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.words import PROTOCOLS

from ..unit.test_compile import CASES, resolved

GROUP = "0b1c2d3e-0000-5000-8000-000000000001"
SET = set_name(GROUP)

MATCHES = [
    {"protocol": None},
    *({"protocol": protocol} for protocol in [*PROTOCOLS.values(), "0", "111", "255"]),
    *({"protocol": protocol, "port_range": (22, 22)} for protocol in WITH_PORTS),
    *({"protocol": protocol, "port_range": (1, 65535)} for protocol in WITH_PORTS),
    *({"protocol": "icmp", "icmp_type": kind} for kind in (0, 3, 8, 11, 254)),
    *({"protocol": "icmp", "icmp_type": kind, "icmp_code": code} for kind in (3, 8) for code in (0, 4)),
]
REMOTES = [{}, {"remote_ip_prefix": "0.0.0.0/0"}, {"remote_ip_prefix": "10.0.0.0/8"}, {"remote_group": GROUP}]
RULES = [
    Rule(direction=direction, **match, **remote)
    for direction, match, remote in itertools.product(("ingress", "egress"), MATCHES, REMOTES)
]


@pytest.fixture
def node(make_node):
    return make_node(IpsetDriver, ChainDriver, ZoneDriver)


def test_security_group_rules(node):
    texts = [rule_text(rule, SET if rule.remote_group else None, way) for rule in RULES for way in ("asks", "answers")]
    texts.append(f"{ANSWER} -j RETURN")
    where = {"slice": "instances", "namespace": "", "family": "ipv4", "table": "filter"}
    chain = Chain(**where, name="tenantnet-sg-rules", rules=tuple(texts))
    node.apply(Ipset(slice="instances", name=SET, members=("10.0.0.1",)), chain)
    _ipset, live = node.read()
    assert live.rules == chain.rules


@pytest.mark.parametrize("case", CASES)
def test_whole_nodes(node, case):
    for state in plan.compile(resolved(CASES[case])).values():
        for namespace in state.of(Namespace).values():
            run(["ip", "netns", "add", namespace.name])
        node.converge(*(r for kind in (Ipset, Chain, Zone) for r in state.of(kind).values()))
        node.converge()
        run(["ip", "-all", "netns", "delete"])
