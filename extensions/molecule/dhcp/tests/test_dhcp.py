# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The DHCP server alone: whom it would answer. That it does is measured with the instances, by their leases."""

from __future__ import annotations

import pytest
from testinfra.host import Host

testinfra_hosts = ["nsenter://network?namespace=molecule"]


@pytest.fixture
def server(host: Host) -> str:
    """The namespace of the one DHCP server."""
    (name,) = (line.split()[0] for line in host.check_output("ip netns list").splitlines() if "qdhcp-" in line)
    return name


@pytest.mark.parametrize("port", [53, 67])
def test_it_listens(host: Host, server: str, port: int) -> None:
    sockets = host.check_output("ip netns exec %s ss --udp --listening --numeric --no-header", server)
    assert f":{port} " in sockets


def test_it_knows_the_ports_of_its_network_and_nobody_else(host: Host, server: str) -> None:
    known = host.file(f"/var/lib/tenantnet/dhcp/{server.removeprefix('qdhcp-')}/host").content_string
    assert {line.split(",")[2] for line in known.splitlines()} >= {"192.168.1.11", "192.168.1.12"}
