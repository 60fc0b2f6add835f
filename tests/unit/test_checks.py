# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What is measured of a topology, and what security groups say."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import state
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.probe import frames
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import (
    checks_evasion,
    checks_frames,
    checks_structure,
    verdict,
)
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.attacks import ATTACKS
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.checks import (
    GROUPS,
    Check,
    checks,
    from_json,
    to_json,
)
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import model
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify import exhaustion, lease
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.kinds import KINDS

GOLDEN = pathlib.Path(__file__).parent / "golden/checks.json"


def node(name: str, *roles: typing.Any, ip: str | None = None, guests: bool = True, **nics: str) -> model.Node:
    return model.Node(
        name=name,
        roles=roles,
        interfaces={"management": "eth0", **nics},
        tunnel_ip=ip,
        datapath="netdev",
        firewall="iptables_hybrid",
        adopt_bridges=(),
        guests=guests,
    )


def network(id_: str, project: str, name: str, cidr: str, **more: typing.Any) -> model.Network:
    gateway = cidr.rpartition(".")[0] + ".1"
    subnet = model.Subnet(
        id=f"{id_}-subnet",
        name=name,
        cidr=cidr,
        gateway_ip=gateway,
        enable_dhcp=not more.get("external"),
        dns_nameservers=("203.0.113.1",),
        host_routes=(),
    )
    known = {"network_type": "vxlan", "physical_network": None, "segmentation_id": 1, "mtu": 1450, "external": False}
    more = known | {"dhcp_nodes": () if more.get("external") else ("network",)} | more
    return model.Network(id=id_, project=project, name=name, subnets=(subnet,), **more)


def port(number: int, net: str, owner: typing.Any, device: str, on: str, ip: str, **more: typing.Any) -> model.Port:
    id_ = f"{number:08x}-0000-0000-0000-000000000000"
    fixed = (model.FixedIp(subnet=f"{net}-subnet", address=ip),)
    mac = f"fa:16:3e:00:00:{number:02x}"
    return model.Port(
        id=id_,
        project="demo",
        network=net,
        owner=owner,
        device=device,
        label=device,
        node=on,
        mac=mac,
        fixed_ips=fixed,
        **more,
    )


RULE = model.Rule
DEFAULT = model.SecurityGroup(
    id="default",
    project="demo",
    name="default",
    rules=(RULE(direction="ingress", remote_group="default"), RULE(direction="egress")),
)
WEB = model.SecurityGroup(
    id="web",
    project="demo",
    name="web",
    rules=(
        RULE(direction="ingress", protocol="icmp"),
        RULE(direction="ingress", protocol="tcp", port_range=(22, 22)),
        RULE(direction="ingress", protocol="tcp", port_range=(80, 443), remote_ip_prefix="203.0.113.0/24"),
    ),
)
ALONE = model.SecurityGroup(id="alone", project="other", name="default", rules=(RULE(direction="egress"),))


def topology() -> model.Topology:
    """The lab's example, a second compute node, and a project with the same addresses."""
    ports = [
        port(1, "public", "router_gateway", "router", "network", "203.0.113.101"),
        port(2, "private", "router_interface", "router", "network", "192.168.1.1"),
        port(3, "private", "dhcp", "private", "network", "192.168.1.2"),
        port(
            4, "private", "instance", "one", "compute1", "192.168.1.11", security_groups=("default", "web"), zone=4097
        ),
        port(5, "private", "instance", "two", "compute1", "192.168.1.12", security_groups=("default",), zone=4098),
        port(6, "private", "instance", "three", "compute2", "192.168.1.13", security_groups=("default",), zone=4097),
        port(7, "same", "dhcp", "same", "network", "192.168.1.2"),
        port(8, "same", "instance", "four", "compute1", "192.168.1.11", security_groups=("alone",), zone=4099),
        port(9, "second", "router_interface", "router", "network", "192.168.2.1"),
        port(11, "second", "dhcp", "second", "network", "192.168.2.2"),
        port(10, "second", "instance", "five", "compute2", "192.168.2.11", security_groups=("alone",), zone=4098),
    ]
    tunnel = {"tunnel": "eth1", "vlan": "eth2"}
    nodes = [
        node("controller", "controller"),
        node("network", "network", ip="10.0.1.21", **tunnel, external="eth3"),
        node("compute1", "compute", ip="10.0.1.31", **tunnel),
        node("compute2", "compute", ip="10.0.1.32", **tunnel),
    ]
    flat = {"network_type": "flat", "physical_network": "external", "segmentation_id": None, "mtu": 1500}
    networks = [
        network("public", "", "public", "203.0.113.0/24", **flat, external=True),
        network("private", "demo", "private", "192.168.1.0/24"),
        network("second", "demo", "second", "192.168.2.0/24", network_type="gre", segmentation_id=7),
        network(
            "same",
            "other",
            "private",
            "192.168.1.0/24",
            network_type="vlan",
            physical_network="vlan",
            segmentation_id=100,
            mtu=1500,
        ),
    ]
    instances = {p.device: p for p in ports if p.owner == "instance"}
    router = model.Router(
        id="router",
        project="demo",
        name="router",
        node="network",
        external_network="public",
        enable_snat=True,
        routes=(),
    )
    floating = model.FloatingIp(
        id="fip",
        project="demo",
        address="203.0.113.102",
        router="router",
        port=instances["one"].id,
        fixed_ip="192.168.1.11",
    )
    return model.Topology(
        deployment="lab",
        nodes={n.name: n for n in nodes},
        physical_networks={n: model.PhysicalNetwork(name=n, bridge=f"br-{n}") for n in ("external", "vlan")},
        networks={n.id: n for n in networks},
        routers={"router": router},
        ports={p.id: p for p in ports},
        floating_ips={"fip": floating},
        security_groups={g.id: g for g in (DEFAULT, WEB, ALONE)},
        instances={
            i: model.Instance(id=i, project="other" if i == "four" else "demo", name=i, node=p.node, ports=(p.id,))
            for i, p in instances.items()
        },
        local_vlans={n.name: {"private": 1, "same": 2, "public": 3, "second": 4} for n in nodes},
    )


def test_the_checks_of_a_topology(golden: typing.Callable[[pathlib.Path, str], None]) -> None:
    golden(GOLDEN, json.dumps([to_json(c) for c in checks(topology(), {})], indent=1) + "\n")


def test_ids_are_unique_and_kinds_are_known() -> None:
    found = checks(topology(), {})
    assert len({c.id for c in found}) == len(found)
    assert {c.kind for c in found} <= set(KINDS)
    assert [c.group for c in found] == sorted((c.group for c in found), key=GROUPS.index)


def test_attacks_are_known_and_have_a_control() -> None:
    found = {c.attack: c for c in checks(topology(), {}) if c.attack}
    assert set(found) <= set(ATTACKS)
    assert all(check.negative for check in found.values())
    assert len(found) >= 25


def test_json_round_trip() -> None:
    for check in checks(topology(), {}):
        assert from_json(json.loads(json.dumps(to_json(check)))) == check
    with pytest.raises(TypeError, match="unknown"):
        from_json({**to_json(Check(id="x", title="", group="node", node="", kind="x")), "unknown": 1})


def test_checks_grow_with_ports_and_not_with_pairs() -> None:
    one = topology()
    sizes = []
    for count in (20, 40, 60):
        ports, instances = dict(one.ports), dict(one.instances)
        for n in range(count):
            more = port(
                20 + n, "private", "instance", f"i{n}", "compute2", f"192.168.1.{100 + n}", security_groups=("default",)
            )
            ports[more.id] = more
            instances[f"i{n}"] = model.Instance(
                id=f"i{n}", project="demo", name=f"i{n}", node="compute2", ports=(more.id,)
            )
        found = checks(dataclasses.replace(one, ports=ports, instances=instances), {})
        sizes.append(len(found))
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] > 0
    asked = next(c for c in found if c.id.startswith("eastwest") and ">demo/i7.open" in c.id)
    assert "more like it not asked" in asked.title


def test_a_wire_without_a_name_is_not_looked_at() -> None:
    """A tunnel's address may be on a device that the inventory does not name."""
    one = topology()
    nodes = {n.name: dataclasses.replace(n, interfaces={}) for n in one.nodes.values()}
    assert not [c for c in checks(dataclasses.replace(one, nodes=nodes), {}) if c.kind in ("wire", "endpoint")]


def test_a_virtual_machine_needs_no_guest_of_ours() -> None:
    one = topology()
    nodes = {n.name: dataclasses.replace(n, guests=False) for n in one.nodes.values()}
    found = checks(dataclasses.replace(one, nodes=nodes), {})
    wire = next(c for c in found if c.id == "wire.demo/private")
    assert wire.args["sender"]["namespace"].startswith(("qdhcp", "qrouter"))
    assert not wire.requires_guest
    assert all(not c.args["place"]["ours"] for c in found if c.kind == "lease")


def test_structure_of_a_node() -> None:
    resources = (
        state.Bridge(slice="switching", name="br-int", datapath_type="netdev"),
        state.Port(slice="switching", bridge="br-int", name="patch-tun", type="patch", options={"peer": "patch-int"}),
        state.Namespace(slice="routing", name="qrouter-router"),
        state.Link(
            slice="routing", namespace="qrouter-router", name="qr-1", kind="internal", addresses=("192.168.1.1/24",)
        ),
        state.Route(
            slice="routing", namespace="qrouter-router", destination="0.0.0.0/0", device="qg-1", via="203.0.113.1"
        ),
        state.Daemon(slice="dhcp", name="dnsmasq-1", namespace="qdhcp-1", command=("dnsmasq",)),
    )
    states = {
        "controller": state.NodeState(deployment="lab", node="controller"),
        "network": state.NodeState(deployment="lab", node="network", resources=resources),
    }
    found = {c.id: c for c in checks(topology(), states) if c.group == "structure"}
    assert list(found) == [
        "structure.network.status",
        "structure.network.br-int",
        "structure.network.qrouter-router",
        "structure.network.daemons",
        "structure.network.log",
    ]
    assert found["structure.network.br-int"].args["ports"] == {
        "patch-tun": {"type": "patch", "tag": None, "peer": "patch-int"}
    }
    assert found["structure.network.qrouter-router"].args["routes"] == {"0.0.0.0/0": "203.0.113.1"}
    shuffled = dataclasses.replace(states["network"], resources=resources[::-1])
    assert (
        checks_structure.fingerprint(state.to_json(shuffled)) == found["structure.network.status"].args["fingerprint"]
    )
    assert {c.group for c in checks(topology(), states, ["switching", "routing"])} == {"structure"}
    less = dataclasses.replace(states["network"], resources=resources[1:])
    assert checks_structure.fingerprint(state.to_json(less)) != found["structure.network.status"].args["fingerprint"]
    assert found["structure.network.daemons"].args["services"] == ["tenantnet-dhcp-dnsmasq-1"]


OUTSIDE, STRANGER = "203.0.113.1", "198.51.100.10"


@pytest.mark.parametrize(
    ("source", "destination", "service", "expected"),
    [
        (OUTSIDE, "one", "icmp", True),
        (OUTSIDE, "one", "tcp/22", True),
        (OUTSIDE, "one", "tcp/23", False),
        (OUTSIDE, "one", "tcp/80", True),
        (OUTSIDE, "one", "tcp/443", True),
        (OUTSIDE, "one", "tcp/444", False),
        (OUTSIDE, "one", "udp/80", False),
        (STRANGER, "one", "tcp/80", False),  # outside the prefix
        (STRANGER, "one", "tcp/22", True),
        (OUTSIDE, "two", "icmp", False),  # the default group knows its members only
        ("one", "two", "tcp/9", True),
        ("two", "one", "udp/9", True),
        ("four", "four", "icmp", False),  # its own default group has no rule for its members
        ("one", OUTSIDE, "tcp/80", True),
        ("mute", OUTSIDE, "tcp/80", False),  # no group, nothing allowed
        ("open", "mute", "icmp", False),
        (STRANGER, "open", "udp/1", True),  # port security disabled
    ],
)
def test_verdict(source: str, destination: str, service: str, expected: bool) -> None:
    one = topology()
    by_device = {p.device: p for p in one.ports.values() if p.owner == "instance"}
    by_device["mute"] = port(30, "private", "instance", "mute", "compute1", "192.168.1.30")
    by_device["open"] = dataclasses.replace(by_device["mute"], port_security_enabled=False)

    def side(name: str) -> verdict.Side:
        known = by_device.get(name)
        return verdict.Side(address=known.fixed_ips[0].address if known else name, port=known)

    protocol, _slash, number = service.partition("/")
    asked = verdict.Service(protocol=protocol, port=int(number) if number else None)
    assert verdict.allows(one, side(source), side(destination), asked) is expected


@pytest.mark.parametrize(
    ("rule", "service", "expected"),
    [
        (RULE(direction="ingress", protocol="6"), "tcp/1", True),  # a number
        (RULE(direction="ingress", protocol="0"), "udp/1", True),
        (RULE(direction="ingress", protocol="icmp", icmp_type=8, icmp_code=0), "icmp", True),
        (RULE(direction="ingress", protocol="icmp", icmp_type=0), "icmp", False),  # an echo reply asks nothing
        (RULE(direction="ingress", protocol="tcp"), "tcp/65535", True),
        (RULE(direction="ingress", protocol="sctp"), "tcp/1", False),
        (RULE(direction="egress"), "tcp/1", False),
    ],
)
def test_verdict_of_one_rule(rule: model.Rule, service: str, expected: bool) -> None:
    one = topology()
    group = dataclasses.replace(DEFAULT, rules=(rule,))
    one = dataclasses.replace(one, security_groups={"default": group})
    two = next(p for p in one.ports.values() if p.device == "two")
    protocol, _slash, number = service.partition("/")
    asked = verdict.Service(protocol=protocol, port=int(number) if number else None)
    ends = verdict.Side(address=OUTSIDE), verdict.Side(address="192.168.1.12", port=two)
    assert verdict.allows(one, *ends, asked) is expected


@pytest.mark.parametrize(
    ("rules", "service", "expected"),
    [
        ([RULE(direction="ingress", protocol="tcp", port_range=(22, 22))], "tcp/22", (True, False)),
        ([RULE(direction="ingress"), RULE(direction="egress", protocol="tcp")], "tcp/22", (True, True)),
        (
            [RULE(direction="ingress"), RULE(direction="egress", protocol="tcp", port_range=(22, 22))],
            "tcp/22",
            (True, False),
        ),
        ([RULE(direction="ingress"), RULE(direction="egress", protocol="icmp", icmp_type=8)], "icmp", (True, False)),
        ([RULE(direction="ingress"), RULE(direction="egress", protocol="icmp", icmp_type=0)], "icmp", (True, True)),
        ([RULE(direction="ingress", protocol="gre"), RULE(direction="egress", protocol="47")], "gre", (True, True)),
        ([RULE(direction="egress")], "tcp/22", (False, False)),
    ],
)
def test_verdict_of_a_stateless_group(rules: list[model.Rule], service: str, expected: tuple[bool, bool]) -> None:
    """Of a stateful group the answer passes by itself."""
    one = topology()
    two = next(p for p in one.ports.values() if p.device == "two")
    protocol, _slash, number = service.partition("/")
    asked = verdict.Service(protocol=protocol, port=int(number) if number else None)
    ends = verdict.Side(address=OUTSIDE), verdict.Side(address="192.168.1.12", port=two)
    for stateful in (True, False):
        group = dataclasses.replace(DEFAULT, rules=tuple(rules), stateful=stateful)
        here = dataclasses.replace(one, security_groups={"default": group})
        assert verdict.allows(here, *ends, asked) is expected[0]
        assert verdict.reaches(here, *ends, asked) is (expected[0] if stateful else expected[1])


def test_members_of_a_group_are_known_by_all_addresses_they_may_use() -> None:
    one = topology()
    two = next(p for p in one.ports.values() if p.device == "two")
    pair = model.AddressPair(ip_address="10.9.0.0/24", mac_address="00:00:5e:00:01:01")
    three = next(p for p in one.ports.values() if p.device == "three")
    one = dataclasses.replace(
        one, ports={**one.ports, three.id: dataclasses.replace(three, allowed_address_pairs=(pair,))}
    )
    asked, destination = verdict.Service(protocol="icmp"), verdict.Side(address="192.168.1.12", port=two)
    for address, expected in (("10.9.0.7", True), ("10.9.1.7", False), ("192.168.1.13", True)):
        assert verdict.allows(one, verdict.Side(address=address), destination, asked) is expected


def every_frame() -> list[checks_frames.Frame]:
    found = [c.args[k] for c in checks(topology(), {}) for k in ("frame", "control") if isinstance(c.args.get(k), dict)]
    frames_ = [json.loads(text) for text in sorted({json.dumps(f) for f in found})]
    # Where a frame comes from the wire, its MACs are looked up on the nodes while it is measured.
    macs = {"dl_src": "02:00:00:00:00:0b", "dl_dst": "02:00:00:00:00:0a"}
    return [f | macs if "inner" in f else f for f in frames_]


def _without_inner_token(frame: checks_frames.Frame) -> checks_frames.Frame:
    if "inner" not in frame:
        return frame
    return frame | {"inner": {k: v for k, v in frame["inner"].items() if k != "token"}}


def test_frames_are_built_as_they_are_told() -> None:
    """What a capture tells of a frame is what it was built from."""
    assert {f["token"] for f in every_frame()} >= {"arp", "ip", "ra", "ping6", "dhcp-offer", "ip-mac", "ip-tagged"}
    for frame in every_frame():
        data = frames.build(frame, "run")
        assert frames.token_of(data, "run") == frame["token"]
        assert frames.token_of(data, "other") == ""
        assert {**frames.dissect(data), "token": frame["token"]} == _without_inner_token(frame)
        if "nw_proto" in frame:
            start = 14 + 4 * frame.get("priority_tags", 0) + (8 if "llc" in frame else 0)
            assert frames.checksum(data[start : start + (data[start] & 15) * 4]) == 0


def test_halves_of_a_datagram() -> None:
    """Put together they are one datagram, and each carries its own token."""
    whole = next(f for f in every_frame() if f["token"] == "ip")
    halves = [frames.build(whole | {"ip_frag": half, "ip_id": 7, "token": half}, "run") for half in ("first", "later")]
    assert [frames.token_of(data, "run") for data in halves] == ["first", "later"]
    assert [data[18:22].hex() for data in halves] == ["00072000", "00070096"]
    body = b"".join(data[34:] for data in halves)
    assert int.from_bytes(body[4:6], "big") == len(body)


def test_a_source_route_asks_for_the_next_address() -> None:
    assert checks_evasion.loose_source_route("192.168.1.11") == "830704c0a8010b00"


def test_what_bridges_have_learned() -> None:
    said = " port  VLAN  MAC                Age\n    3     1  fa:16:3e:00:00:04    7\n"
    said += "LOCAL     0  02:00:00:00:00:01  299\n"
    assert exhaustion.learned(said) == {"fa:16:3e:00:00:04": 7, "02:00:00:00:00:01": 299}


def test_what_is_inside_a_tunnel() -> None:
    inner = frames.build(next(f for f in every_frame() if f["token"] == "arp"), "run")
    outer = bytes.fromhex("02000000000b02000000000a0800450000000000400040110000") + bytes([10, 0, 1, 31, 10, 0, 1, 21])
    vxlan = outer + bytes.fromhex("c00012b500000000" + "08000000" + "0003e900") + inner
    found = frames.dissect(vxlan)
    assert (found["tun_id"], found["nw_src"], found["inner"]["arp_op"]) == (1001, "10.0.1.31", 1)
    gre = outer[:23] + bytes([47]) + outer[24:] + bytes.fromhex("20006558" + "00000007") + inner
    found = frames.dissect(gre)
    assert (found["tun_id"], found["inner"]["arp_op"]) == (7, 1)
    assert frames.dissect(inner[:12] + bytes.fromhex("81000064") + inner[12:])["dl_vlan"] == 100
    assert frames.dissect(inner, 100)["dl_vlan"] == 100


LEASE = """
lease {
  interface "eth0";
  fixed-address 192.168.1.99;
}
lease {
  interface "eth0";
  fixed-address 192.168.1.11;
  option subnet-mask 255.255.255.0;
  option dhcp-lease-time 86400;
  option rfc3442-classless-static-routes 32,169,254,169,254,192,168,1,1,0,192,168,1,1;
  option interface-mtu 1450;
  renew 1 2026/01/05 00:00:00;
}
lease {
  interface "eth1";
  fixed-address 192.168.2.11;
}
"""


def test_the_last_lease_of_a_nic() -> None:
    found = lease.parse(LEASE, "eth0")
    assert found is not None
    assert (found["address"], found["interface-mtu"]) == ("192.168.1.11", "1450")
    assert lease.parse(LEASE, "eth2") is None


def test_option_121() -> None:
    text = "32,169,254,169,254,192,168,1,1,20,10,16,32,0,0,0,0,0,192,168,1,1"
    assert lease.classless(text) == [
        ["169.254.169.254/32", "192.168.1.1"],
        ["10.16.32.0/20", "0.0.0.0"],
        ["0.0.0.0/0", "192.168.1.1"],
    ]
