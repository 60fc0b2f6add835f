# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The router alone: no instance is there yet, so the router itself speaks for its project."""

from __future__ import annotations

import pytest
import testinfra
from testinfra.host import Host

testinfra_hosts = ["nsenter://network?namespace=molecule"]

INSIDE, ROUTER, OUTSIDE = "192.168.1.1", "203.0.113.101", "198.51.100.10"


@pytest.fixture
def router(host: Host) -> str:
    """The namespace of the one router."""
    (name,) = (line.split()[0] for line in host.check_output("ip netns list").splitlines() if "qrouter-" in line)
    return name


def test_the_outside_sees_the_project_by_the_address_of_the_router(host: Host, router: str) -> None:
    fetch = "ip netns exec %s curl --silent --max-time 5 --interface %s http://%s/"
    assert host.check_output(fetch, router, INSIDE, OUTSIDE) == ROUTER


def test_the_outside_reaches_the_router() -> None:
    outside = testinfra.get_host("nsenter://outside?namespace=molecule")
    outside.check_output("ping -c 3 -i 0.2 %s", ROUTER)  # the first one may be lost to the learning of addresses
