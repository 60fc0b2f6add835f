# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Changes between topologies, in place: others lose nothing, what moves is soon back, and nothing is there twice.

One story, told in the order in which it stands here; project `steady` talks through all of it.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
import typing

import pytest
import yaml
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from .deployment import PREPARED, ROOT, Deployment
from .names import lab_name
from .traffic import INTERVAL, Answers, Ping, Pings, Questions, Stream, guest

SOURCE = ROOT / "tests/integration/topologies/changes"
MOVING = "topology/projects/moving.yml"
TRAVELLER = "203.0.113.111"
COMPUTE3 = """\
    compute3:
      tenantnet_firewall: openvswitch
      tenantnet_interfaces: {management: eth0, tunnel: eth1, vlan: eth2}
      tenantnet_management_ip: 10.0.0.33
      tenantnet_tunnel_ip: 10.0.1.33
"""
BORDER = """\
    border:
      tenantnet_interfaces: {management: eth0, tunnel: eth1, vlan: eth2, external: eth3}
      tenantnet_management_ip: 10.0.0.22
      tenantnet_tunnel_ip: 10.0.1.22
"""
NETWORK = """\
  more:
    network_type: vlan
    subnets:
      more: {cidr: 192.168.7.0/24, gateway_ip: 192.168.7.1}
"""
ROUTER = """\
  second: {external_network: public, node: network, subnets: [more]}
"""
TOLD = "  l2_population: true\n  arp_responder: true\n"
TYPES = ("vxlan", "gre", "vlan")
GAP = 0.1  # seconds between two answers to a ping of `steady`
MOVED = 1.0  # seconds without an answer from what itself moves or changes
STALL = 1.0  # seconds that a stream of `steady` may stand still; the userspace datapath adds ports in its only thread

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Steady:
    """The traffic of project `steady`: across nodes, and from outside to a floating IP."""

    def __init__(self, deployed: Deployment) -> None:
        self._deployed, self._read = deployed, routes_read(deployed)
        left, right = (guest(deployed.machine(node), "steady", name) for node, name in PLACES)
        subprocess.run([*left, "ping", "-c", "1", "-w", "10", "192.168.1.12"], check=True)  # both have their leases
        self._across = Ping(left, "192.168.1.12")
        self._inwards = Ping(deployed.machine("outside").enter([]), "203.0.113.102")
        self._stream = Stream(right, left, "192.168.1.12")

    def check(self) -> None:
        """Nothing was lost since the start, but for moments in which Open vSwitch itself read its routes anew."""
        across, inwards = self._across.stop(), self._inwards.stop()
        stall = self._stream.stop()
        read = routes_read(self._deployed) - self._read
        print(f"steady: {across}, {inwards}, {read} devices changed, longest stall of the stream {stall:.3f} s")
        assert across.lost + inwards.lost <= min(read, (across.answers + inwards.answers) // 100), (across, inwards)
        assert max(across.longest_gap, inwards.longest_gap) < GAP
        assert across.answers > 100 and inwards.answers > 100
        assert stall < STALL


PLACES = (("compute1", "left"), ("compute2", "right"))


def routes_read(deployed: Deployment) -> int:
    """How often Open vSwitch had reason to forget its routes and read them anew, on the nodes of `steady`.

    With its userspace datapath it does that whenever the kernel tells it of a device that changed (name_table_change in
    its route-table.c; the counter `nln_changed`). Flows that it renews in that moment, of some milliseconds, drop what
    is for a tunnel or comes out of one. The kernel's datapath knows no such moment.
    """
    said = [deployed.node(node, "ovs-appctl", "coverage/show").stdout for node in ("network", "compute1", "compute2")]
    return sum(int(n) for text in said for n in re.findall(r"^nln_changed .*total: (\d+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Deployment]:
    deployment = Deployment(SOURCE, tmp_path_factory.mktemp("changes"), lab_name("changes"))
    try:
        deployment.succeed("lab", "site")
        yield deployment
    finally:
        deployment.succeed("destroy")


@pytest.fixture
def steady(deployed: Deployment) -> typing.Iterator[None]:
    traffic = Steady(deployed)
    yield
    traffic.check()


def meanwhile(deployed: Deployment, address: str) -> Pings:
    """What the outside hears of an address while the topology is deployed, and until it is heard of again."""
    return heard(deployed, address, deployed.machine("outside").enter([]))[0]


def heard(
    deployed: Deployment,
    address: str,
    place: typing.Sequence[str],
    asker: str = "",
    args: tuple[str, ...] = PREPARED,
) -> tuple[Pings, Answers | None]:
    """The same of a place, which also asks who has the address, when it has one to ask with."""
    pings = Ping(place, address)
    questions = Questions(place, asker, address) if asker else None
    deployed.succeed("site", args=args)
    subprocess.run([*place, "ping", "-c", "1", "-w", "10", address], check=True)
    time.sleep(10 * INTERVAL)  # so that the pings that are counted are answered, too
    return pings.stop(), questions.stop() if questions else None


def move(deployed: Deployment, old: str, new: str, asker: str = "", args: tuple[str, ...] = PREPARED) -> None:
    """Move the traveller, whom a neighbour on a third node does not miss for long, and who is never at two places."""
    deployed.edit(MOVING, f"traveller:\n    node: {old}", f"traveller:\n    node: {new}")
    neighbour = guest(deployed.machine("compute2"), "moving", "peer")
    pings, answers = heard(deployed, "192.168.1.11", neighbour, asker, args)
    print(f"instance to another node: {pings}")
    assert pings.duplicates == 0
    assert pings.longest_gap < MOVED
    assert answers is None or (len(answers.macs), answers.doubled) == (1, 0), answers
    assert answers_outside(deployed, TRAVELLER)


def told(deployed: Deployment, mtu: int) -> None:
    """A guest that runs gets to know its network's MTU, and frames of that size get through to another one."""
    peer = guest(deployed.machine("compute2"), "moving", "peer")
    until(lambda: f"mtu {mtu}" in run([*peer, "ip", "link", "show", "eth0"]), "the guest to be told")
    run([*peer, "ping", "-c", "1", "-w", "5", "-M", "do", "-s", str(mtu - 28), "192.168.1.11"])


def answers_outside(deployed: Deployment, address: str) -> bool:
    """Whether the outside reaches an address within a second."""
    return deployed.node("outside", "ping", "-c", "1", "-w", "1", address).returncode == 0


def everything(name: str, node: str) -> str:
    """A project with a network of each type, and somebody in each of them on a node."""
    networks = [f"  {name}-{type_}: {{network_type: {type_}, subnets: {{a: 192.168.9.0/24}}}}\n" for type_ in TYPES]
    members = [instance(f"{name}-{type_}", node, f"{name}-{type_}") for type_ in TYPES]
    return "".join(["networks:\n", *networks, "instances:\n", *members])


def instance(name: str, node: str, network: str) -> str:
    """An instance with an address that is chosen for it: the last lines of a project."""
    return f"  {name}: {{node: {node}, ports: [{network}]}}\n"


def chosen(deployed: Deployment, name: str) -> set[tuple[str, object]]:
    """What the lock file gives those networks, and that instance of `steady`: kinds with their values."""
    lock = yaml.safe_load((deployed.directory / "topology.lock.yml").read_text())
    found = [(type_, entry) for type_ in TYPES for entry in lock[type_] if entry["name"] == f"moving/{name}-{type_}"]
    found += [("address", entry) for entry in lock["address"] if entry["name"].startswith(f"steady/{name}")]
    return {(kind, entry["value"]) for kind, entry in found}


@pytest.mark.alone
def test_nodes_come_and_an_instance_moves_there(deployed: Deployment, steady: None) -> None:
    """Nothing else does: not to the network node, though by name it is the first one now."""
    deployed.edit("hosts.yml", "    compute2:\n", f"{COMPUTE3}    compute2:\n")
    deployed.edit("hosts.yml", "    network:\n", f"{BORDER}    network:\n")
    deployed.succeed("lab")
    move(deployed, "compute1", "compute3", args=())
    lock = (deployed.directory / "topology.lock.yml").read_text()
    assert "leaving" not in lock
    assert "border" not in lock


@pytest.mark.alone
def test_a_segment_its_type_and_its_mtu_change(deployed: Deployment, steady: None) -> None:
    narrow = "\n    mtu: 1400\n"  # first that alone, then the type alone, then both
    types = {"vxlan\n": 1450, f"vxlan{narrow}": 1400, f"gre{narrow}": 1400, "vlan\n": 1500}
    for old, new in itertools.pairwise([*types, "vxlan\n"]):
        deployed.edit(MOVING, f"network_type: {old}", f"network_type: {new}")
        pings = meanwhile(deployed, TRAVELLER)
        print(f"segment changed: {pings}")
        assert pings.duplicates == 0
        assert pings.longest_gap < MOVED
        assert answers_outside(deployed, TRAVELLER)
        told(deployed, types[new])


@pytest.mark.alone
def test_networks_and_routers_come_and_go_and_a_floating_ip_passes_to_another_port(
    deployed: Deployment, steady: None
) -> None:
    before = (deployed.directory / MOVING).read_text()
    deployed.edit(MOVING, "routers:\n", f"{NETWORK}routers:\n{ROUTER}")
    deployed.edit(MOVING, "gateway_ip: 192.168.1.1}\n", "gateway_ip: 192.168.1.1}\n      another: 192.168.8.0/24\n")
    deployed.edit(MOVING, ", floating_ip: 203.0.113.111", "")
    deployed.edit(MOVING, "fixed_ip: 192.168.1.12", "fixed_ip: 192.168.1.12, floating_ip: 203.0.113.111")
    pings = meanwhile(deployed, TRAVELLER)
    print(f"floating IP to another port: {pings}")
    assert pings.duplicates == 0
    assert pings.longest_gap < MOVED
    assert of_network_node(deployed, "192.168.7.1/24", "192.168.8.") == [True, True]
    (deployed.directory / MOVING).write_text(before)
    deployed.succeed("site", args=PREPARED)
    assert of_network_node(deployed, "192.168.7.1/24", "192.168.8.") == [False, False]


def of_network_node(deployed: Deployment, *addresses: str) -> list[bool]:
    """Whether a namespace of the network node has addresses that begin so."""
    command = "for name in $(ls /run/netns); do ip -netns $name address; done"
    said = deployed.node("network", "sh", "-c", command).stdout
    return [f"inet {address}" in said for address in addresses]


@pytest.mark.alone
def test_nodes_that_flood_and_learn_are_told_who_is_where(deployed: Deployment, steady: None) -> None:
    """What follows moves among nodes that are told."""
    deployed.edit("topology/provider.yml", "tunnels:\n", f"tunnels:\n{TOLD}")
    pings = meanwhile(deployed, TRAVELLER)
    print(f"who is where: {pings}")
    assert pings.longest_gap < GAP


@pytest.mark.alone
def test_a_node_goes_when_nothing_can_answer_there_any_more(deployed: Deployment, steady: None) -> None:
    hosts, there = deployed.hosts.read_text(), (deployed.directory / MOVING).read_text()
    deployed.edit(MOVING, "traveller:\n    node: compute3", "traveller:\n    node: compute1")
    deployed.edit("hosts.yml", COMPUTE3, "")
    assert deployed.run("site").says("may still answer on compute3, which this run leaves out")
    deployed.hosts.write_text(hosts)
    (deployed.directory / MOVING).write_text(there)
    move(deployed, "compute3", "compute1", asker="192.168.1.12")
    deployed.edit("hosts.yml", COMPUTE3, "")
    deployed.edit("hosts.yml", BORDER, "")
    deployed.succeed("lab", "site")
    assert answers_outside(deployed, TRAVELLER)
    assert "vxlan-0a000121" not in deployed.node("network", "ovs-vsctl", "list-ports", "br-tun").stdout


def test_ids_of_a_project_that_goes_stay_taken_while_a_node_is_down(deployed: Deployment) -> None:
    """Numbers of networks of all types, and an address of a network that stays."""
    elsewhere, passing = (deployed.directory / path for path in (MOVING, "topology/projects/steady.yml"))
    steady = passing.read_text()
    elsewhere.write_text(everything("old", node="compute2"))
    passing.write_text(steady + instance("old", "compute2", "private"))
    deployed.succeed("site", args=PREPARED)
    freed = chosen(deployed, "old")
    deployed.machine("compute2").kill()
    elsewhere.write_text("networks: {}\n")
    passing.write_text(steady)
    assert deployed.run("site").says("compute2")
    deployed.succeed("site", args=(*PREPARED, "--limit", "!compute2"))
    elsewhere.write_text(everything("new", node="compute1"))
    passing.write_text(steady + instance("new", "compute1", "private"))
    deployed.succeed("site", args=(*PREPARED, "--limit", "!compute2"))
    found = chosen(deployed, "new")
    assert len(freed) == len(found) == len(TYPES) + 1
    assert not freed & found
    elsewhere.write_text(f"networks:\n{NETWORK.replace('vlan', 'vxlan')}")
    passing.write_text(steady)
    deployed.succeed("lab", "site")
    lock = (deployed.directory / "topology.lock.yml").read_text()
    assert not [line for line in lock.splitlines() if "nodes:" in line and "compute3" not in line]


@pytest.mark.alone
def test_a_project_goes_and_nothing_of_it_is_left(deployed: Deployment, steady: None) -> None:
    nodes = ("controller", "network", "compute1", "compute2")
    ours = ("grep", "-c", "moving/", "/var/lib/tenantnet/state.json")
    assert any(int(deployed.node(node, *ours).stdout) for node in nodes)
    (deployed.directory / MOVING).unlink()
    deployed.edit("topology/provider.yml", "  moving: {network_types: [vxlan, vlan, gre]}\n", "")
    deployed.succeed("site", args=PREPARED)
    assert not any(int(deployed.node(node, *ours).stdout) for node in nodes)
    assert "moving/" not in (deployed.directory / "topology.lock.yml").read_text()
    assert of_network_node(deployed, "192.168.7.") == [False]
