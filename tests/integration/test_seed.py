# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The seed topology from a bare lab to nothing left: one story, told in the order in which it stands here."""

from __future__ import annotations

import os
import re
import signal
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import DISKS
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from .deployment import ROOT, Deployment
from .names import lab_name

MEMBERS = "topology/projects/demo.yml"
SECOND = """\
  instance2:
    node: compute1
    ports:
      - {network: private, fixed_ip: 192.168.1.12}
"""
SECOND_PORT = re.compile(r'name: "demo/instance2:private", id: "(.{11})')
#: Everything of a node in which an instance leaves a trace.
ALL_OF_A_NODE = (
    "sh",
    "-c",
    "ovs-vsctl show; ovs-ofctl dump-flows br-int; iptables-save; ipset save; ip netns; ip link; ps axww;"
    " find /var/lib/tenantnet /run/tenantnet /run/service -path '*/lib/*' -prune -o -print;"
    " cat /var/lib/tenantnet/state.json",
)
IN_ROUTER = "ip netns exec $(ip netns | grep -o 'qrouter-[^ ]*')"
#: One of each kind, so that a driver that does not look is found.
BREAKAGES = (
    ("compute1", ("ovs-ofctl", "del-flows", "br-tun", "table=22")),
    ("compute1", ("iptables", "-F", "tenantnet-sg-fallback")),
    ("network", ("ovs-vsctl", "del-port", "br-int", "patch-tun")),
    ("network", ("sh", "-c", f"{IN_ROUTER} ip route del default")),
    ("network", ("sh", "-c", f"{IN_ROUTER} iptables -t nat -F tenantnet-l3-snat")),
    ("network", ("sh", "-c", "rm /var/lib/tenantnet/dhcp/*/opts")),
    ("network", ("sh", "-c", "s6-svc -wD -d /run/service/tenantnet-dhcp-dnsmasq-*")),
)
STATUS = ("/var/lib/tenantnet/bin/tenantnet-node", "status")


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Deployment]:
    deployment = Deployment(ROOT / "inventories" / "lab", tmp_path_factory.mktemp("seed"), lab_name("seed"))
    deployment.succeed("lab")
    yield deployment
    deployment.succeed("destroy")
    assert not (DISKS / lab_name("seed")).exists()


def test_check_mode_on_bare_nodes_shows_exactly_what_the_run_then_does(seed: Deployment) -> None:
    checked = seed.succeed("site", args=("--check", "--diff"))
    assert seed.node("network", "ovs-vsctl", "list-br").stdout.split() == ["br-underlay"]
    assert not list(seed.directory.glob("*.lock.yml"))
    done = seed.succeed("site", args=("--diff",))
    assert len(done.changes) > 200
    assert checked.changes == done.changes


def test_a_second_run_changes_nothing(seed: Deployment) -> None:
    again = seed.succeed("lab", "site", args=("--diff",))
    assert not again.changed, again.text
    assert not again.changes


def test_it_measures_what_was_promised(seed: Deployment) -> None:
    output = seed.succeed("verify")
    assert "111 checks passed" in output.text
    assert "not measured" not in output.text


def test_what_is_broken_is_noticed_and_repaired(seed: Deployment) -> None:
    for node, command in BREAKAGES:
        assert seed.node(node, *command).returncode == 0, command
    told = seed.node("compute1", *STATUS)
    assert told.returncode == 1
    assert "+ flow br-tun 22" in told.stdout
    failed = seed.run("verify", args=("-e", '{"tenantnet_verify_groups": ["structure"]}'))
    assert failed.says("compute1 has exactly what was planned")
    repaired = seed.succeed("site", args=("--diff",))
    assert len(repaired.changes) >= len(BREAKAGES)
    seed.succeed("verify")


def test_what_goes_leaves_nothing_and_comes_back_as_it_was(seed: Deployment) -> None:
    lock = (seed.directory / "topology.lock.yml").read_text()
    (port,) = set(SECOND_PORT.findall(lock))
    everything = seed.node("compute1", *ALL_OF_A_NODE).stdout
    traces = (port, "192.168.1.12", "instance2")
    assert all(trace in everything for trace in traces)
    seed.edit(MEMBERS, SECOND, "")
    seed.succeed("site")
    left = seed.node("compute1", *ALL_OF_A_NODE).stdout
    assert not [line for line in left.splitlines() if any(trace in line for trace in traces)]
    seed.edit(MEMBERS, "\ninstances:\n", f"\ninstances:\n{SECOND}")
    seed.succeed("site")
    assert (seed.directory / "topology.lock.yml").read_text() == lock
    seed.succeed("verify")


def test_a_wrong_topology_lists_all_problems_and_changes_nothing(seed: Deployment) -> None:
    good = (seed.directory / MEMBERS).read_text()
    lock = (seed.directory / "topology.lock.yml").read_bytes()
    seed.edit(MEMBERS, "network_type: vxlan", "network_type: vxlann")
    seed.edit(MEMBERS, "fixed_ip: 192.168.1.12", "fixed_ipp: 192.168.9.12")
    seed.edit(MEMBERS, "node: compute1", "node: compute9")
    output = seed.run("site")
    (seed.directory / MEMBERS).write_text(good)
    assert output.says("demo.yml:5:19")
    assert "did you mean 'vxlan'?" in output.text
    assert "fixed_ipp" in output.text
    assert (seed.directory / "topology.lock.yml").read_bytes() == lock
    for node in ("network", "compute1"):
        assert seed.node(node, *STATUS).returncode == 0


def test_a_power_failure_of_each_node_is_survived_without_a_deployment(seed: Deployment) -> None:
    for node in ("network", "compute1"):
        seed.machine(node).kill()
    gone = seed.run("site")
    assert gone.says("is not running; `make lab` starts it")
    seed.succeed("lab")
    for node in ("network", "compute1"):
        assert seed.node(node, *STATUS).returncode == 0
    seed.succeed("verify")


def test_a_run_that_is_killed_half_way_is_made_good_by_the_next(seed: Deployment) -> None:
    seed.edit(MEMBERS, SECOND, "")
    journal = seed.machine("compute1").path("/var/lib/tenantnet/journal.json")
    process = seed.start("site")
    try:
        until(journal.exists, "the first change", 60)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    seed.edit(MEMBERS, "\ninstances:\n", f"\ninstances:\n{SECOND}")
    seed.succeed("site")
    assert seed.node("compute1", *STATUS).returncode == 0


def test_flows_come_back_when_open_vswitch_was_killed(seed: Deployment) -> None:
    """The node's watcher sees to that; the underlay, whose device went as well, is the lab's."""
    assert seed.node("compute1", "pkill", "-KILL", "-x", "ovs-vswitchd").returncode == 0
    until(lambda: seed.node("compute1", *STATUS).returncode == 0, "the node to be as recorded", 60)
    assert "vxlan" in seed.node("compute1", "ovs-ofctl", "--names", "dump-flows", "br-tun", "table=22").stdout
    seed.succeed("lab", "verify")


def test_open_vswitch_that_does_not_run_is_one_clear_sentence(seed: Deployment) -> None:
    stop = ("s6-svc", "-wD", "-d", "/run/service/ovs-vswitchd", "/run/service/ovsdb-server")
    for service in stop[3:]:
        assert seed.node("compute1", *stop[:3], service).returncode == 0
    output = seed.run("site")
    for service in stop[3:]:
        assert seed.node("compute1", "s6-svc", "-wu", "-u", service).returncode == 0
    assert output.says("Open vSwitch is not running on this node")
    seed.succeed("site")
    seed.succeed("verify")


def test_somebody_elses_br_int_is_refused_and_stays_as_it_is(seed: Deployment) -> None:
    seed.succeed("destroy")
    seed.succeed("lab")
    seed.node(
        "network", "ovs-vsctl", "add-br", "br-int", "--", "set", "bridge", "br-int", "external_ids:owner=somebody"
    )
    before = seed.node("network", "ovs-vsctl", "show").stdout
    assert seed.run("site").says("bridge br-int exists and was not made by tenantnet")
    assert seed.node("network", "ovs-vsctl", "show").stdout == before
