# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Both firewalls give the same verdicts: each port is asked from each other one, and from outside, by what rules name.

What must be open follows from the rules by a reading of its own (plugin_utils/plan/verdict.py). Then the nodes exchange
their firewalls, and everything is asked again.
"""

from __future__ import annotations

import itertools
import pathlib
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import checks_floating, checks_frames
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import checks_places as places
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.check import Check
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.checks_pairs import Pair, pair
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import model

from .deployment import ROOT, Deployment
from .measured import failures, topology
from .names import lab_name

pytestmark = pytest.mark.alone

SOURCE = ROOT / "tests/integration/topologies/firewalls"
PROJECT = "topology/projects/demo.yml"
FIREWALLS = ("iptables_hybrid", "openvswitch")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Deployment]:
    deployment = Deployment(SOURCE, tmp_path_factory.mktemp("firewalls"), lab_name("firewalls"))
    try:
        deployment.succeed("lab")
        yield deployment
    finally:
        deployment.succeed("destroy")


def matrix(of: model.Topology) -> list[Check]:
    """Every pair of instances, every floating IP, and what each may send."""
    ports = sorted(places.instance_ports(of), key=lambda port: port.id)
    pairs = (
        Pair(
            name=f"matrix.{source.label}>{destination.label}",
            group="switching",
            source=places.of(of, source),
            source_port=source,
            port=destination,
        )
        for source, destination in itertools.permutations(ports, 2)
    )
    frames = (check for check in checks_frames.checks(of) if check.id.startswith(("spoofing.demo", "permitted.")))
    return [*(check for one in pairs for check in pair(of, one)), *checks_floating.checks(of), *frames]


def test_all_verdicts_are_those_of_the_rules(deployed: Deployment, tmp_path: pathlib.Path) -> None:
    deployed.succeed("site")
    checks = matrix(topology(deployed))
    about = {(check.node, check.negative) for check in checks}
    assert about >= set(itertools.product(("compute1", "compute2"), (True, False)))
    asked = {service.partition("/")[0] for check in checks for service in check.args.get("open", ())}
    assert asked == {"icmp", "tcp", "udp", "ip"}
    assert failures(deployed, checks, tmp_path) == {}


def test_they_are_the_same_when_nodes_exchange_their_firewalls(deployed: Deployment, tmp_path: pathlib.Path) -> None:
    """What tracks nothing moves with iptables_hybrid: the other one tracks all."""
    one, other = FIREWALLS
    hosts = deployed.hosts.read_text().replace(one, "").replace(other, one)
    deployed.hosts.write_text(hosts.replace("tenantnet_firewall: \n", f"tenantnet_firewall: {other}\n"))
    for number in (1, 2):
        deployed.edit(PROJECT, f"plain{number}:\n    node: compute1", f"plain{number}:\n    node: compute2")
    deployed.succeed("site")
    assert failures(deployed, matrix(topology(deployed)), tmp_path) == {}
