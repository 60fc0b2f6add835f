# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A verification is worth what it refuses: each protection is taken away by itself, and the checks that tell are named.

The topology has two compute nodes, networks of all three kinds that cross them, and a second project with the addresses
of the first.
"""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest

from .deployment import ROOT, Deployment
from .names import lab_name

SOURCE = ROOT / "inventories/lab/rich"


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is taken away on a node, and which of the checks of some groups must fail: these and no others."""

    name: str
    commands: tuple[str, ...]
    groups: tuple[str, ...]
    noticed: tuple[str, ...]  # words of titles
    node: str = "compute1"

    def __str__(self) -> str:
        return self.name


FLOWS = "for p in $(ovs-vsctl list-ports br-int | grep qvo); do ovs-ofctl --names --strict del-flows br-int {}; done"
DEVICES = "for d in $(ls /sys/class/net | grep {}); do {}; done"

FAULTS = (
    Fault(
        "ARP is not looked at",
        (FLOWS.format('"table=0,priority=10,arp,in_port=\\"$p\\""'),),
        ("spoofing",),
        ("an ARP request with a forged address", "an ARP reply with a forged address"),
    ),
    Fault(
        "MACs are not looked at",
        (
            FLOWS.format('"table=0,priority=10,arp,in_port=\\"$p\\""'),
            FLOWS.format('"table=0,priority=9,in_port=\\"$p\\""'),
        ),
        ("spoofing",),
        (
            "ARP with a forged MAC",
            "an ARP request with a forged address",
            "an ARP reply with a forged address",
            "what is neither IPv4 nor ARP",
        ),
    ),
    Fault(
        "IPv6 passes",
        (
            FLOWS.format('"table=0,priority=11,ipv6,in_port=\\"$p\\""'),
            FLOWS.format('"table=0,priority=9,in_port=\\"$p\\""'),
            "ip6tables -D FORWARD -j tenantnet-sg-FORWARD",
        ),
        ("spoofing",),
        ("an IPv6 router advertisement", "a ping6", "what is neither IPv4 nor ARP"),
    ),
    Fault(
        "security groups are not asked",
        ("iptables -D FORWARD -j tenantnet-sg-FORWARD",),
        ("security", "spoofing"),
        (
            "stay closed",
            "a packet with a forged address",
            "a DHCP server's reply",
            "one from another port than a DHCP server's",
        ),
    ),
    Fault(  # either of the two that look at it is enough
        "nobody looks at the MAC of a packet",
        (FLOWS.format('"table=0,priority=9,in_port=\\"$p\\""'), "iptables -D FORWARD -j tenantnet-sg-FORWARD"),
        ("spoofing",),
        (
            "what is neither IPv4 nor ARP",
            "a packet with a forged MAC",
            "a packet with a forged address",
            "a DHCP server's reply",
            "one from another port than a DHCP server's",
        ),
    ),
    Fault(
        "routers take any source from outside",
        ("for n in $(ls /run/netns | grep qrouter); do ip netns exec $n iptables -F tenantnet-l3-forged; done",),
        ("spoofing",),
        ("Nobody outside sends with an address of",),
        node="network",
    ),
    Fault(
        "members of a group are unknown",
        ("for s in $(ipset list -name); do ipset flush $s; done",),
        ("switching",),
        ("demo/instance5 reaches demo/instance1", "other/instance2 reaches other/instance1"),
    ),
    Fault(
        "fragments of all ports wait in one queue",
        ("nft delete table ip tenantnet-sg",),
        ("isolation",),
        ("Fragments of demo/instance1 and other/instance1",),
    ),
    Fault(
        "the node is there for its guests",
        ("iptables -D INPUT -j tenantnet-sg-INPUT",),
        ("node",),
        ("reaches no address of its node compute1",),
    ),
    Fault(
        "the node sees what Open vSwitch receives",
        ("iptables -t raw -D PREROUTING -j tenantnet-sw-PREROUTING",),
        ("node",),
        ("reaches no address of its node compute1",),
    ),
    Fault(
        "bridges answer ARP",
        (DEVICES.format("qbr", "sysctl -qw net.ipv4.conf.$d.arp_ignore=0"),),
        ("node",),
        ("reaches no address of its node compute1",),
    ),
    Fault(
        "the tunnel NIC answers ARP too",
        ("sysctl -qw net.ipv4.conf.eth1.arp_ignore=0",),
        ("switching",),
        ("for the tunnel address 10.0.1.31",),
    ),
)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Deployment]:
    deployment = Deployment(SOURCE, tmp_path_factory.mktemp("verify"), lab_name("verify"))
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("failures")))  # what failed verifications leave behind
    try:
        deployment.succeed("lab", "site")
        yield deployment
    finally:
        monkeypatch.undo()
        deployment.succeed("destroy")


def test_everything_is_measured_and_right(deployed: Deployment) -> None:
    output = deployed.succeed("verify")
    assert "254 checks passed" in output.text
    assert "not measured" not in output.text


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_noticed(deployed: Deployment, fault: Fault) -> None:
    for command in fault.commands:
        done = deployed.node(fault.node, "sh", "-ec", command)
        assert done.returncode == 0, done.stderr
    output = deployed.run("verify", args=("-e", json.dumps({"tenantnet_verify_groups": fault.groups})))
    restored = deployed.node(fault.node, "/var/lib/tenantnet/bin/tenantnet-node", "restore")
    assert "was changed" in restored.stdout, restored
    failed = [line for line in output.text.splitlines() if "✗" in line]
    for words in fault.noticed:
        assert any(words in line for line in failed), output.text
    strange = [line for line in failed if not any(words in line for words in fault.noticed)]
    assert not strange, output.text
