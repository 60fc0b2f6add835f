# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The service alone: no instance is there yet, so the agent is asked in the words of the proxy before it."""

from __future__ import annotations

import pytest
from testinfra.host import Host

testinfra_hosts = ["nsenter://network?namespace=molecule"]


@pytest.fixture
def router(host: Host) -> str:
    """The id of the one router."""
    (line,) = (line for line in host.check_output("ip netns list").splitlines() if "qrouter-" in line)
    return line.split()[0].removeprefix("qrouter-")


def ask(host: Host, router: str, address: str) -> str:
    """What an instance with that address behind the router is answered, and the status."""
    return str(
        host.check_output(
            "curl --silent --max-time 10 --write-out %s --unix-socket /run/tenantnet/metadata.sock"
            " --header %s --header %s http://169.254.169.254/latest/meta-data/hostname",
            " %{http_code}",
            f"X-Neutron-Router-ID: {router}",
            f"X-Forwarded-For: {address}",
        )
    )


def test_an_instance_is_told_who_it_is(host: Host, router: str) -> None:
    assert ask(host, router, "192.168.1.11") == "instance1 200"


def test_nobody_else_is_told_anything(host: Host, router: str) -> None:
    assert ask(host, router, "192.168.1.99").endswith(" 404")
