# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The DHCP server of a plan: a real dnsmasq that our driver starts and tells what changes, and a client's frames."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import kernel, leases, s6
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.daemons import DaemonDriver, FileDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import probe
from ansible_collections.tenantnet.ovs.plugins.module_utils.netns import Netns
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import STATE_DIR, Daemon, File
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import dhcp
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import dhcp_options

from ..unit.test_compile import CASES, resolved

OFFER, ACK, NAK = 2, 5, 6

#: A value for each kind of option, with whatever is special about it.
VALUES = {
    "addresses": "192.0.2.1,192.0.2.2",
    "domains": "a.example.org,b.example.org",
    "routes": "10.0.0.0/8,192.168.1.9,192.0.2.128/25,192.168.1.9,0.0.0.0/0,192.168.1.1",
    "text": "it's {{ 1 }} $(x) 10:20, a=b;c <d>!",
    "seconds": "12h",
    "byte": "7",
    "short": "513",
    "long": "70000",
    "any": "",
}
#: What dnsmasq makes of a value when nobody has told it what the option is.
NUMBERS = {
    "200": "7",
    "201": "513",
    "202": "70000",
    "203": "1:a:ff",
    "204": "192.0.2.1",
    "205": "some, text",
    "128": "0",
}


class Network:
    """The network `private` of the rich topology: a server, its only one, and a client in a namespace on that wire."""

    def __init__(self, node) -> None:
        self.node, topology = node, resolved(CASES["rich"])
        ports = {id_: p for id_, p in topology.ports.items() if p.owner != "dhcp" or p.node == "network"}
        self.topology = dataclasses.replace(topology, ports=ports)
        self.network = next(n for n in self.topology.networks.values() if n.label == "demo/private")
        self.namespace = f"qdhcp-{self.network.id}"
        self.ports = {
            self.topology.instances[p.device].name: p
            for p in self.topology.ports.values()
            if p.network == self.network.id and p.owner == "instance"
        }
        self.server = next(
            ip.address
            for p in self.topology.ports.values()
            if p.network == self.network.id and p.owner == "dhcp"
            for ip in p.fixed_ips
        )

    def plug(self) -> None:
        wire = [
            "link",
            "add",
            "tap0",
            "netns",
            self.namespace,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            "client",
        ]
        for name in (self.namespace, "client"):
            run(["ip", "netns", "add", name])
        run(["ip", *wire])
        run(["ip", "-n", self.namespace, "address", "add", f"{self.server}/24", "dev", "tap0"])
        for name, device in ((self.namespace, "lo"), (self.namespace, "tap0"), ("client", "eth0")):
            run(["ip", "-n", name, "link", "set", device, "up"])

    def apply(self, **ports) -> None:
        """Make the server what the plan says, with these ports in the place of those of their instances."""
        topology = dataclasses.replace(
            self.topology, ports=self.topology.ports | {self.ports[name].id: port for name, port in ports.items()}
        )
        resources = dhcp.compile(topology, topology.nodes["network"])
        mine = [r for r in resources if isinstance(r, File) and r.path.startswith(self.network.id)]
        mine += [r for r in resources if isinstance(r, Daemon) and r.namespace == self.namespace]
        self.node.converge(*mine)

    def ask(self, *asks, address="", options=()):
        """Answers to discoveries (MAC) and renewals (MAC, address), in their order; None where there is none."""
        found = [{"mac": a, "options": list(options)} if isinstance(a, str) else self._renewal(*a) for a in asks]
        mac = found[0]["mac"]
        run(["ip", "-n", "client", "address", "flush", "dev", "eth0"])
        run(["ip", "-n", "client", "link", "set", "eth0", "address", mac])
        if isinstance(asks[0], tuple):  # whom the server answers by ARP
            run(["ip", "-n", "client", "address", "add", f"{asks[0][1]}/24", "dev", "eth0"])
        until = [[number, self.server] for number in range(len(found))]
        args = {"device": "eth0", "mac": mac, "asks": found, "until": until, "seconds": 1.5, "grace": 0.1}
        answers = json.loads(self.probe("dhcp", args))["answers"]
        return [next((a for a in answers if a["ask"] == number), None) for number in range(len(found))]

    def _renewal(self, mac, address):
        return {"mac": mac, "ciaddr": address, "options": []}

    def resolve(self, *questions):
        run(["ip", "-n", "client", "address", "replace", "192.168.1.200/24", "dev", "eth0"])
        args = {"address": self.server, "questions": questions, "until": questions, "seconds": 2, "grace": 0}
        return json.loads(self.probe("resolve", args))["answers"]

    def probe(self, operation, args):
        main = f"import sys; sys.path.insert(0, {str(pathlib.Path(probe.__file__).parents[1])!r}); "
        main += "from probe.background import main; main(sys.argv[1:])"
        return run([sys.executable, "-c", main, operation, json.dumps(args)], namespace="client")

    def leases(self):
        lines = pathlib.Path(STATE_DIR, "dhcp", self.network.id, "leases").read_text().splitlines()
        return {tuple(line.split()[1:3]) for line in lines}


@pytest.fixture
def network(scratch, make_node):
    for program in ("s6-svscan", "dnsmasq"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    for directory in ("/var/lib", "/var/log"):
        kernel.mount("tmpfs", directory, "tmpfs")
    pathlib.Path("/var/lib/misc").mkdir()
    s6.SCAN_DIR.mkdir()
    svscan = subprocess.Popen(["s6-svscan", s6.SCAN_DIR], stderr=subprocess.DEVNULL)
    until((s6.SCAN_DIR / ".s6-svscan/control").exists, "s6-svscan to be up")
    made = Network(make_node(FileDriver, DaemonDriver))
    made.plug()
    yield made
    svscan.terminate()  # ends all services first
    svscan.wait(timeout=10)
    for name in (made.namespace, "client"):
        run(["ip", "netns", "delete", name])


def test_an_address_that_passes_to_another_port_is_offered_at_once(network):
    first, second = network.ports["instance1"], network.ports["instance2"]
    network.apply()
    renewed = until(lambda: network.ask((first.mac, "192.168.1.11"))[0], "an answer of a server that starts")
    assert (renewed["message"], renewed["address"]) == (ACK, "192.168.1.11")
    gone = dataclasses.replace(first, fixed_ips=())
    moved = dataclasses.replace(second, fixed_ips=first.fixed_ips)
    network.apply(instance1=gone, instance2=moved)
    assert not network.leases() & {(p.mac, ip.address) for p in (first, second) for ip in p.fixed_ips}
    assert network.ask((first.mac, "192.168.1.11"))[0]["message"] == NAK, "a removed port's lease is not renewed"
    offered = network.ask(second.mac, first.mac)
    assert (offered[0]["message"], offered[0]["address"]) == (OFFER, "192.168.1.11")
    assert offered[1] is None, "whom it does not know any longer"


def test_a_lease_of_a_subnet_that_is_gone_is_waited_for_by_nobody(network, tmp_path):
    (tmp_path / "leases").write_text("0 fa:16:3e:00:00:01 10.77.0.5 * *\n")
    assert leases.stale(tmp_path)
    leases.release(Netns(), network.namespace, str(tmp_path))


def test_clients_that_renew_while_it_restarts_are_not_turned_away(network):
    network.apply()
    asks = [(port.mac, port.fixed_ips[0].address) for port in network.ports.values()]
    service = f"/run/service/tenantnet-dhcp-dnsmasq-{network.network.id}"
    for lost in (False, True):
        run(["s6-svc", "-wD", "-d", service])
        if lost:  # with its memory, as when another server takes over
            pathlib.Path(STATE_DIR, "dhcp", network.network.id, "leases").write_text("")
        run(["s6-svc", "-wu", "-u", service])
        for ask in asks:
            answers = until(lambda ask=ask: [a for a in network.ask(ask) if a], "an answer")
            assert [a["message"] for a in answers] == [ACK]


def test_every_option_that_a_port_may_have_is_told_as_planned(network):
    options = {option: VALUES[kind] for option, (_code, kind) in dhcp_options.OPTIONS.items()} | NUMBERS
    texts = {o: dhcp_options.value(dhcp_options.name(o), v) for o, v in options.items()}
    port = network.ports["instance1"]
    for some in (list(texts.items())[::2], list(texts.items())[1::2]):
        network.apply(instance1=dataclasses.replace(port, extra_dhcp_opts=tuple(some)))
        codes = {str(dhcp_options.code(option)): (option, value) for option, value in some}
        for batch in range(0, len(some), 8):
            asked = list(codes)[batch : batch + 8]
            found = network.ask(port.mac, options=[int(code) for code in asked])[0]["options"]
            for code in asked:
                wanted = dhcp_options.wire(*codes[code]).hex()
                assert found.get(code, "").removesuffix("00") == wanted.removesuffix("00"), codes[code]
    empty = dataclasses.replace(port, extra_dhcp_opts=(("dns-server", ""), ("router", "")))
    network.apply(instance1=empty)
    assert not {"3", "6"} & set(network.ask(port.mac, options=[3, 6])[0]["options"])


def test_names_are_found_both_ways_and_nobody_elses_are(network):
    network.apply()
    domain = network.network.dns_domain
    answers = network.resolve(f"instance2.{domain}", "instance6", "192.168.1.12", f"instance3.{domain}", "example.org")
    assert answers == {
        f"instance2.{domain}": ["192.168.1.12"],
        "instance6": ["192.168.1.13"],
        "192.168.1.12": [f"instance2.{domain}"],
        f"instance3.{domain}": [],
        "example.org": [],
    }
