# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch runs, also after a boot, and does what it is told."""

from __future__ import annotations

from testinfra.host import Host

testinfra_hosts = [f"nsenter://{node}?namespace=molecule-systemd" for node in ("network", "compute1")]


def test_it_runs_and_starts_with_the_machine(host: Host) -> None:
    assert host.check_output("systemctl is-enabled openvswitch-switch.service") == "enabled"
    assert host.check_output("systemctl is-active ovsdb-server.service ovs-vswitchd.service").split() == ["active"] * 2


def test_it_does_what_it_is_told(host: Host) -> None:
    try:
        host.check_output("ovs-vsctl add-br br-try -- set Bridge br-try datapath_type=netdev")
        assert "NORMAL" in host.check_output("ovs-ofctl dump-flows br-try")
    finally:
        host.check_output("ovs-vsctl --if-exists del-br br-try")
