# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Devices whose frames must have an Ethernet type: one table of nftables, beside those of others."""

from __future__ import annotations

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.ethertypes import PRIORITY, EthertypeDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.nft import TABLE
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Ethertype

ONE, TWO = (Ethertype(slice="instances", device=device) for device in ("tap0123456789a", "qvb0123456789a"))
FOREIGN = f"table bridge others {{ chain prerouting {{ type filter hook prerouting priority {PRIORITY}; drop; }}; }}"


@pytest.fixture
def node(make_node):
    run(["nft", FOREIGN])
    return make_node(EthertypeDriver)


def ruleset() -> str:
    return run(["nft", "list", "ruleset"])


def test_devices_come_and_go(node):
    before = ruleset()
    assert len(node.converge(ONE)) == 1
    assert len(node.converge(ONE, TWO)) == 1
    assert not node.diff(ONE, TWO)
    assert len(node.converge(TWO)) == 1
    assert not node.diff(TWO)
    node.converge()
    assert ruleset() == before


@pytest.mark.parametrize(
    "command",
    [
        f"delete table bridge {TABLE}",
        f"flush chain bridge {TABLE} prerouting",
        f"insert rule bridge {TABLE} prerouting accept",
        f"add chain bridge {TABLE} more",
    ],
)
def test_what_is_changed_by_hand_is_shown_and_repaired(node, command):
    node.converge(ONE, TWO)
    wanted = ruleset()
    run(["nft", command])
    assert node.diff(ONE, TWO)
    node.converge(ONE, TWO)
    assert sorted(ruleset().split()) == sorted(wanted.split())
