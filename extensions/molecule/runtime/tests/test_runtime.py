# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What each node has of tenantnet's own: its commands run, without the collection, and there is nothing else."""

from __future__ import annotations

import pytest
from testinfra.host import Host

testinfra_hosts = [f"nsenter://{node}?namespace=molecule" for node in ("controller", "network", "compute1")]

BIN = "/var/lib/tenantnet/bin"


@pytest.mark.parametrize("command", ["tenantnet-node", "tenantnet-handover"])
def test_a_command_runs(host: Host, command: str) -> None:
    assert "usage: " in host.check_output("%s --help", f"{BIN}/{command}")


def test_nothing_else_is_there(host: Host) -> None:
    assert all(name.startswith("tenantnet-") for name in host.check_output("ls %s", BIN).split())
