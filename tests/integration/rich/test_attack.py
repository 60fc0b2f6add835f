# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What an attacker may try, all of it, on nodes of both firewalls; test_verify.py takes protections away."""

from __future__ import annotations

import re

import pytest
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.attacks import ATTACKS

from ..deployment import Deployment

pytestmark = pytest.mark.alone

LINE = re.compile(
    r"(?P<mark>[✓✗?]) (?P<attack>\S.*?) +(?P<tries>\d+) on (?P<nodes>.*?) +blocked; control: (?P<control>.*)"
)
ON_ROUTERS = {
    "IP spoofing from outside",
    "forged tunnel packet from outside",
    "metadata proxy by its own port",
    "nodes, OVSDB, metadata API by routers",
}


def test_all_attacks_are_blocked_by_both_firewalls(rich: Deployment) -> None:
    output = rich.succeed("attack")
    found = {match["attack"]: match for match in map(LINE.search, output.text.splitlines()) if match}
    assert list(found) == list(ATTACKS), output.text
    for attack, match in found.items():
        assert match["mark"] == "✓"
        assert match["control"] == ATTACKS[attack]
        assert ("network" if attack in ON_ROUTERS else "compute1, compute2") in match["nodes"], output.text
