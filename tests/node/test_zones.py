# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Conntrack zones of devices: what nftables says of them, and others' tables left alone."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.nft import TABLE
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.zones import ATTEMPTS, PRIORITY, ZoneDriver, forget
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


@pytest.mark.parametrize(("times", "ended"), [(1, True), (100, False)])
def test_connections_that_end_by_themselves_meanwhile_are_no_error(node, tmp_path, times, ended):
    """conntrack(8) gives up at one that has ended since it was listed: here, some times."""
    calls, flush = tmp_path / "calls", tmp_path / "flush"
    calls.write_text("")
    said = 'echo "Operation failed: such conntrack doesn\'t exist" >&2; exit 1'
    flush.write_text(f"#!/bin/sh\necho $1 >>{calls}\n[ $(wc -l <{calls}) -gt {times} ] || {{ {said}; }}\n")
    flush.chmod(0o755)
    with contextlib.nullcontext() if ended else pytest.raises(TenantnetError, match="doesn't exist"):
        forget(["echo", "zone=5 zone=7"], [str(flush)], "--zone=", [5, 6])
    assert set(calls.read_text().split()) == {"--zone=5"}
    assert len(calls.read_text().split()) == (times + 1 if ended else ATTEMPTS)


def test_another_error_is_one(node, tmp_path):
    with pytest.raises(TenantnetError, match="false failed"):
        forget(["echo", "zone=5"], ["false"], "--zone=", [5])
