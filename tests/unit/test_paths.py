# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The way of a packet through the networks of the rich topology."""

from __future__ import annotations

import pytest
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.paths import islands, trace
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import model

from .test_compile import CASES, resolved


@pytest.fixture(scope="module")
def topology() -> model.Topology:
    return resolved(CASES["rich"])


@pytest.mark.parametrize(
    ("source", "address", "path"),
    [
        ("demo/instance2", "192.168.2.11", ["demo/router"]),
        ("demo/instance2", "192.168.3.11", ["demo/router", "demo/inner"]),  # by an extra route
        ("demo/instance2", "192.168.4.11", []),  # of which the router does not know
        ("demo/instance3", "192.168.4.11", ["demo/inner"]),  # by a host route
        ("demo/instance5", "192.168.1.12", ["demo/inner", "demo/router"]),
        ("demo/instance5", "203.0.113.1", []),
        ("demo/instance2", "192.168.3.99", []),  # nobody has it
        ("other/instance4", "192.168.1.11", []),  # of the same project, and of another
    ],
)
def test_trace(topology: model.Topology, source: str, address: str, path: list[str]) -> None:
    instance = next(i for i in topology.instances.values() if i.label == source)
    assert trace(topology, topology.ports[instance.ports[0]], address) == path


def test_islands(topology: model.Topology) -> None:
    found = islands(topology)
    name = {network.label: found.get(network.id) for network in topology.networks.values()}
    assert name["demo/private"] == name["demo/second"] == name["demo/deep"]
    assert len({name["demo/private"], name["other/private"], name["other/open"]}) == 3
    assert name["public"] is None
