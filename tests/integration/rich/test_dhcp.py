# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""DHCP as clients of several makes see it, and what happens when one of two servers is gone or says too much.

A guest's own client is stopped, and another one runs in the guest; nothing of it stays behind.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from ..deployment import Deployment

pytestmark = pytest.mark.alone

ADDRESS, NAME, MTU = "192.168.2.11", "instance3", 8858  # a port with options of its own, on a subnet with a host route
ROUTES = {
    "default": "192.168.2.1",
    "169.254.169.254": "192.168.2.1",
    "10.99.0.0/16": "192.168.2.12",
    "192.168.4.0/24": "192.168.2.254",
}

#: busybox comes without a script: this one does what its default one does, and routes and MTU where it is told them.
SCRIPT = """\
#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
ip link set "$interface" mtu "${mtu:-1500}"
set -- ${staticroutes:-0.0.0.0/0 $router}
while [ "$2" ]; do ip route add "$1" via "$2"; shift 2; done
echo "search $domain" >/etc/resolv.conf
for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
"""
CLIENTS = {
    "dhclient": ("dhclient", "-4", "-1", "-lf", "/run/one.leases", "-pf", "/run/one.pid", "eth0"),
    "dhcpcd": ("dhcpcd", "-4", "--oneshot", "--waitip=4", "--noarp", "--timeout=15", "eth0"),
    "udhcpc": ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-s", "/run/udhcpc", "-O", "staticroutes", "-O", "mtu"),
    "udhcpc that asks for nothing": ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-s", "/run/udhcpc"),
}


@dataclasses.dataclass(frozen=True)
class Guest:
    """The guest on its node."""

    machine: Machine
    pid: int

    def run(self, *argv: str, stdin: str = "") -> str:
        inside = ["nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", "--pid", "--", *argv]
        done = subprocess.run(self.machine.enter(inside), input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout

    def json(self, *argv: str) -> list[dict[str, typing.Any]]:
        return typing.cast("list[dict[str, typing.Any]]", json.loads(self.run("ip", "-json", *argv)))

    def flush(self) -> None:
        self.run("ip", "address", "flush", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "mtu", "1500")

    @property
    def address(self) -> str | None:
        found = self.json("-4", "address", "show", "dev", "eth0")
        return next((a["local"] for link in found for a in link.get("addr_info", ())), None)


@pytest.fixture
def guest(rich: Deployment) -> Guest:
    machine = rich.machine("compute2")
    for file in machine.path("/run/tenantnet/guests").glob("*.pid"):
        found = Guest(machine, int(file.read_text()))
        if found.run("hostname").strip() == NAME and found.address == ADDRESS:
            return found
    raise AssertionError(f"there is no guest {NAME}")


@contextlib.contextmanager
def without_client(guest: Guest) -> typing.Iterator[None]:
    """The guest without an address, and with its own client afterwards."""
    guest.run("s6-svc", "-wD", "-d", "/run/service/dhclient")
    guest.flush()
    try:
        yield
    finally:
        guest.flush()
        guest.run("s6-svc", "-u", "/run/service/dhclient")
        until(lambda: guest.address == ADDRESS, "the guest's own client to have a lease", 30)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_gets_what_it_asks_for(guest: Guest, client: str) -> None:
    with without_client(guest):
        guest.run("tee", "/run/udhcpc", stdin=SCRIPT)
        guest.run("chmod", "755", "/run/udhcpc")
        guest.run(*CLIENTS[client])
        assert guest.address == ADDRESS
        routes = {route["dst"]: route for route in guest.json("-4", "route") if "gateway" in route}
        told = ROUTES if "nothing" not in client else {"default": ROUTES["default"]}
        assert {destination: route["gateway"] for destination, route in routes.items()} == told
        mtu = guest.json("link", "show", "eth0")[0]["mtu"]
        mtus = {int(dict(route).get("metrics", [{}])[0].get("mtu", mtu)) for route in routes.values()}
        assert mtus == {MTU}, "of the NIC, or of each route; it is told whether asked for or not"
        assert guest.run("getent", "hosts", "instance4").split() == ["192.168.2.12", "instance4.second.demo.example"]
        assert "instance4.second.demo.example" in guest.run("getent", "hosts", "192.168.2.12")
        guest.run("ping", "-c", "1", "-W", "2", "192.168.2.1")


def verified(rich: Deployment, *groups: str) -> list[str]:
    """Titles of failed checks."""
    output = rich.run("verify", args=("-e", json.dumps({"tenantnet_verify_groups": groups})))
    return [line.partition("✗ ")[2] for line in output.text.splitlines() if "✗" in line]


def test_one_server_is_enough(rich: Deployment, guest: Guest) -> None:
    services = "/run/service/tenantnet-dhcp-dnsmasq-*"
    assert rich.node("network", "sh", "-ec", f"s6-svc -wD -d {services}").returncode == 0
    try:
        with without_client(guest):
            pass
        failed = verified(rich, "leases")
        assert failed, "the dead servers are noticed"
        assert all("is offered" in title or "offer nothing" in title for title in failed), failed
    finally:
        assert rich.node("network", "sh", "-ec", f"s6-svc -wu -u {services}").returncode == 0
    assert not verified(rich, "leases", "names")


def test_a_server_that_says_too_much_is_noticed(rich: Deployment) -> None:
    add = (
        "cd /var/lib/tenantnet/dhcp; for d in *; do"
        " echo 02:00:00:00:00:01,stranger,$(head -n1 $d/host | cut -d, -f3 | cut -d. -f1-3).99 >> $d/host;"
        " echo '192.0.2.1 instance4.second.demo.example' >> $d/addn_hosts; done"
    )
    told = "for s in /run/service/tenantnet-dhcp-dnsmasq-*; do s6-svc -h $s; done"
    assert rich.node("network2", "sh", "-ec", f"{add}; {told}").returncode == 0
    failed = verified(rich, "leases", "names")
    assert rich.node("network2", "/var/lib/tenantnet/bin/tenantnet-node", "restore").returncode == 0
    assert any("offer nothing to a MAC that nobody has" in title for title in failed), failed
    assert any("finds nobody of another network by name" in title for title in failed), failed
    assert not verified(rich, "leases", "names")
