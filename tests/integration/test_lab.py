# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The lab that `make lab` builds: its wires, its machines, and the ways into them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import lab, process, shell, spec
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine

from .names import lab_name
from .small_lab import pings

ROOT = pathlib.Path(__file__).parents[2]
BIN = pathlib.Path(sys.executable).parent
NAME = lab_name("lab")
INVENTORY = ["--inventory", "inventories/lab/hosts.yml", "--extra-vars", f"tenantnet_lab={NAME}"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def ansible(program: str, *arguments: str) -> str:
    """What Ansible said; fails the test when it failed."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    command = [str(BIN / program), *INVENTORY, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def node(name: str) -> Machine:
    """A machine of the lab of all tests."""
    return Machine(NAME, name)


@pytest.fixture(scope="module")
def built() -> typing.Iterator[lab.Lab]:
    """The lab of the example, as people build it."""
    this = lab.Lab(NAME)
    lab.absent(this)
    try:
        ansible("ansible-playbook", "playbooks/lab.yml")
        yield this
    finally:
        lab.absent(this)


def test_nodes_reach_each_other(built: lab.Lab) -> None:
    assert pings(node("compute1"), "10.0.0.11")
    assert pings(node("compute1"), "10.0.0.21")
    assert pings(node("network"), "10.0.1.31")
    assert not pings(node("controller"), "10.0.1.31"), "the controller has no tunnel NIC"


def test_the_tunnel_network_has_the_mtu_of_the_inventory(built: lab.Lab) -> None:
    assert pings(node("network"), "10.0.1.31", size=1500 - 28)
    assert not pings(node("network"), "10.0.1.31", size=1500 - 28 + 1)


def test_tcp_crosses_the_underlay_bridges(built: lab.Lab) -> None:
    """With checksums left to NICs, as they are by default, pings pass and TCP does not."""
    server = [sys.executable, "-m", "http.server", "--bind", "10.0.1.21", "--directory", "/run/netns", "8080"]
    with subprocess.Popen(node("network").enter(server), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as web:
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
            assert "Directory listing" in node("compute1").run([*fetch, "http://10.0.1.21:8080/"])
        finally:
            node("network").run(["pkill", "--full", "http.server --bind 10.0.1.21"])
            web.wait(10)


def test_the_underlay_nic_itself_is_silent(built: lab.Lab) -> None:
    answers = node("network").run(["arping", "-c", "2", "-I", "br-underlay", "10.0.1.31"])
    mac = spec.mac(NAME, "compute1", "eth1").upper()
    assert answers.count("Unicast reply") == answers.count(f"[{mac}]") == 2, answers


def test_outside_answers_with_the_address_that_it_saw(built: lab.Lab) -> None:
    network = node("network")
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
    with subprocess.Popen(node("compute1").enter(tcpdump), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dump:
        assert dump.stderr and dump.stdout
        for line in dump.stderr:
            if b"listening on" in line:
                break
        node("network").run([sys.executable, "-c", send])
        assert b"vlan 101" in dump.stdout.read()


def test_a_second_run_changes_nothing(built: lab.Lab) -> None:
    pids = {name: node(name).pid for name in built.names()}
    assert "changed=0" in ansible("ansible-playbook", "playbooks/lab.yml")
    assert pids == {name: node(name).pid for name in built.names()}


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
    command = [sys.executable, "-m", shell.__name__, "--lab", NAME, "--node", "compute1"]
    options: dict[str, typing.Any] = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run(command, input="hostname; echo $PATH", check=True, **options)
    assert done.stdout.splitlines()[0] == "compute1"
    assert done.stdout.splitlines()[1].startswith("/var/lib/tenantnet/bin:")
    done = subprocess.run([*command, "--guest", "demo/nobody"], check=False, **options)
    assert "has no guest demo/nobody" in done.stderr


def test_a_power_failure_leaves_the_disk(built: lab.Lab) -> None:
    compute = node("compute1")
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
