# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What moves: neighbours hear of it without asking, and connections to where it was end."""

from __future__ import annotations

import dataclasses
import errno
import json
import re
import socket
import time

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import Change
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.iptables import ChainDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.links import LinkDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.namespaces import NamespaceDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Chain, Link, Namespace
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from .conftest import Node

ROUTERS = ("qrouter-1", "qrouter-2")
FLOATING = "203.0.113.9"
P = "tenantnet-l3-"


def gateway(number: int, *more: str) -> tuple[Link, Link]:
    """The gateway of a router, and its other end outside."""
    name, namespace = f"qg-{number}", ROUTERS[number - 1]
    addresses = (f"203.0.113.{100 + number}/24", *more)
    inside = Link(
        slice="routing",
        namespace=namespace,
        name=name,
        kind="veth",
        peer=("", name),
        addresses=tuple(sorted(addresses)),
    )
    return inside, Link(slice="routing", namespace="", name=name, kind="veth", peer=(namespace, name), master="outside")


@pytest.fixture
def node(make_node):
    """Two routers and the world outside, which are neighbours on one wire."""
    node = make_node(NamespaceDriver, LinkDriver, ChainDriver)
    run(["ip", "link", "add", "outside", "type", "bridge"])
    run(["ip", "address", "add", "203.0.113.1/24", "dev", "outside"])
    run(["ip", "link", "set", "outside", "up"])
    return node


def outside_knows() -> str:
    """The MAC that the world outside has for the floating IP."""
    (entry,) = json.loads(run(["ip", "-json", "neigh", "show", FLOATING]))
    return str(entry["lladdr"])


def forbid_questions() -> None:
    """From now on the world outside sends no ARP request."""
    for way in ("mcast", "ucast", "app"):
        run(["sysctl", "-qw", f"net.ipv4.neigh.outside.{way}_solicit=0"])


def test_neighbours_hear_of_a_move_at_once(node: Node) -> None:
    namespaces = [Namespace(slice="routing", name=name) for name in ROUTERS]
    old = [*gateway(1, f"{FLOATING}/32"), *gateway(2)]
    new = [*gateway(1), *gateway(2, f"{FLOATING}/32")]
    node.converge(*namespaces, *old)
    run(["ping", "-c1", FLOATING])
    forbid_questions()
    before = outside_knows()
    changes = node.converge(*namespaces, *new)
    assert outside_knows() == before  # the control: addresses alone tell nobody
    started = time.monotonic()
    driver = next(driver for driver in node.drivers if isinstance(driver, LinkDriver))
    driver.announce(changes)
    until(lambda: outside_knows() != before, "the neighbour to hear of it", 1)
    assert time.monotonic() - started < 1
    run(["ping", "-c1", "-W1", FLOATING])


def test_what_stays_is_not_announced(node: Node) -> None:
    namespaces = [Namespace(slice="routing", name=name) for name in ROUTERS]
    node.converge(*namespaces, *gateway(1))
    driver = next(driver for driver in node.drivers if isinstance(driver, LinkDriver))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as heard:
        heard.settimeout(0.2)
        (inside, _outside) = gateway(1)
        driver.announce([Change(inside, dataclasses.replace(inside, mtu=1400))])
        with pytest.raises(TimeoutError):
            heard.recv(100)


# ---------------------------------------------------------------------------------------------------------- conntrack


def nat(*rules: str) -> tuple[Chain, Chain]:
    mine = {"slice": "routing", "namespace": "", "family": "ipv4", "table": "nat"}
    return Chain(**mine, name="OUTPUT", rules=(f"-j {P}OUTPUT",)), Chain(**mine, name=f"{P}OUTPUT", rules=rules)


def to(address: str, target: str) -> str:
    return f"-d {address}/32 -j DNAT --to-destination {target}"


def forward(outer: str, inner: str) -> str:
    return f"-d 10.0.0.3/32 -p tcp -m tcp --dport {outer} -j DNAT --to-destination 127.0.0.1:{inner}"


FLOATING_IP, OTHER = to("10.0.0.1", "127.0.0.1"), to("10.0.0.2", "127.0.0.1")
FORWARDING, RANGE = forward("2222", "22"), forward("5000:5009", "6000-6009/5000")


@pytest.fixture
def local(make_node):
    """A node that translates what it sends itself to addresses that it does not have."""
    node = make_node(ChainDriver)
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "route", "add", "10.0.0.0/24", "dev", "lo"])
    node.converge(*nat(FLOATING_IP, OTHER, FORWARDING, RANGE))
    return node


def connections() -> set[tuple[str, int]]:
    """Address and port that the tracked TCP connections were opened to."""
    listed = (line.split() for line in run(["conntrack", "-L", "-p", "tcp"]).splitlines())
    fields = [dict(pair.split("=", 1) for pair in reversed(words) if "=" in pair) for words in listed]
    return {(field["dst"], int(field["dport"])) for field in fields}


@pytest.mark.parametrize(
    ("left", "ended"),
    [
        ((OTHER, FORWARDING, RANGE), {("10.0.0.1", 80)}),
        ((to("10.0.0.1", "127.0.0.2"), OTHER, FORWARDING, RANGE), {("10.0.0.1", 80)}),
        ((FLOATING_IP, OTHER, RANGE), {("10.0.0.3", 2222)}),
        ((FLOATING_IP, OTHER, FORWARDING), {("10.0.0.3", 5003)}),
        ((OTHER, FLOATING_IP, RANGE, FORWARDING), set()),
        ((), {("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.3", 2222), ("10.0.0.3", 5003)}),
    ],
    ids=["floating IP gone", "other target", "forwarding gone", "range gone", "order only", "all gone"],
)
def test_connections_end_with_their_rule_and_others_go_on(local: Node, left, ended) -> None:
    servers = [socket.create_server(("127.0.0.1", port)) for port in (80, 22, 6003)]
    opened = {("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.3", 2222), ("10.0.0.3", 5003)}
    clients = [socket.create_connection(where) for where in sorted(opened)]
    assert connections() == opened
    local.converge(*nat(*left))
    assert connections() == opened - ended
    for opening in [*servers, *clients]:
        opening.close()


def hidden(*rules: str) -> tuple[Chain, Chain]:
    mine = {"slice": "routing", "namespace": "", "family": "ipv4", "table": "nat"}
    return Chain(**mine, name="POSTROUTING", rules=(f"-j {P}snat",)), Chain(**mine, name=f"{P}snat", rules=rules)


def test_connections_end_with_the_address_that_they_were_hidden_behind(make_node) -> None:
    node = make_node(ChainDriver)
    run(["ip", "link", "set", "lo", "up"])
    node.converge(*hidden("-o lo -p tcp -m tcp --dport 80 -j SNAT --to-source 127.0.0.9"))
    servers = [socket.create_server(("127.0.0.1", port)) for port in (80, 22)]
    clients = [socket.create_connection(("127.0.0.1", port)) for port in (80, 22)]
    assert connections() == {("127.0.0.1", 80), ("127.0.0.1", 22)}
    node.converge(*hidden())
    assert connections() == {("127.0.0.1", 22)}
    for opening in [*servers, *clients]:
        opening.close()


def test_what_began_without_a_rule_begins_anew(local: Node) -> None:
    local.converge(*nat())
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
    ):
        server.bind(("127.0.0.1", 99))
        server.settimeout(1)
        client.connect(("10.0.0.1", 99))
        client.send(b"too early")
        try:
            client.send(b"still")
        except OSError as exc:
            assert exc.errno == errno.ECONNREFUSED
        local.converge(*nat(FLOATING_IP))
        client.send(b"now")
        assert server.recv(10) == b"now"


def test_connections_of_tunnels_end_with_the_rule_that_leaves_them_untracked(local: Node) -> None:
    """Packets of a node that was built before may come before the rules are there."""

    def ports() -> set[str]:
        return set(re.findall(r"^udp .*? dport=(\d+)", run(["conntrack", "-L", "-p", "udp"]), re.MULTILINE))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for port in (4789, 4790):
            sender.sendto(b"x", ("127.0.0.1", port))
    assert ports() >= {"4789", "4790"}
    mine = {"slice": "switching", "namespace": "", "family": "ipv4", "table": "raw"}
    rules = ("-p udp -m udp --dport 4789 -j CT --notrack", "-p gre -j CT --notrack")
    local.converge(
        Chain(**mine, name="OUTPUT", rules=("-j tenantnet-sw-OUTPUT",)),
        Chain(**mine, name="tenantnet-sw-OUTPUT", rules=rules),
    )
    assert "4789" not in ports()
    assert "4790" in ports()
