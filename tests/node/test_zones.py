# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Conntrack zones of devices: what nftables says of them, and others' tables left alone."""

from __future__ import annotations

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.nft import TABLE
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.zones import PRIORITY, ZoneDriver, forget
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Zone

ONE, TWO = (Zone(slice="instances", device=f"qbr0{n}-ab", zone=4096 + n) for n in (1, 2))
FOREIGN = "table ip others { chain prerouting { type filter hook prerouting priority -450; ct zone set 7; }; }"


@pytest.fixture
def node(make_node):
    run(["nft", FOREIGN])
    return make_node(ZoneDriver)


def ruleset() -> str:
    return run(["nft", "list", "ruleset"])


def test_zones_come_change_and_go(node):
    before = ruleset()
    assert len(node.converge(ONE)) == 1
    assert len(node.converge(ONE, TWO)) == 1
    assert len(node.converge(Zone(slice="instances", device=ONE.device, zone=5))) == 2
    assert f'"{ONE.device}" : 5' in ruleset().replace("\t", "")
    node.converge()
    assert ruleset() == before


@pytest.mark.parametrize(
    "command",
    [
        f"delete table ip {TABLE}",
        f"flush chain ip {TABLE} prerouting",
        f"add rule ip {TABLE} prerouting ct zone set 9",
        f"add chain ip {TABLE} more",
        f"delete table ip {TABLE}; add table ip {TABLE}; "
        f"add chain ip {TABLE} prerouting {{ type filter hook prerouting priority {PRIORITY + 300}; }}; "
        f'add rule ip {TABLE} prerouting ct zone set iifname map {{ "{ONE.device}" : {ONE.zone} }}',
    ],
)
def test_what_is_changed_by_hand_is_shown_and_repaired(node, command):
    node.converge(ONE, TWO)
    wanted = ruleset()
    run(["nft", command])
    assert node.diff(ONE, TWO)
    node.converge(ONE, TWO)
    assert sorted(ruleset().split()) == sorted(wanted.split())


def test_connections_that_end_by_themselves_meanwhile_are_no_error(node, tmp_path):
    """conntrack(8) gives up at one that has ended since it was listed; a third of them end then, and others stay."""
    entry = "-I --zone {0} -p udp -s 192.0.2.1 -d 198.51.100.1 --sport {1} --dport 9 --timeout {2}\n"
    entries = tmp_path / "entries"
    entries.write_text("".join(entry.format(ONE.zone, 1024 + n, (1, 2, 60)[n % 3]) for n in range(3000)))
    for _time in range(3):
        run(["conntrack", "--load-file", str(entries)])
        assert f"zone={ONE.zone}" in run(["conntrack", "-L"])
        forget(["conntrack", "-L"], ["conntrack", "-D"], "--zone=", [ONE.zone])
        assert f"zone={ONE.zone}" not in run(["conntrack", "-L"])


def test_another_error_is_one(node, tmp_path):
    with pytest.raises(TenantnetError, match="false failed"):
        forget(["echo", "zone=5"], ["false"], "--zone=", [5])
