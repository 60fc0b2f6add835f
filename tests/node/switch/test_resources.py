# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Resource modules on a real kernel and Open vSwitch: an owner's things beside those of others and of a deployment."""

from __future__ import annotations

import importlib
import os
import pathlib
import re
import signal
import socket
import typing

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.tenantnet.ovs.plugins.module_utils import engine, record
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers import Context, Driver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.iptables import ChainDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.links import LinkDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.namespaces import NamespaceDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.routes import RouteDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import ApplyFailed, Refused, TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import ovs
from ansible_collections.tenantnet.ovs.plugins.module_utils.resources import ARGUMENTS, DATABASE, Item, outcome
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import (
    Bridge,
    Chain,
    Flow,
    Link,
    Namespace,
    NodeState,
    Port,
    Resource,
    Route,
    owner,
)
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from .conftest import drivers

pytestmark = pytest.mark.usefixtures("openvswitch")

COLLECTION = "ansible_collections.tenantnet.ovs.plugins"
#: Where each module has the options of its items.
OPTIONS = {"bridges": "BRIDGE", "flows": "FLOW", "namespaces": "OPTIONS", "links": "LINK", "iptables": "CHAIN"}

WEB = {"name": "web", "type": "internal", "tag": 10}
BR0 = {"name": "br0", "datapath_type": "netdev", "ports": [WEB]}
BLUE = {"name": "blue"}
NEAR = {"name": "to-blue", "kind": "veth", "peer": {"namespace": "blue", "name": "eth0"}, "addresses": ["192.0.2.1/24"]}
FAR = {"name": "eth0", "namespace": "blue", "kind": "veth", "peer": {"name": "to-blue"}, "addresses": ["192.0.2.2/24"]}


def do(
    module: str, *config: Item, state: str = "merged", check: bool = False, name: str = "local", database: str = ""
) -> Item:
    """What a module returns for these arguments, as Ansible hands them over."""
    options = getattr(importlib.import_module(f"{COLLECTION}.modules.{module}"), OPTIONS[module])
    spec = {"config": {"type": "list", "elements": "dict", "options": options}, **ARGUMENTS, **DATABASE}
    given = {"state": state, "owner": name, **({"config": list(config)} if config or state != "deleted" else {})}
    given |= {"database_socket": database} if database else {}
    arguments = ArgumentSpecValidator(spec).validate(given)
    assert not arguments.error_messages
    view = importlib.import_module(f"{COLLECTION}.module_utils.views.{module}").VIEW
    return outcome(view, arguments.validated_parameters, check)


def gathered(module: str, name: str = "local") -> list[Item]:
    return typing.cast("list[Item]", do(module, state="gathered", name=name)["gathered"])


def vsctl(*arguments: str) -> str:
    return run(["ovs-vsctl", *arguments]).strip()


def rules_of(chain: str) -> list[str]:
    """Rules of a chain of the table filter."""
    return [line.removeprefix(f"-A {chain} ") for line in run(["iptables", "-S", chain]).splitlines()[1:]]


def test_whole_columns_come_and_go() -> None:
    trunk = {"name": "web", "type": "internal", "trunks": [20, 10], "vlan_mode": "trunk", "ofport_request": 7}
    bridge = {**BR0, "fail_mode": "secure", "external_ids": {"a": "b=c"}, "other_config": {"mac-aging-time": 9}}
    do("bridges", {**bridge, "ports": [trunk]})
    assert vsctl("get", "Port", "web", "trunks", "vlan_mode", "tag").split("\n") == ["[10, 20]", "trunk", "[]"]
    assert vsctl("get", "Interface", "web", "ofport") == "7"
    assert vsctl("get", "Bridge", "br0", "external_ids:a", "fail_mode").split() == ['"b=c"', "secure"]
    do("bridges", BR0, state="replaced")
    assert vsctl("get", "Port", "web", "trunks", "vlan_mode", "tag").split("\n") == ["[]", "[]", "10"]
    assert vsctl("get", "Bridge", "br0", "other_config", "fail_mode").split() == ["{}", "standalone"]
    assert "a=" not in vsctl("get", "Bridge", "br0", "external_ids")
    assert gathered("bridges") == [BR0]


def test_a_port_moves_to_the_bridge_that_has_it_now() -> None:
    do("bridges", BR0)
    result = do("bridges", {"name": "br1", "datapath_type": "netdev", "ports": [WEB]})
    assert result["changes"][-1] == "- port br0 web"
    assert vsctl("list-ports", "br0") == ""
    assert vsctl("list-ports", "br1") == "web"


BOND = {"name": "bond0", "members": ["a0", "b0"], "bond_mode": "balance-slb", "lacp": "passive", "bond_updelay": 50}


def wires(*names: str) -> None:
    for name in names:
        run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"far-{name}"])
        run(["ip", "link", "set", name, "up"])


def members(bond: str) -> list[str]:
    return sorted(re.findall(r"^(?:member|slave) (\S+): enabled", run(["ovs-appctl", "bond/show", bond]), re.MULTILINE))


def test_a_bond_is_made_as_it_should_be_and_made_right_again() -> None:
    wires("a0", "b0", "c0")
    bridge = {**BR0, "ports": [BOND]}
    do("bridges", bridge)
    for drift in (
        ["set", "Port", "bond0", "bond_mode=active-backup"],
        ["clear", "Port", "bond0", "lacp"],
        ["set", "Port", "bond0", "bond_updelay=0"],
        ["del-bond-iface", "bond0", "a0"],
        ["add-bond-iface", "bond0", "c0"],
        ["set", "Interface", "b0", "external_ids:a=b"],
        ["del-port", "bond0"],
    ):
        vsctl(*drift)
        assert do("bridges", bridge, state="replaced", check=True)["changed"], drift
        assert do("bridges", bridge, state="replaced")["changed"]
        assert not do("bridges", bridge, state="replaced")["changed"]
        assert "bond_mode: balance-slb" in run(["ovs-appctl", "bond/show", "bond0"])
        assert gathered("bridges") == [bridge]


def test_devices_go_from_bond_to_bond_and_to_ports_of_their_own() -> None:
    wires("a0", "b0", "c0", "d0")
    first, second = {"name": "one", "members": ["a0", "b0"]}, {"name": "two", "members": ["c0", "d0"]}
    do("bridges", {**BR0, "ports": [first, second]})
    for ports in (
        [{"name": "one", "members": ["a0", "c0"]}, {"name": "two", "members": ["b0", "d0"]}],  # members change places
        [{"name": "one", "members": ["b0", "d0"]}, {"name": "two", "members": ["a0", "c0"]}],  # all of them do
        [{"name": "one", "members": ["a0", "b0", "c0", "d0"]}],
        [{"name": "a0"}, {"name": "one", "members": ["b0", "c0"]}],
        [{"name": "a0"}, {"name": "b0"}, {"name": "c0"}],
        [{"name": "two", "members": ["a0", "b0"]}],
    ):
        do("bridges", {**BR0, "ports": ports}, state="overridden")
        assert gathered("bridges") == [{**BR0, "ports": ports}]
    do("bridges", {**BR0, "ports": [{"name": "one", "members": ["a0", "c0"]}, {"name": "b0"}]})  # merged
    assert gathered("bridges") == [{**BR0, "ports": [{"name": "b0"}, {"name": "one", "members": ["a0", "c0"]}]}]
    do("bridges", {"name": "br1", "datapath_type": "netdev", "ports": [{"name": "two", "members": ["a0", "b0"]}]})
    assert (vsctl("list-ports", "br0"), vsctl("list-ports", "br1")) == ("one", "two")
    vsctl("set", "Interface", "a0", "external_ids:by=hand")
    assert do("bridges", {"name": "br0", "mcast_snooping": True})["changed"]  # nobody's mistake elsewhere is in the way
    do("bridges", state="deleted")
    assert run(["ovs-vsctl", "list-br"]) == ""


def test_a_bond_carries_what_one_of_its_members_carries() -> None:
    do("namespaces", BLUE)
    wires("a0", "b0")
    run(["ip", "link", "set", "far-a0", "netns", "blue"])
    run(["ip", "-netns", "blue", "address", "add", "192.0.2.2/24", "dev", "far-a0"])
    run(["ip", "-netns", "blue", "link", "set", "far-a0", "up"])
    do("bridges", {**BR0, "ports": [{"name": "bond0", "members": ["a0", "b0"]}]})
    run(["ip", "address", "add", "192.0.2.1/24", "dev", "br0"])
    run(["ip", "link", "set", "br0", "up"])
    assert members("bond0") == ["a0"]  # nobody is at the other end of b0
    run(["ping", "-c", "1", "-w", "5", "192.0.2.2"])


def test_a_bond_that_cannot_work_leaves_everything_as_it_was() -> None:
    do("bridges", BR0)
    wires("a0")
    with pytest.raises(ApplyFailed, match=r"port bond0: member nic9: could not open network device nic9.*node is as"):
        do("bridges", {"name": "br0", "ports": [{"name": "bond0", "members": ["a0", "nic9"]}]})
    assert gathered("bridges") == [BR0]


def test_members_of_others_bonds_and_cards_with_addresses_are_refused() -> None:
    wires("a0", "b0", "c0", "d0")
    vsctl("add-br", "theirs", "--", "set", "Bridge", "theirs", "datapath_type=netdev")
    vsctl("add-bond", "theirs", "bond0", "a0", "b0")
    run(["ip", "address", "add", "192.0.2.1/24", "dev", "d0"])
    told = r"port {} is wanted in bridge br0; it{} exists in bridge theirs and was not made by owner local"
    for port, words in (
        ({"name": "a0"}, told.format("a0", "")),
        ({"name": "bond1", "members": ["b0", "c0"]}, told.format("bond1", " or a member of it")),
        ({"name": "bond1", "members": ["c0", "d0"]}, "d0 carries this node's address 192.0.2.1"),
    ):
        with pytest.raises(Refused, match=words):
            do("bridges", {**BR0, "ports": [port]})
    assert gathered("bridges") == []


def test_a_bridge_finds_its_controllers_and_loses_them() -> None:
    flow = {"bridge": "br0", "match": "arp", "actions": "drop"}
    bridge = {**BR0, "fail_mode": "secure"}
    do("bridges", bridge)
    do("flows", flow)
    run(["ip", "link", "set", "lo", "up"])
    with socket.create_server(("127.0.0.1", 0)) as controller:
        controllers = [f"tcp:127.0.0.1:{controller.getsockname()[1]}", "tcp:127.0.0.1:1"]
        do("bridges", {"name": "br0", "controllers": controllers})
        controller.settimeout(10)
        hello = controller.accept()[0].recv(8)
    assert hello[1] == 0  # OFPT_HELLO
    assert gathered("bridges") == [{**bridge, "controllers": sorted(controllers)}]
    row = vsctl("--bare", "--columns=_uuid", "find", "Controller", "target=tcp\\:127.0.0.1\\:1")
    assert not do("bridges", {"name": "br0", "controllers": controllers})["changed"]
    do("bridges", {**bridge, "controllers": ["tcp:127.0.0.1:1"]}, state="replaced")
    assert vsctl("--bare", "get", "Bridge", "br0", "controller") == f"[{row}]"
    vsctl("del-controller", "br0")
    assert do("bridges", {"name": "br0", "controllers": ["tcp:127.0.0.1:1"]})["changed"]
    do("bridges", bridge, state="replaced")
    assert vsctl("--bare", "--columns=target", "list", "Controller") == ""
    assert do("flows", flow)["changed"]  # Open vSwitch has forgotten them


def test_a_second_open_vswitch_is_another_one() -> None:
    """It has a network of its own: the device `ovs-netdev` of each userspace datapath has one name."""
    second = pathlib.Path("/run/second")
    second.mkdir()
    do("namespaces", BLUE)
    do("bridges", BR0)
    environment = ["env", f"OVS_RUNDIR={second}"]
    run(["ovsdb-tool", "create", f"{second}/conf.db", ovs.SCHEMA])
    options = ["--detach", "--pidfile", f"--log-file={second}/log", "--verbose=console:off"]
    run([*environment, "ovsdb-server", f"{second}/conf.db", f"--remote=punix:{second}/db.sock", *options])
    try:
        run(["ovs-vsctl", f"--db=unix:{second}/db.sock", "--no-wait", "init"])
        run([*environment, "ovs-vswitchd", f"unix:{second}/db.sock", *options], namespace="blue")
        there = {"name": "other", "database": f"{second}/db.sock"}
        do(
            "bridges",
            {"name": "br9", "datapath_type": "netdev", "ports": [{"name": "p9", "type": "internal"}]},
            **there,
        )
        flow = {"bridge": "br9", "match": "in_port=p9,arp", "actions": "drop"}
        assert do("flows", flow, **there)["changed"]
        assert not do("flows", flow, **there)["changed"]
        assert "actions=drop" in run(["ovs-ofctl", "--no-stats", "dump-flows", f"unix:{second}/br9.mgmt", "arp"])
        assert vsctl("list-br") == "br0"
        assert [bridge["name"] for bridge in gathered("bridges")] == ["br0"]
        do("bridges", state="deleted", **there)
        assert run(["ovs-vsctl", f"--db=unix:{second}/db.sock", "list-br"]) == ""
    finally:
        for name in ("ovs-vswitchd", "ovsdb-server"):
            if (pidfile := second / f"{name}.pid").exists():
                os.kill(int(pidfile.read_text()), signal.SIGTERM)
                until(lambda gone=pidfile: not gone.exists(), f"the end of {name}")


def test_one_side_of_a_patch_may_come_first() -> None:
    for name, peer in (("br0", "br1"), ("br1", "br0")):
        ports = [{"name": f"to-{peer}", "type": "patch", "options": {"peer": f"to-{name}"}}]
        do("bridges", {"name": name, "datapath_type": "netdev", "ports": ports})
    # What ovs-vswitchd says of the first one changes a moment after it works.
    until(lambda: vsctl("get", "Interface", "to-br1", "error") == "[]", "the first one to have its peer")


def test_a_port_that_cannot_work_leaves_everything_as_it_was() -> None:
    do("bridges", BR0)
    with pytest.raises(ApplyFailed, match=r"port nic9: could not open network device nic9.*\. The node is as"):
        do("bridges", {"name": "br0", "ports": [{"name": "web", "tag": 11}, {"name": "nic9"}]})
    assert gathered("bridges") == [BR0]


def test_a_bridge_of_others_is_refused_unless_it_is_adopted() -> None:
    vsctl("add-br", "theirs", "--", "set", "Bridge", "theirs", "datapath_type=netdev", "fail_mode=secure")
    vsctl("add-port", "theirs", "t0", "--", "set", "Interface", "t0", "type=internal")
    for state in ("merged", "deleted"):
        with pytest.raises(Refused, match=r"bridge theirs exists and was not made by owner local; .*give it adopt"):
            do("bridges", {"name": "theirs"}, state=state)
    adopted = {"name": "theirs", "adopt": True, "ports": [WEB]}
    assert do("bridges", adopted)["changes"] == ["+ port theirs web: type=internal tag=10"]
    assert gathered("bridges") == [adopted]
    assert not do("bridges", *gathered("bridges"), state="overridden")["changed"]
    with pytest.raises(Refused, match=r"port t0 is wanted in bridge theirs; it exists .* was not made by owner local"):
        do("bridges", {**adopted, "ports": [{"name": "t0", "type": "internal"}]})
    assert do("bridges", state="deleted")["changes"] == ["- port theirs web"]
    assert vsctl("get", "Bridge", "theirs", "fail_mode", "external_ids").split() == ["secure", "{}"]


def test_a_bridge_with_ports_of_others_stays() -> None:
    do("bridges", BR0)
    vsctl("add-port", "br0", "t0", "--", "set", "Interface", "t0", "type=internal")
    with pytest.raises(ApplyFailed, match="bridge br0 still holds ports that were not made by owner local: t0"):
        do("bridges", state="deleted")
    assert gathered("bridges") == [BR0]


def test_flows_are_compared_by_their_meaning() -> None:
    do("bridges", BR0)
    flow = {"bridge": "br0", "priority": 5, "match": "tcp,in_port=web,nw_src=192.0.2.0/24", "actions": "output:LOCAL"}
    do("flows", flow)
    other = {**flow, "match": "in_port=web,ip,nw_proto=6,nw_src=192.0.2.9/24", "actions": "LOCAL"}
    assert not do("flows", other)["changed"]
    assert do("flows", {**other, "actions": "drop"}, state="replaced")["changed"]
    assert do("flows", {"bridge": "br0", "priority": 5, "match": other["match"]}, state="deleted")["changed"]
    assert gathered("flows") == []


def test_a_flow_of_others_is_refused() -> None:
    do("bridges", BR0)
    run(["ovs-ofctl", "add-flow", "br0", "priority=5,tcp,actions=drop"])
    with pytest.raises(Refused, match="is in the way and was not made by owner local: table=0, priority=5, tcp"):
        do("flows", {"bridge": "br0", "priority": 5, "match": "tcp", "actions": "NORMAL"})


def test_a_malformed_flow_is_told() -> None:
    do("bridges", BR0)
    with pytest.raises(TenantnetError, match=r"flow br0 0 32768 tcp,colour=red: .*colour"):
        do("flows", {"bridge": "br0", "match": "tcp,colour=red", "actions": "drop"})


def test_what_a_link_was_asked_for_is_remembered() -> None:
    do("namespaces", BLUE)
    do("links", {**NEAR, "mac": "02:00:00:00:00:01", "sysctls": {"ipv4.arp_ignore": 1}}, FAR)
    before = gathered("links")
    assert not do("links", {"name": "to-blue", "up": True})["changed"]
    assert gathered("links") == before == do("links", *before, state="overridden")["after"]
    run(["ip", "link", "set", "to-blue", "address", "02:00:00:00:00:02", "mtu", "1400"])
    assert gathered("links") != before
    do("links", *before, state="overridden")
    assert gathered("links") == before


def test_routes_through_others_links_are_refused() -> None:
    do("namespaces", BLUE)
    do("links", {**NEAR, "routes": [{"destination": "198.51.100.0/24", "via": "192.0.2.2"}]}, FAR)
    assert "via 192.0.2.2 dev to-blue" in run(["ip", "route", "show", "198.51.100.0/24"])
    run(["ip", "link", "add", "nic0", "type", "bridge"])
    run(["ip", "link", "set", "nic0", "up"])
    run(["ip", "route", "add", "203.0.113.0/24", "dev", "nic0"])
    with pytest.raises(Refused, match=r"a route to 203.0.113.0/24 exists and was not made by owner local: .* nic0"):
        do("links", {"name": "to-blue", "routes": [{"destination": "203.0.113.0/24"}]})
    do("links", NEAR, state="replaced")
    assert run(["ip", "route", "show", "198.51.100.0/24"]) == ""
    assert "nic0" in run(["ip", "route", "show", "203.0.113.0/24"])


def test_links_and_namespaces_of_others_are_refused() -> None:
    run(["ip", "netns", "add", "theirs"])
    run(["ip", "link", "add", "nic0", "type", "bridge"])
    with pytest.raises(Refused, match="network namespace theirs exists and was not made by owner local"):
        do("namespaces", {"name": "theirs"})
    for config, state in (({"name": "nic0", "kind": "bridge"}, "merged"), ({"name": "nic0"}, "deleted")):
        with pytest.raises(Refused, match="link nic0 exists and was not made by owner local"):
            do("links", config, state=state)
    do("links", {"name": "b0", "namespace": "theirs", "kind": "bridge"})  # in a namespace of others is another matter
    assert do("links", state="deleted")["changes"] == ["- link theirs b0"]


def test_rules_may_be_written_in_any_way() -> None:
    chain = {
        "name": "tn-local-in",
        "rules": ["-p tcp --dport http -j ACCEPT", "-j REJECT", "-s 192.0.2.1 -j tn-local-b"],
    }
    more = {"name": "tn-local-b", "rules": []}
    jump = {"name": "INPUT", "rules": ["--jump tn-local-in"]}
    run(["iptables", "-A", "INPUT", "-s", "192.0.2.9", "-j", "ACCEPT"])
    do("iptables", chain, more, jump)
    assert not do("iptables", chain, more, jump, state="overridden")["changed"]
    rules = next(item["rules"] for item in gathered("iptables") if item["name"] == "tn-local-in")
    assert rules[0] == "-p tcp -m tcp --dport 80 -j ACCEPT"
    assert rules_of("INPUT") == ["-j tn-local-in", "-s 192.0.2.9/32 -j ACCEPT"]
    do("iptables", state="deleted")
    assert "tn-" not in run(["iptables-save"])
    assert "192.0.2.9" in run(["iptables-save"])


def test_rules_may_speak_of_sets_and_chains_of_others() -> None:
    run(["ipset", "create", "friends", "hash:ip"])
    run(["iptables", "-N", "theirs"])
    do("iptables", {"name": "tn-local-in", "rules": ["-m set --match-set friends src -j ACCEPT", "-j theirs"]})
    assert len(gathered("iptables")[0]["rules"]) == 2


def test_a_malformed_rule_is_told_and_nothing_changes() -> None:
    with pytest.raises(TenantnetError, match=r"chain tn-local-in, rule '-p tcp --dprt 80': .*unknown option"):
        do("iptables", {"name": "tn-local-in", "rules": ["-j RETURN", "-p tcp --dprt 80"]})
    assert "tn-" not in run(["iptables-save"])


def test_owners_do_not_see_each_other() -> None:
    do("bridges", BR0)
    do("namespaces", BLUE)
    assert gathered("bridges", name="other") == gathered("namespaces", name="other") == []
    assert not do("bridges", state="overridden", name="other")["changed"]
    with pytest.raises(Refused, match="bridge br0 exists and was not made by owner other"):
        do("bridges", {"name": "br0"}, name="other")
    assert gathered("bridges") == [BR0]


def node_drivers(context: Context) -> list[Driver]:
    """What a deployment and resource modules both have to do with here."""
    linux = (LinkDriver, RouteDriver, NamespaceDriver, ChainDriver)
    return [*drivers(context), *(driver(context) for driver in linux)]


FILTER: typing.Any = {"slice": "instances", "namespace": "", "family": "ipv4", "table": "filter"}
DEPLOYED: tuple[Resource, ...] = (
    Bridge(slice="switching", name="br-int", datapath_type="netdev"),
    Port(slice="dhcp", bridge="br-int", name="tap1", type="internal", tag=1),
    Flow(slice="switching", bridge="br-int", table=0, priority=1, match="", actions="NORMAL"),
    Namespace(slice="routing", name="qrouter-1"),
    Link(slice="routing", namespace="qrouter-1", name="b0", kind="bridge", addresses=("198.51.100.1/24",)),
    Route(slice="routing", namespace="qrouter-1", destination="203.0.113.0/24", device="b0"),
    Chain(**FILTER, name="tenantnet-sg-INPUT", rules=("-j DROP",)),
    Chain(**FILTER, name="INPUT", rules=("-j tenantnet-sg-INPUT",)),
)

MODULES: dict[str, list[Item]] = {
    "namespaces": [BLUE],
    "links": [NEAR, {**FAR, "routes": [{"destination": "0.0.0.0/0", "via": "192.0.2.1"}]}],
    "bridges": [BR0, {"name": "br-int", "adopt": True, "ports": [{"name": "mine", "type": "internal"}]}],
    "flows": [
        {"bridge": "br0", "table": 0, "priority": 1, "match": "", "actions": "drop"},
        {"bridge": "br-int", "table": 0, "priority": 7, "match": 'in_port="mine"', "actions": "drop"},
    ],
    "iptables": [
        {"name": "INPUT", "family": "ipv4", "table": "filter", "rules": ["-j tn-local-in"]},
        {"name": "tn-local-in", "family": "ipv4", "table": "filter", "rules": ["-j ACCEPT"]},
    ],
}


def test_a_deployment_and_an_owner_leave_each_other_alone() -> None:
    state = NodeState(deployment="lab", node="scratch", resources=DEPLOYED)

    def deploy(resources: tuple[Resource, ...] = DEPLOYED, check: bool = True) -> tuple[str, ...]:
        wanted = NodeState(deployment="lab", node="scratch", resources=resources)
        result = engine.apply(wanted, drivers=node_drivers, check=check)
        return tuple(change.describe() for change in result.changes)

    deploy(check=False)
    for module, config in MODULES.items():
        assert do(module, *config)["changed"]
    assert deploy() == ()
    assert rules_of("INPUT") == ["-j tenantnet-sg-INPUT", "-j tn-local-in"]
    for module, config in MODULES.items():
        assert gathered(module) == sorted(config, key=lambda item: str([item.get("namespace", ""), *item.values()]))
        assert not do(module, *config, state="overridden")["changed"]
    assert record.load() == state
    assert {r.slice for r in typing.cast(NodeState, record.load(owner("local"))).resources} == set(MODULES)
    for module in reversed(MODULES):
        do(module, state="deleted")
    assert deploy() == ()
    assert record.load(owner("local")) is None


def test_a_deployment_does_not_take_a_bridge_with_an_owners_port_away() -> None:
    state = NodeState(deployment="lab", node="scratch", resources=DEPLOYED[:1])
    engine.apply(state, drivers=drivers)
    do("bridges", MODULES["bridges"][1])
    with pytest.raises(ApplyFailed, match="bridge br-int still holds ports that were not made by tenantnet: mine"):
        engine.apply(NodeState(deployment="lab", node="scratch"), drivers=drivers)


def test_an_owner_does_not_take_what_a_deployment_has() -> None:
    engine.apply(NodeState(deployment="lab", node="scratch", resources=DEPLOYED), drivers=node_drivers)
    for module, item in (
        ("bridges", {"name": "br-int"}),
        ("flows", {"bridge": "br-int", "priority": 1, "actions": "drop"}),
        ("namespaces", {"name": "qrouter-1"}),
        ("links", {"name": "b0", "namespace": "qrouter-1", "kind": "bridge"}),
    ):
        with pytest.raises(Refused, match="was not made by owner local"):
            do(module, item)
