# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Parity: what the seed topology compiles to, beside what Neutron's agents make for the same options.

parity/<node>.txt lists both, one fact a line, table by table of datapath.md (the description of Neutron's agents, see
docs/datapath.md). A line that begins with a space is the same in both. `-[difference]` is Neutron's alone,
`+[difference]` is ours alone, and docs/datapath.md gives the reason of each difference under that name. Owners are left
out: ids, MACs and the prefixes of chains stand as what they belong to, STATE as the directory of either. So are the
comments of rules, which Neutron writes and we do not.

What the page has sections for is what the files have headings for, or what the seed topology has nothing of: ABSENT.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import re
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import state
from ansible_collections.tenantnet.ovs.plugins.plugin_utils import plan
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import model

from .test_compile import CASES, ROOT, resolved

DIRECTORY = pathlib.Path(__file__).parent / "parity"
DIFFERENCES = ROOT / "docs/datapath.md"
LINE = re.compile(r"(?P<sign> |[-+]\[(?P<difference>[a-z0-9' -]+)\] )(?P<fact>\S.*)")
CHAINS = {
    "tenantnet-l3-bottom": "neutron-postrouting-bottom",
    "tenantnet-sg-chain": "P-sg-chain",
    "tenantnet-sg-fallback": "P-sg-fallback",
    "tenantnet-dh-fill": "P-POSTROUTING",
}
#: Sections of datapath.md about nodes of which the seed topology has nothing, and why.
ABSENT = {
    "1.7": "no distributed routers",
    "1.8": "cookies are the owner's mark",
    "2.3": "how chains are written: 2.4, 3.1 and 5.2 have the chains",
    "2.5": "one external gateway, with SNAT",
    "2.6": "no port forwardings, helpers or limits of bandwidth",
    "2.7": "no IPv6",
    "2.8": "no highly available routers",
    "2.9": "no distributed routers",
    "2.10": "where daemons and files are: with each daemon",
    "3.4": "what happens in time, not what is there",
    "3.5": "the network has a router",
    "5.3": "another firewall: tests/unit/test_firewalls.py",
}
SECTIONS = {1: 8, 2: 10, 3: 5, 4: 2, 5: 3}  # chapters that are about nodes, and their last section
IN_USER_SPACE = ("frames for open vswitch alone", "veth pairs")  # differences with Open vSwitch's own datapath only
OWNERS = re.compile(r"tenantnet-(?:l3|sg|dh|sw|md)-")
COOKIE = re.compile(r"cookie=0x[0-9a-f]+")
HUMAN = ("tenantnet-name",)  # external_ids for people

#: Thing -> what is said of it, in order: rules of a chain, lines of a file, arguments of a command.
Facts = dict[str, list[str]]


@pytest.fixture(scope="module")
def seed() -> model.Topology:
    return resolved(CASES["seed"])


def lines(name: str) -> list[tuple[str, str, str]]:
    """(sign, difference, fact) of a file; headings and empty lines left out."""
    found = []
    for text in (DIRECTORY / f"{name}.txt").read_text().splitlines():
        if text and not text.startswith("#"):
            match = LINE.fullmatch(text)
            assert match, f"{name}.txt: {text}"
            found.append((match["sign"][0], match["difference"] or "", match["fact"]))
    return found


def of(facts: typing.Iterable[str]) -> Facts:
    found: Facts = {}
    for fact in facts:
        thing, _colon, said = fact.partition(": ")
        found.setdefault(thing, []).append(said)
    return found


def test_each_section_is_there_or_is_absent_for_a_reason() -> None:
    texts = "".join((DIRECTORY / f"{node}.txt").read_text() for node in ("network", "compute1"))
    headings = set(re.findall(r"^# (\d+\.\d+) ", texts, re.MULTILINE))
    assert not headings & ABSENT.keys()
    assert headings | ABSENT.keys() == {f"{n}.{m}" for n, last in SECTIONS.items() for m in range(1, last + 1)}


@pytest.mark.parametrize("node", ["network", "compute1"])
def test_a_node_has_what_neutron_makes_but_for_the_differences(seed: model.Topology, node: str) -> None:
    assert of(facts(seed, node)) == of(fact for sign, _name, fact in lines(node) if sign != "-")


@pytest.mark.parametrize("node", ["network", "compute1"])
def test_with_the_datapath_of_the_kernel_fewer_differences_are_left(seed: model.Topology, node: str) -> None:
    nodes = {name: dataclasses.replace(one, datapath="system") for name, one in seed.nodes.items()}
    option = "daemon tenantnet-guest: --no-tx-checksum"  # of ours, for guests of the other one
    left = [fact for sign, name, fact in lines(node) if (sign == "-") == (name in IN_USER_SPACE) and fact != option]
    expected = [fact.replace("datapath_type: netdev", "datapath_type: system") for fact in left]
    assert of(facts(dataclasses.replace(seed, nodes=nodes), node)) == of(expected)


def test_l2_population_and_the_arp_responder_add_what_they_add_in_neutron(seed: model.Topology) -> None:
    told = dataclasses.replace(seed, l2_population=True, arp_responder=True)
    added = []
    for node in ("network", "compute1"):
        before, after = set(facts(seed, node)), set(facts(told, node))
        assert before <= after
        added += [f"{node}: {fact}" for fact in after - before]
    assert sorted(added) == sorted(fact for _sign, _name, fact in lines("l2_population"))


def test_each_difference_is_listed_with_its_reason() -> None:
    used = {name for node in ("network", "compute1", "l2_population") for _sign, name, _fact in lines(node)} - {""}
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in DIFFERENCES.read_text().splitlines()]
    listed = {row[0]: row[-1] for row in rows if len(row) == 4 and row[0] not in ("Name", "---")}
    assert used <= listed.keys()
    assert all(listed.values())


# -------------------------------------------------------------------------------------------------- a node in facts


def facts(topology: model.Topology, node: str) -> list[str]:
    """All facts of a node, in the order of its state."""
    found = itertools.chain.from_iterable(RENDER[type(r)](r) for r in plan.compile(topology)[node].resources)
    return [_anonymous(topology, fact) for fact in found]


def _anonymous(topology: model.Topology, text: str) -> str:
    for chain, name in CHAINS.items():
        text = text.replace(chain, name)
    text = text.replace(f"{state.STATE_DIR}/", "STATE/")
    text = COOKIE.sub("cookie=COOKIE", OWNERS.sub("P-", text))
    for id_, name in _names(topology).items():
        text = text.replace(id_, name)
    return text


def _names(topology: model.Topology) -> dict[str, str]:
    """Ids, MACs and beginnings of ids -> what they are, the longest first."""
    found = {}
    for port in topology.ports.values():
        if port.owner == "instance":
            name = topology.instances[port.device].name.upper()
        else:
            name = {"router_interface": "QR", "router_gateway": "QG", "dhcp": "DHCP"}[port.owner]
        found |= {port.id: f"PORT-{name}", port.mac: f"MAC-{name}", port.id[:11]: name}
        found[port.mac.replace(":", "")] = f"MAC-{name}"
    for instance in topology.instances.values():
        found[instance.id] = f"VM-{instance.name.upper()}"
    for network in topology.networks.values():
        found[network.id] = f"NET-{network.name.upper()}"
        found |= {subnet.id: "SUBNET" for subnet in network.subnets}
    found |= {router.id: "ROUTER" for router in topology.routers.values()}
    found |= {group.id[:11]: f"GROUP-{group.name.upper()}" for group in topology.security_groups.values()}
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _bridge(bridge: state.Bridge) -> typing.Iterator[str]:
    name = f"bridge {bridge.name}"
    yield f"{name} datapath_type: {bridge.datapath_type}"
    yield f"{name} fail_mode: {bridge.fail_mode}"
    yield f"{name} protocols: {','.join(bridge.protocols)}"
    yield f"{name} mcast_snooping_enable: {str(bridge.mcast_snooping).lower()}"
    yield from (f"{name} other_config {key}: {value}" for key, value in bridge.other_config.items())


def _port(port: state.Port) -> typing.Iterator[str]:
    name = f"port {port.bridge} {port.name}"
    yield f"{name} type: {port.type or 'system'}"
    if port.tag:
        yield f"{name} tag: {port.tag}"
    known = {k: v for k, v in port.external_ids.items() if k not in HUMAN}
    for column, values in {"options": port.options, "other_config": port.other_config, "external_ids": known}.items():
        yield from (f"{name} {column} {key}: {value}" for key, value in sorted(values.items()))


def _flow(flow: state.Flow) -> typing.Iterator[str]:
    yield f"flow {flow.bridge} {flow.table} {flow.priority} {flow.match or 'any'}: {flow.actions}"


def _place(namespace: str) -> str:
    return namespace.partition("-")[0] or "node"


def _namespace(namespace: state.Namespace) -> typing.Iterator[str]:
    yield from (f"sysctl {_place(namespace.name)} {name}: {value}" for name, value in sorted(namespace.sysctls.items()))


def _sysctl(sysctl: state.Sysctl) -> typing.Iterator[str]:
    yield f"sysctl node {sysctl.name.replace('/', '.')}: {sysctl.value}"


def _link(link: state.Link) -> typing.Iterator[str]:
    name = f"link {_place(link.namespace)} {link.name}"
    yield f"{name} kind: {link.kind}"
    yield f"{name} mtu: {link.mtu}"
    settings = {"mac": link.mac, "master": link.master, "promiscuous": "on" if link.promiscuous else ""}
    settings |= {key: str(value) for key, value in link.bridge.items()}
    settings |= {"tx_checksum": "" if link.tx_checksum else "off", **link.sysctls}
    yield from (f"{name} {key}: {value}" for key, value in settings.items() if value)
    yield from (f"{name} address: {address}" for address in link.addresses)


def _route(route: state.Route) -> typing.Iterator[str]:
    yield f"route {_place(route.namespace)} {route.destination}: via {route.via} dev {route.device} proto static"


def _chain(chain: state.Chain) -> typing.Iterator[str]:
    family = "iptables" if chain.family == "ipv4" else "ip6tables"
    yield from (f"{family} {_place(chain.namespace)} {chain.table} {chain.name}: {rule}" for rule in chain.rules)


def _file(file: state.File) -> typing.Iterator[str]:
    texts = (line.strip().replace("\t", " ") for line in file.content.splitlines())
    yield from (f"file {file.path.rpartition('/')[2]}: {text}" for text in texts if text and not text.startswith("#"))


def _daemon(daemon: state.Daemon) -> typing.Iterator[str]:
    words = daemon.command[1:] or ["no arguments"]
    yield from (f"daemon {daemon.command[0].rpartition('/')[2]}: {word}" for word in words)


def _ipset(ipset: state.Ipset) -> typing.Iterator[str]:
    yield from (f"ipset {ipset.name}: {member}" for member in ipset.members)


def _zone(zone: state.Zone) -> typing.Iterator[str]:
    yield f"zone {zone.device}: {zone.zone}"


def _ethertype(ethertype: state.Ethertype) -> typing.Iterator[str]:
    yield f"frames from {ethertype.device}: no LLC header"


def _module(module: state.Module) -> typing.Iterator[str]:
    yield from (
        f"sysctl node {name}: {value}, if {module.name} is loaded by us" for name, value in module.sysctls.items()
    )


RENDER: dict[type[state.Resource], typing.Callable[[typing.Any], typing.Iterator[str]]] = {
    state.Bridge: _bridge,
    state.Port: _port,
    state.Flow: _flow,
    state.Namespace: _namespace,
    state.Sysctl: _sysctl,
    state.Link: _link,
    state.Route: _route,
    state.Chain: _chain,
    state.File: _file,
    state.Daemon: _daemon,
    state.Ipset: _ipset,
    state.Module: _module,
    state.Zone: _zone,
    state.Ethertype: _ethertype,
}
