# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""How much of a node changes with a remote group."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import Change, diff
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import KINDS, Flow, Ipset
from ansible_collections.tenantnet.ovs.plugins.plugin_utils import plan
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import model

from .test_compile import CASES, resolved

MEMBERS = 2000


def with_members(count: int) -> model.Topology:
    """The rich topology with so many more members of a default group, on a node of their own."""
    topology = resolved(CASES["rich"])
    one = next(p for p in topology.ports.values() if p.label == "demo/instance2:private")
    more = [
        dataclasses.replace(
            one,
            id=f"{number:08x}-0000-5000-8000-000000000000",
            node="elsewhere",
            fixed_ips=(model.FixedIp(subnet=one.fixed_ips[0].subnet, address=f"10.{number >> 8}.{number & 255}.1"),),
        )
        for number in range(count)
    ]
    return dataclasses.replace(topology, ports={**topology.ports, **{p.id: p for p in more}})


def changes(node: str, before: model.Topology, after: model.Topology) -> list[Change]:
    old, new = (plan.node_state(topology, topology.nodes[node]) for topology in (before, after))
    return [change for kind in KINDS.values() for change in diff(old.of(kind), new.of(kind))]


@pytest.mark.parametrize(("node", "kind", "most"), [("compute1", Ipset, 1), ("compute2", Flow, 2)])
def test_one_more_of_many_members_is_as_much_as_one_more_of_few(node: str, kind: type, most: int) -> None:
    few, many = ((with_members(count), with_members(count + 1)) for count in (1, MEMBERS))
    for before, after in (few, many, (few[1], few[0]), (many[1], many[0])):
        found = changes(node, before, after)
        assert {change.kind for change in found} == {kind}
        assert len(found) == most
        if kind is Ipset:
            members = [set(getattr(side, "members", ())) for side in (found[0].before, found[0].after)]
            assert len(members[0] ^ members[1]) == 1
