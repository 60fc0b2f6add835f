# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Both firewalls under way: sessions and forbidden packets run while rules, members, addresses and the firewall change.

Three instances on a real node; the engine applies what the plan says of it. There is no DHCP: addresses are set here.
"""

from __future__ import annotations

import contextlib
import pathlib
import socket
import threading
import time
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import engine, ethtool
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers import Context, Driver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.flows import FlowDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.iptables import ChainDriver, IpsetDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.netns import Netns
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Chain, Daemon, Flow, Ipset, NodeState
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until
from ansible_collections.tenantnet.ovs.plugins.plugin_utils import plan
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import allocate, lock
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import inventory, load, model

FIREWALLS: tuple[model.Firewall, ...] = ("iptables_hybrid", "openvswitch")
CLIENT, SERVER, OTHER = "192.168.1.11", "192.168.1.12", "192.168.1.13"
ALLOWED, FORBIDDEN = 5000, 5001
EDITS = 50  # with each of the firewalls
STALL = 2.0  # seconds that a stream may rest during any change, on a machine that is busy with other tests
MOVE = 8.0  # while its ports are plugged anew: what is lost meanwhile TCP repeats at growing intervals
TICK = 0.005

PROVIDER = """\
tunnels: {vxlan: {vni_ranges: ["1:10"]}}
projects: {demo: {network_types: [vxlan]}}
"""
PROJECT = """\
networks:
  private: {subnets: {private: {cidr: 192.168.1.0/24, enable_dhcp: false}}}
security_groups:
  clients: {}
  servers:
    rules:
      - {direction: ingress, protocol: udp, port_range: 7}
RULES
instances:
  client: {node: compute1, ports: [{network: private, fixed_ip: 192.168.1.11, security_groups: [CLIENTS]}]}
  server: {node: compute1, ports: [{network: private, fixed_ip: 192.168.1.12, security_groups: [servers]PAIRS}]}
  other: {node: compute1, ports: [{network: private, fixed_ip: 192.168.1.13, security_groups: [clients]}]}
  far: {node: compute2, ports: [{network: private, fixed_ip: 192.168.1.FAR, security_groups: [clients]}]}
"""
BY_GROUP = "{direction: ingress, protocol: tcp, port_range: 5000, remote_group: clients}"
BY_PREFIX = "{direction: ingress, protocol: tcp, port_range: '4990:5000', remote_ip_prefix: 192.168.1.0/28}"
UNRELATED = "{direction: ingress, protocol: udp, port_range: '6000:6100'}"

#: What the rules, the address pairs, and the far member of the group may be while the session goes on.
VARIANTS: tuple[dict[str, str], ...] = (
    {"rules": BY_GROUP},
    {"rules": f"{BY_GROUP}, {UNRELATED}"},
    {"rules": f"{BY_GROUP}, {BY_PREFIX}", "far": "14"},
    {"rules": BY_PREFIX, "pairs": ", allowed_address_pairs: [192.168.1.100]"},
    {"rules": f"{BY_PREFIX}, {BY_GROUP}, {UNRELATED}", "far": "16"},
)


def resolved(
    directory: pathlib.Path,
    firewall: model.Firewall,
    rules: str = BY_GROUP,
    clients: str = "clients",
    pairs: str = "",
    far: str = "15",
) -> model.Topology:
    """The topology of these files; what is left open is chosen as for the first time, and so the same."""
    project = PROJECT.replace("CLIENTS", clients).replace("PAIRS", pairs).replace("FAR", far)
    listed = "".join(f"      - {rule}\n" for rule in rules.replace("}, {", "}\n{").splitlines())
    (directory / "topology/projects").mkdir(parents=True, exist_ok=True)
    (directory / "topology/provider.yml").write_text(PROVIDER)
    (directory / "topology/projects/demo.yml").write_text(project.replace("RULES\n", listed))
    hosts: list[inventory.Host] = [
        {
            "name": f"compute{index}",
            "groups": ["compute_nodes"],
            "vars": {
                "tenantnet_deployment": "test",
                "tenantnet_datapath": "netdev",
                "tenantnet_firewall": firewall,
                "tenantnet_guests": True,
                "tenantnet_interfaces": {"tunnel": "eth1"},
                "tenantnet_tunnel_ip": f"10.0.1.3{index}",
            },
        }
        for index in (1, 2)
    ]
    return allocate.resolve(load.load(directory / "topology", hosts, directory / "hosts.yml"), lock.Lock())[0]


def state(topology: model.Topology) -> NodeState:
    """What the node must have, but for the guests' own processes: the test speaks for them."""
    whole = plan.compile(topology)["compute1"]
    kept = tuple(r for r in whole.resources if not isinstance(r, Daemon))
    return NodeState(deployment=whole.deployment, node=whole.node, resources=kept)


EDITED = (Ipset, Chain, Flow)


def edited(context: Context) -> list[Driver]:
    """The drivers of what the edits change."""
    return [IpsetDriver(context), ChainDriver(context), FlowDriver(context)]


class Session:
    """A TCP connection from the client to the server on which both ends send all the time."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.heard = {"client": 0, "server": 0}
        self.stall = 0.0  # the longest time in which one of the two heard nothing
        self._sockets = {"client": client, "server": server}
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=work, args=(end,)) for end in self.heard for work in (self._send, self._hear)
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, end: str) -> None:
        with contextlib.suppress(OSError):
            while not self._over.wait(TICK):
                self._sockets[end].sendall(b"x" * 64)

    def _hear(self, end: str) -> None:
        last = time.monotonic()
        with contextlib.suppress(OSError):
            while data := self._sockets[end].recv(65536):
                self.heard[end] += len(data)
                self.stall, last = max(self.stall, time.monotonic() - last), time.monotonic()

    def lives(self) -> None:
        """Return when both ends have heard something new."""
        before = dict(self.heard)
        until(lambda: all(self.heard[end] > before[end] for end in before), "both ends to hear each other", 10)

    def is_cut(self) -> None:
        """Neither end hears anything any more; what is under way has a moment to arrive."""
        quiet = 0.5

        def silent() -> bool:
            before = dict(self.heard)
            time.sleep(quiet)
            return self.heard == before

        until(silent, "the session to end", 5)

    def end(self) -> None:
        self._over.set()
        for one in self._sockets.values():
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets.values():
            one.close()


class Node:
    """compute1, and the instances on it."""

    def __init__(self, directory: pathlib.Path, stack: contextlib.ExitStack) -> None:
        self._directory, self._stack = directory, stack
        self._netns = Netns()
        stack.callback(self._netns.close)

    def apply(self, firewall: model.Firewall, **variant: str) -> engine.Result:
        return engine.apply(state(resolved(self._directory, firewall, **variant)))

    def edit(self, firewall: model.Firewall, **variant: str) -> engine.Result:
        """The same where only rules, members and addresses differ: nothing else is looked at."""
        whole = state(resolved(self._directory, firewall, **variant))
        kept = tuple(r for r in whole.resources if isinstance(r, EDITED))
        return engine.apply(NodeState(deployment=whole.deployment, node=whole.node, resources=kept), drivers=edited)

    def start(self, firewall: model.Firewall) -> None:
        """Build it for the first time, and give the instances their addresses."""
        run(["ip", "link", "add", "eth1", "type", "veth", "peer", "name", "wire"])
        self.apply(firewall)
        topology = resolved(self._directory, firewall)
        for port in topology.ports_on("compute1"):
            namespace = f"guest-{port.device}"
            run(["ip", "address", "add", f"{port.fixed_ips[0].address}/24", "dev", "eth0"], namespace=namespace)
            run(["ip", "link", "set", "eth0", "up"], namespace=namespace)
            with self._netns.enter(namespace):
                ethtool.set_tx_checksum("eth0", False)
        self._guests = {p.fixed_ips[0].address: f"guest-{p.device}" for p in topology.ports_on("compute1")}

    def socket(self, address: str, kind: socket.SocketKind, port: int = 0) -> socket.socket:
        """A socket of the instance that has an address."""
        with self._netns.enter(self._guests[address]):
            made = self._stack.enter_context(socket.socket(socket.AF_INET, kind))
        made.bind((address, port))
        return made

    def session(self) -> Session:
        listening = self.socket(SERVER, socket.SOCK_STREAM, ALLOWED)
        listening.listen()
        client = self.socket(CLIENT, socket.SOCK_STREAM)
        client.settimeout(10)
        client.connect((SERVER, ALLOWED))
        client.settimeout(None)
        session = Session(client, listening.accept()[0])
        self._stack.callback(session.end)
        return session

    def forbidden(self) -> socket.socket:
        """Where nothing may arrive of what the client and another instance send all the time."""
        over, victim = threading.Event(), self.socket(SERVER, socket.SOCK_DGRAM, FORBIDDEN)
        senders = [self.socket(address, socket.SOCK_DGRAM) for address in (CLIENT, OTHER)]

        def send() -> None:
            while not over.wait(TICK):
                for sender in senders:
                    with contextlib.suppress(OSError):
                        sender.sendto(b"x", (SERVER, FORBIDDEN))

        thread = threading.Thread(target=send)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(over.set)
        return victim


@pytest.fixture
def node(openvswitch: None, tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Node]:
    with contextlib.ExitStack() as stack:
        yield Node(tmp_path_factory.mktemp("topology"), stack)


def arrived(victim: socket.socket) -> bool:
    victim.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return bool(victim.recv(16))
    return False


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_nothing_is_opened_or_cut_by_edits_and_a_session_ends_with_its_rule(
    node: Node, firewall: model.Firewall
) -> None:
    node.start(firewall)
    session, victim = node.session(), node.forbidden()
    session.lives()
    session.stall = 0.0
    for edit in range(EDITS):
        assert node.edit(firewall, **VARIANTS[(edit + 1) % len(VARIANTS)]).changed
    session.lives()
    assert session.stall < STALL
    for reason in ({"rules": UNRELATED}, {"clients": "servers"}):  # its rule goes, or the client leaves the group
        node.edit(firewall, **reason)
        session.is_cut()
        node.edit(firewall)
        session.lives()
    assert not arrived(victim)


def test_the_firewall_changes_under_a_session(node: Node) -> None:
    node.start("iptables_hybrid")
    session, victim = node.session(), node.forbidden()
    for firewall in (*reversed(FIREWALLS), *reversed(FIREWALLS)):
        session.stall = 0.0
        node.apply(firewall)
        session.lives()
        assert session.stall < MOVE, firewall
        assert not node.apply(firewall).changed
    assert not arrived(victim)
