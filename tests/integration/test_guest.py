# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A guest on a bare machine, behind a tap with a DHCP server on it: what it gets, what it leaves alone, how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import guest, shell
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Link, NodeState, to_json
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from .names import lab_name

ROOT = pathlib.Path(__file__).parents[2]
ID = "5d6a2f0e-8f6c-5d43-9d0e-111111111111"
NETNS = f"guest-{ID}"
DISK = f"/var/lib/tenantnet/disks/{ID}"

DHCP = """
no-ping
port=0
interface=tap0
bind-dynamic
dhcp-range=192.168.1.11,192.168.1.11,1h
dhcp-option=option:classless-static-route,169.254.169.254/32,192.168.1.2,0.0.0.0/0,192.168.1.1
dhcp-option=option:dns-server,203.0.113.1
dhcp-option=option:mtu,1400
dhcp-leasefile=/run/dhcp.leases
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def node() -> typing.Iterator[Machine]:
    """A machine with a tap into the network namespace of a guest, and a DHCP server on it."""
    machine = Machine(lab_name("guest"), "compute1")
    machine.remove()
    try:
        machine.start()
        machine.run(["ip", "netns", "add", NETNS])
        machine.run(["ip", "link", "add", "tap0", "type", "veth", "peer", "name", "eth0", "netns", NETNS])
        machine.run(["ip", "address", "add", "192.168.1.2/24", "dev", "tap0"])
        machine.run(["ip", "link", "set", "tap0", "up"])
        machine.path("/run/dhcp.conf").write_text(DHCP)
        machine.run(["dnsmasq", "--conf-file=/run/dhcp.conf", "--pid-file=/run/dhcp.pid"])
        yield machine
    finally:
        machine.remove()


@contextlib.contextmanager
def running(node: Machine) -> typing.Iterator[subprocess.Popen[bytes]]:
    """The guest, while it has a lease."""
    arguments = [f"--id={ID}", "--hostname=instance1", f"--overlay={DISK}", "--no-tx-checksum", "eth0"]
    place = ["env", f"--chdir={ROOT}", "PYTHONPATH=.ansible/collections", "PYTHONDONTWRITEBYTECODE=1"]
    command = ["ip", "netns", "exec", NETNS, *place, sys.executable, "-m", guest.__name__, *arguments]
    with subprocess.Popen(node.enter(command)) as process:
        try:
            until(lambda: pid(node), "the guest to start")
            until(lambda: "169.254.169.254" in inside(node, "ip", "route"), "its lease")
            yield process
        finally:
            end(node, "TERM")
            process.wait(10)


def pid(node: Machine) -> int | None:
    """The guest's init, as the node sees it."""
    with contextlib.suppress(FileNotFoundError):
        return int(node.path(str(guest.PIDS / f"{ID}.pid")).read_text())
    return None


def inside(node: Machine, *command: str) -> str:
    """Run a program in the guest."""
    return node.run(["nsenter", f"--target={pid(node)}", "--net", "--mount", "--uts", "--pid", "--", *command])


def end(node: Machine, signal: str) -> None:
    """Send a signal to the process that is supervised: the parent of the guest's init."""
    with contextlib.suppress(TenantnetError):  # there is none
        node.run(["pkill", f"-{signal}", "--full", "module_utils.lab.guest --id"])


def left(node: Machine) -> list[str]:
    """What is there of a guest: processes, and mounts of the node."""
    processes = [line for line in node.run(["ps", "-e", "-o", "args="]).splitlines() if "dhclient" in line]
    mounts = node.path("/proc/1/mountinfo").read_text().splitlines()
    return processes + [line for line in mounts if DISK in line]


def test_everything_of_its_nic_is_from_dhcp(node: Machine) -> None:
    with running(node):
        routes = inside(node, "ip", "route").splitlines()
        assert "192.168.1.11/24" in inside(node, "ip", "-4", "address")
        assert "default via 192.168.1.1 dev eth0 " in routes
        assert "169.254.169.254 via 192.168.1.2 dev eth0 " in routes
        assert inside(node, "cat", "/sys/class/net/eth0/mtu") == "1400\n"
        assert inside(node, "cat", "/etc/resolv.conf") == "nameserver 203.0.113.1\n"


def test_it_is_another_machine_than_its_node(node: Machine) -> None:
    with running(node):
        assert inside(node, "hostname") == inside(node, "cat", "/etc/hostname") == "instance1\n"
        assert inside(node, "cat", "/etc/machine-id") == ID.replace("-", "") + "\n"
        assert "dnsmasq" not in inside(node, "ps", "-e")
        assert (
            inside(node, "find", "/root", "/home", "/tmp", "/var/lib", "-type", "f", "-not", "-name", "dhclient*") == ""
        )


def test_what_it_writes_is_its_own_and_goes_with_it(node: Machine) -> None:
    paths = ["/etc/t-guest", "/usr/bin/t-guest", "/root/t-guest", "/tmp/t-guest"]
    with running(node):
        inside(node, "touch", *paths)
        inside(node, "rm", "/etc/passwd")
        with pytest.raises(TenantnetError, match="Read-only"):
            inside(node, "touch", "/sys/kernel/uevent_seqnum")
    assert not any(pathlib.Path(path).exists() or node.path(path).exists() for path in paths)
    assert pathlib.Path("/etc/passwd").exists()
    with running(node), pytest.raises(TenantnetError, match="No such file"):
        inside(node, "ls", "/etc/t-guest")


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_it_leaves_nothing(node: Machine, signal: str) -> None:
    with running(node) as process:
        assert left(node)
        end(node, signal)
        process.wait(10)
        until(lambda: not left(node), "the guest to be gone")
        assert (pid(node) is None) == (signal == "TERM"), "only who is killed leaves the file"
        node.path(str(guest.PIDS / f"{ID}.pid")).unlink(missing_ok=True)


def test_a_person_gets_a_shell_in_it(node: Machine) -> None:
    tap = Link(
        slice="guests", namespace="", name="tap0", kind="veth", peer=(NETNS, "eth0"), alias="demo/instance1:private"
    )
    recorded = to_json(NodeState(deployment="lab", node="compute1", resources=(tap,)))
    node.path("/var/lib/tenantnet/state.json").write_text(json.dumps(recorded))
    command = [
        sys.executable,
        "-m",
        shell.__name__,
        "--lab",
        node.lab,
        "--node",
        node.name,
        "--guest",
        "demo/instance1",
    ]
    options: dict[str, typing.Any] = {
        "cwd": ROOT,
        "env": {"PATH": os.environ["PATH"], "PYTHONPATH": ".ansible/collections"},
    }
    with running(node):
        done = subprocess.run(command, input="hostname", capture_output=True, text=True, check=True, **options)
    assert done.stdout == "instance1\n"
