# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The switch alone: no instance sends anything yet, so Open vSwitch is asked what it would do with a packet."""

from __future__ import annotations

import pytest
from testinfra.host import Host

testinfra_hosts = ["nsenter://network?namespace=molecule", "nsenter://compute1?namespace=molecule"]


def trace(host: Host, bridge: str, **packet: str) -> str:
    """What becomes of a packet."""
    fields = ",".join(f"{name}={value}" for name, value in packet.items())
    return str(host.check_output("ovs-appctl ofproto/trace %s %s", bridge, fields))


@pytest.fixture
def tunnel(host: Host) -> str:
    """The port of br-tun that leads to the other node."""
    ports = host.check_output("ovs-vsctl list-ports br-tun").split()
    (port,) = (port for port in ports if port.startswith("vxlan-"))
    return port


def test_a_network_of_nobody_ends_at_the_tunnel(host: Host, tunnel: str) -> None:
    assert "Datapath actions: drop" in trace(host, "br-tun", in_port=tunnel, tun_id="0xfffffe")


def test_a_network_comes_out_of_the_tunnel_with_its_local_vlan(host: Host, tunnel: str) -> None:
    said = trace(host, "br-tun", in_port=tunnel, tun_id="1", dl_dst="ff:ff:ff:ff:ff:ff")
    assert 'bridge("br-int")' in said
    assert "push_vlan" in said


def test_nothing_is_forwarded_for_a_port_without_a_network(host: Host) -> None:
    assert "Datapath actions: drop" in trace(host, "br-int", in_port="LOCAL", dl_vlan="4095")
