# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The lab: machines and wires that come, survive what people do to them, and go without a trace."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import lab, process, shell, spec
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import DISKS, RUNTIME, Machine
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

ROOT = pathlib.Path(__file__).parents[2]
BIN = pathlib.Path(sys.executable).parent
BUILT = "t-lab"  # by the playbook, for all tests that leave it as it was
NAME, OTHER = "t-lab-a", "t-lab-b"  # anew for each test
INVENTORY = ["--inventory", "inventories/lab/hosts.yml", "--extra-vars", f"tenantnet_lab={BUILT}"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def ansible(program: str, *arguments: str) -> str:
    """What Ansible said; fails the test when it failed."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    command = [str(BIN / program), *INVENTORY, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def small(last: int, mtu: int = 1500) -> list[spec.Spec]:
    """Two machines; `last` is the last octet of the second one's addresses."""
    nics = [
        (
            spec.Nic(name="eth0", network="management", address=f"10.0.0.{octet}/24"),
            spec.Nic(name="eth1", network="tunnel", address=f"10.0.1.{octet}/24", underlay=True, mtu=mtu),
        )
        for octet in (21, last)
    ]
    return [spec.Spec(name=name, ovs=True, nics=two) for name, two in zip(("network", "compute1"), nics, strict=True)]


def node(name: str, lab_name: str = NAME) -> Machine:
    """A machine of a lab that was made for this test."""
    return Machine(lab_name, name)


def built_node(name: str) -> Machine:
    """A machine of the lab of all tests."""
    return Machine(BUILT, name)


def pings(machine: Machine, address: str, size: int = 56) -> bool:
    """Whether an unfragmented echo request is answered; the first one may be lost to the learning of addresses."""
    try:
        machine.run(["ping", "-c", "3", "-i", "0.2", "-W", "1", "-M", "do", "-s", str(size), address])
    except TenantnetError:
        return False
    return True


class Traces:
    """What of a lab could stay behind on this host."""

    def __init__(self) -> None:
        self.links = sorted(os.listdir("/sys/class/net"))
        self.mounts = [
            line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if "t-lab-" in line
        ]
        self.names = sorted(os.listdir("/run/netns")) if pathlib.Path("/run/netns").is_dir() else []
        self.files = [str(path) for top in (RUNTIME, DISKS) for path in top.glob("t-lab-*")]
        self.processes = process.marked(f"{NAME}/") + process.marked(f"{OTHER}/")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Traces) and vars(self) == vars(other)


def inhabitants(this: lab.Lab) -> dict[int, int | None]:
    """Processes in namespaces of a lab, by whatever way they came there: process id -> start time."""
    running = [machine for name in this.names() if (machine := this.machine(name)).pid]
    wanted = {os.readlink(f"/proc/{machine.pid}/ns/{kind}") for machine in running for kind in ("net", "mnt", "pid")}
    found = {}
    for link in pathlib.Path("/proc").glob("[0-9]*/ns/*"):
        try:
            if os.readlink(link) in wanted:
                pid = int(link.parts[2])
                found[pid] = process.start_time(pid)
        except OSError:  # it has ended
            continue
    return found


def alive(processes: dict[int, int | None]) -> list[int]:
    return [pid for pid, started in processes.items() if started and process.start_time(pid) == started]


@pytest.fixture(scope="module")
def built() -> typing.Iterator[lab.Lab]:
    """The lab of the example, as people build it."""
    this = lab.Lab(BUILT)
    lab.absent(this)
    try:
        ansible("ansible-playbook", "playbooks/lab.yml")
        yield this
    finally:
        lab.absent(this)


@pytest.fixture
def nothing() -> typing.Iterator[None]:
    """No lab before, and none after."""
    for name in (NAME, OTHER):
        lab.absent(lab.Lab(name))
    before = Traces()
    yield
    for name in (NAME, OTHER):
        lab.absent(lab.Lab(name))
    assert Traces() == before


def test_nodes_reach_each_other(built: lab.Lab) -> None:
    assert pings(built_node("compute1"), "10.0.0.11")
    assert pings(built_node("compute1"), "10.0.0.21")
    assert pings(built_node("network"), "10.0.1.31")
    assert not pings(built_node("controller"), "10.0.1.31"), "the controller has no tunnel NIC"


def test_the_tunnel_network_has_the_mtu_of_the_inventory(built: lab.Lab) -> None:
    assert pings(built_node("network"), "10.0.1.31", size=1500 - 28)
    assert not pings(built_node("network"), "10.0.1.31", size=1500 - 28 + 1)


def test_tcp_crosses_the_underlay_bridges(built: lab.Lab) -> None:
    """With checksums left to NICs, as they are by default, pings pass and TCP does not."""
    server = [sys.executable, "-m", "http.server", "--bind", "10.0.1.21", "--directory", "/run/netns", "8080"]
    with subprocess.Popen(
        built_node("network").enter(server), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as web:
        try:
            fetch = [
                "curl",
                "--silent",
                "--max-time",
                "10",
                "--retry",
                "20",
                "--retry-connrefused",
                "--retry-delay",
                "1",
            ]
            assert "Directory listing" in built_node("compute1").run([*fetch, "http://10.0.1.21:8080/"])
        finally:
            built_node("network").run(["pkill", "--full", "http.server --bind 10.0.1.21"])
            web.wait(10)


def test_the_underlay_nic_itself_is_silent(built: lab.Lab) -> None:
    answers = built_node("network").run(["arping", "-c", "2", "-I", "br-underlay", "10.0.1.31"])
    mac = spec.mac(BUILT, "compute1", "eth1").upper()
    assert answers.count("Unicast reply") == answers.count(f"[{mac}]") == 2, answers


def test_outside_answers_with_the_address_that_it_saw(built: lab.Lab) -> None:
    network = built_node("network")
    network.run(["ip", "address", "add", "203.0.113.77/24", "dev", "eth3"])
    network.run(["ip", "route", "add", "198.51.100.10", "via", "203.0.113.1"])
    try:
        for address in ("203.0.113.1", "198.51.100.10"):
            said = network.run(["curl", "--silent", "--max-time", "5", f"http://{address}/"])
            assert said == "203.0.113.77\n"
    finally:
        network.run(["ip", "address", "flush", "dev", "eth3"])


def test_physical_networks_pass_vlan_tags(built: lab.Lab) -> None:
    """A tagged frame from the network node's VLAN NIC arrives as it was."""
    frame = "ffffffffffff020000000001" + "81000065" + "88b5" + "00" * 46
    send = f"import socket; s=socket.socket(17,3); s.bind(('eth2',0)); s.send(bytes.fromhex('{frame}'))"
    tcpdump = ["timeout", "10", "tcpdump", "-c", "1", "-l", "-n", "-e", "-i", "eth2", "vlan", "101"]
    with subprocess.Popen(
        built_node("compute1").enter(tcpdump), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as dump:
        assert dump.stderr and dump.stdout
        for line in dump.stderr:
            if b"listening on" in line:
                break
        built_node("network").run([sys.executable, "-c", send])
        assert b"vlan 101" in dump.stdout.read()


def test_a_second_run_changes_nothing(built: lab.Lab) -> None:
    pids = {name: built_node(name).pid for name in built.names()}
    assert "changed=0" in ansible("ansible-playbook", "playbooks/lab.yml")
    assert pids == {name: built_node(name).pid for name in built.names()}


def test_check_mode_says_what_a_run_would_do(nothing: None) -> None:
    plan = lab.present(lab.Lab(NAME), small(31), check=True)
    assert "start compute1" in [step.text for step in plan.steps]
    assert not (RUNTIME / NAME).exists()


def test_the_connection_moves_files_and_runs_commands(built: lab.Lab, tmp_path: pathlib.Path) -> None:
    there = "/run/with space and 'quote'"
    (tmp_path / "sent").write_bytes(os.urandom(100_000))
    ansible("ansible", "compute1", "-m", "copy", "-a", json.dumps({"src": str(tmp_path / "sent"), "dest": there}))
    ansible(
        "ansible", "compute1", "-m", "fetch", "-a", json.dumps({"src": there, "dest": f"{tmp_path}/got", "flat": True})
    )
    assert (tmp_path / "sent").read_bytes() == (tmp_path / "got").read_bytes()
    assert not pathlib.Path(there).exists()
    assert ansible("ansible", "compute1", "-m", "command", "-a", "hostname").splitlines()[-1] == "compute1"


def test_a_connection_to_what_does_not_run_says_so() -> None:
    command = [str(BIN / "ansible"), *INVENTORY[:3], "tenantnet_lab=t-none", "compute1", "-m", "ping"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "lab node compute1 of lab 't-none' is not running; `make lab` starts it" in done.stdout + done.stderr


def test_a_shell_is_in_the_node_and_names_guests(built: lab.Lab) -> None:
    environment = {**os.environ, "PYTHONPATH": ".ansible/collections"}
    command = [sys.executable, "-m", shell.__name__, "--lab", BUILT, "--node", "compute1"]
    options: dict[str, typing.Any] = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run(command, input="hostname; echo $PATH", check=True, **options)
    assert done.stdout.splitlines()[0] == "compute1"
    assert done.stdout.splitlines()[1].startswith("/var/lib/tenantnet/bin:")
    done = subprocess.run([*command, "--guest", "demo/nobody"], check=False, **options)
    assert "has no guest demo/nobody" in done.stderr


def test_a_power_failure_leaves_the_disk(built: lab.Lab) -> None:
    compute = built_node("compute1")
    compute.run(
        ["ovs-vsctl", "--may-exist", "add-br", "br-kept", "--", "set", "Bridge", "br-kept", "datapath_type=netdev"]
    )
    pid = compute.init_pid
    process.kill(pid)
    assert compute.pid is None
    assert "changed=1" in ansible("ansible-playbook", "playbooks/lab.yml")
    assert "br-kept" in compute.run(["ovs-vsctl", "list-br"]).split()
    assert pings(compute, "10.0.1.21")
    compute.run(["ovs-vsctl", "del-br", "br-kept"])


def test_a_node_restores_itself_after_a_power_failure(nothing: None) -> None:
    """Here a program in the place of tenantnet-node tells that it was called, after Open vSwitch and the underlay."""
    this, compute = lab.Lab(NAME), node("compute1")
    lab.present(this, small(31))
    program = compute.path("/var/lib/tenantnet/bin/tenantnet-node")
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nping -c 1 -W 5 10.0.1.21 >/dev/null && echo $1 >/run/told\n")
    program.chmod(0o755)
    compute.path("/var/lib/tenantnet/state.json").touch()
    process.kill(compute.init_pid)
    lab.present(this, small(31))
    assert compute.path("/run/told").read_text() == "restore\n"


def test_the_fabric_may_fail_too(nothing: None) -> None:
    this = lab.Lab(NAME)
    lab.present(this, small(31))
    process.kill(this.fabric.init_pid)
    lab.present(this, small(31))
    assert pings(node("network"), "10.0.1.31")
    assert not lab.present(this, small(31)).steps


def test_what_is_added_is_added_and_what_is_left_out_goes(nothing: None) -> None:
    this = lab.Lab(NAME)
    network, compute1 = small(31)
    lab.present(this, [network, compute1])
    pid = node("network").pid
    more = spec.Spec(name="network", ovs=True, nics=(*network.nics, spec.Nic(name="eth2", network="vlan")))
    lab.present(this, [more, compute1])
    assert "eth2" in this.facts()["network"]
    lab.present(this, [network])
    assert "eth2" not in this.facts()["network"]
    assert node("network").pid == pid
    assert this.names() == ["fabric", "network"]


def test_jumbo_frames(nothing: None) -> None:
    lab.present(lab.Lab(NAME), small(31, mtu=9000))
    assert pings(node("network"), "10.0.1.31", size=9000 - 28)
    assert not pings(node("network"), "10.0.1.31", size=9000 - 28 + 1)


def test_two_labs_stand_side_by_side(nothing: None) -> None:
    lab.present(lab.Lab(NAME), small(31))
    lab.present(lab.Lab(OTHER), small(32))
    assert pings(node("network"), "10.0.1.31")
    assert pings(node("network", OTHER), "10.0.1.32")
    assert not pings(node("network"), "10.0.1.32")
    lab.absent(lab.Lab(OTHER))
    assert pings(node("network"), "10.0.1.31")


def test_destroy_leaves_nothing() -> None:
    before, this = Traces(), lab.Lab(NAME)
    assert before.files == before.processes == before.mounts == []
    lab.present(this, small(31))
    node("network").run(["ip", "netns", "add", "qrouter-x"])
    with subprocess.Popen(node("network").enter(["sleep", "600"])) as visitor:
        until(lambda: visitor.pid in inhabitants(this), "the visitor to arrive")
        inside = inhabitants(this)
        assert lab.absent(this).steps
        visitor.wait(10)
    assert len(inside) > 10
    assert not alive(inside)
    assert Traces() == before
    assert not lab.absent(this).steps


@pytest.mark.parametrize("reached", ["fabric", "network", "compute1"])
@pytest.mark.parametrize("again", [False, True])
def test_a_run_that_is_killed_half_way(nothing: None, reached: str, again: bool) -> None:
    """It can be removed, and it can be completed."""
    this = lab.Lab(NAME)
    child = os.fork()
    if child == 0:
        lab.present(this, small(31))
        os._exit(0)
    until(lambda: (node(reached).runtime / "init.pid").exists(), f"{reached} to start")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if again:
        lab.present(this, small(31))
        assert pings(node("network"), "10.0.1.31")
        assert not lab.present(this, small(31)).steps
    inside = inhabitants(this)
    lab.absent(this)
    assert inside
    assert not alive(inside)


def test_a_lost_pid_file_hides_no_machine(nothing: None) -> None:
    lab.present(lab.Lab(NAME), small(31))
    shutil.rmtree(RUNTIME / NAME)
    lab.absent(lab.Lab(NAME))
    assert not process.marked(f"{NAME}/")


def test_names_stay_below_the_directories_of_labs() -> None:
    for name in ("..", "a/b", "", "A"):
        with pytest.raises(TenantnetError, match="cannot name a lab"):
            lab.absent(lab.Lab(name))
