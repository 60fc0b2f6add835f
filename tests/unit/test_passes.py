# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Which pass of an apply makes a change."""

from __future__ import annotations

import dataclasses

from ansible_collections.tenantnet.ovs.plugins.module_utils.passes import PASSES, Resources, difference
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import (
    KINDS,
    Chain,
    Daemon,
    File,
    Flow,
    Link,
    Namespace,
    NodeState,
    Port,
    Resource,
    Route,
    to_json,
)

FLOATING = "203.0.113.9/32"


def of(*resources: Resource) -> Resources:
    return {kind: {r.key: r for r in resources if isinstance(r, kind)} for kind in KINDS.values()}


def passes(live: Resources, goal: Resources) -> dict[str, list[Resource | None]]:
    """What each pass makes, as far as it has something to do."""
    made = {name: [change.after for change in difference(live, goal, name)] for name in PASSES}
    return {name: resources for name, resources in made.items() if resources}


def gateway(number: int, *addresses: str) -> Link:
    name = f"qg-{number}"
    peer = ("", name)
    return Link(slice="routing", namespace=f"qrouter-{number}", name=name, kind="veth", peer=peer, addresses=addresses)


def test_a_link_that_goes_leaves_an_address_before_another_has_it() -> None:
    old, new = of(gateway(1, FLOATING), gateway(2)), of(gateway(2, FLOATING))
    built = difference(old, new, "build")
    assert {(change.key[1], change.after is None) for change in built} == {("qg-1", True), ("qg-2", False)}
    assert not difference(old, new, "prune")


def test_a_link_that_goes_does_not_hurry_for_one_that_waits() -> None:
    waiting = dataclasses.replace(gateway(2, FLOATING), late=True)
    assert passes(of(gateway(1, FLOATING), gateway(2)), of(waiting)) == {"arrive": [waiting], "prune": [None]}


def test_a_link_whose_addresses_nobody_gets_goes_last() -> None:
    old, new = of(gateway(1, FLOATING), gateway(2, FLOATING)), of(gateway(2, FLOATING))
    assert not difference(old, new, "build")
    assert [change.after for change in difference(old, new, "prune")] == [None]


def test_a_daemon_whose_file_was_changed_reads_it_again_or_starts_anew() -> None:
    told = Daemon(
        slice="dhcp", name="dnsmasq", namespace="", command=("dnsmasq",), reload="digest", leases="/var/lib/dhcp/net"
    )
    command = ("haproxy", "-f", "/var/lib/metadata/r.conf")
    started = Daemon(slice="metadata", name="haproxy", namespace="", command=command)
    goal = of(
        told,
        started,
        File(slice="dhcp", path="net/host", content="right"),
        File(slice="dhcp", path="net/leases", content="", initial=True),
        File(slice="metadata", path="r.conf", content="right"),
    )
    assert not difference(goal, goal, "build")
    for path, daemon, field in (("net/host", told, "reload"), ("r.conf", started, "restart")):
        slice_ = daemon.slice
        live = {**goal, File: {**goal[File], (slice_, path): File(slice=slice_, path=path, content="wrong")}}
        (change,) = [c for c in difference(live, goal, "build") if c.kind is Daemon]
        assert change.after == daemon
        assert getattr(change.before, field) != getattr(daemon, field)
    none = {**goal, File: {**goal[File], ("dhcp", "net/other"): File(slice="dhcp", path="net/other", content="")}}
    assert [c.kind for c in difference(none, goal, "build", "prune")] == [File]


def guest(late: bool) -> tuple[Link, Namespace, Daemon]:
    tap = Link(slice="guests", namespace="", name="tap1", kind="veth", peer=("guest-1", "eth0"), late=late)
    daemon = Daemon(slice="guests", name="guest-1", namespace="guest-1", command=("guest",), restart="one port")
    return tap, Namespace(slice="guests", name="guest-1"), daemon


def test_a_guest_comes_when_what_it_asks_is_built_everywhere() -> None:
    agent = Daemon(slice="metadata", name="agent", namespace="", command=("agent",))
    tap, namespace, daemon = guest(late=False)
    assert passes(of(), of(agent, tap, namespace, daemon)) == {"build": [agent], "start": [namespace, tap, daemon]}
    again, shorter = dataclasses.replace(daemon, restart="two ports"), dataclasses.replace(tap, mtu=1400)
    assert passes(of(tap, namespace, daemon), of(shorter, namespace, again)) == {"build": [shorter], "start": [again]}


def test_a_guest_that_moves_boots_before_and_waits_for_its_carrier() -> None:
    tap, namespace, daemon = guest(late=True)
    unplugged = dataclasses.replace(tap, up=False)
    assert passes(of(), of(tap, namespace, daemon)) == {"build": [namespace, unplugged, daemon], "arrive": [tap]}
    assert passes(of(unplugged, namespace, daemon), of(tap, namespace, daemon)) == {"arrive": [tap]}
    more = dataclasses.replace(tap, name="tap2", peer=("guest-1", "eth1"), late=False)
    assert passes(of(tap, namespace, daemon), of(tap, more, namespace, daemon)) == {
        "build": [dataclasses.replace(more, up=False)],
        "start": [more],
    }


def test_what_moves_arrives_for_itself_after_what_goes_left() -> None:
    port = Port(slice="instances", bridge="br-int", name="qvo1", tag=1, late=True)
    dead = dataclasses.replace(port, tag=4095)
    tap = Link(slice="guests", namespace="", name="tap1", kind="tap", late=True)
    live, goal = of(dead, dataclasses.replace(tap, up=False)), of(port, tap)
    assert passes(live, goal) == {"arrive": [tap, port]}
    assert passes(goal, of()) == {"leave": [None], "prune": [None]}


def test_what_moves_to_a_link_leaves_another_one_first() -> None:
    other = "203.0.113.7/32"
    old, new = gateway(1, FLOATING), dataclasses.replace(gateway(1, other), late=True)
    neither = dataclasses.replace(old, addresses=())
    assert passes(of(old), of(new)) == {"leave": [neither], "arrive": [new]}
    assert passes(of(old), of(dataclasses.replace(neither, late=True))) == {"leave": [neither]}


def test_an_address_that_goes_stays_until_all_nodes_leave_what_moves() -> None:
    other = "203.0.113.7/32"
    old, new, both = gateway(1, FLOATING), gateway(1, other), gateway(1, other, FLOATING)
    assert passes(of(old), of(new)) == {"build": [both], "leave": [new]}
    assert passes(of(both), of(new)) == {"leave": [new]}
    taken = gateway(2, FLOATING)
    assert passes(of(old, gateway(2)), of(new, taken)) == {"build": [new, taken]}
    assert passes(of(gateway(1, "203.0.113.9/24")), of(new)) == {"build": [new]}  # an address of its own
    waiting = dataclasses.replace(taken, late=True)
    assert passes(of(old, gateway(2)), of(new, waiting)) == {"build": [both], "leave": [new], "arrive": [waiting]}


def nat(number: int, name: str, *rules: str) -> Chain:
    return Chain(
        slice="routing",
        namespace=f"qrouter-{number}",
        family="ipv4",
        table="nat",
        name=f"tenantnet-ro-{name}",
        rules=rules,
    )


def dnat(address: str, to: str) -> str:
    return f"-d {address} -j DNAT --to-destination {to}"


def snat(fixed: str, address: str) -> str:
    return f"-s {fixed}/32 -j SNAT --to-source {address.partition('/')[0]} --random-fully"


STAYS, METADATA = "203.0.113.5/32", "-d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697"


def test_rules_for_an_address_go_with_it_and_keep_their_place() -> None:
    had = (METADATA, dnat(FLOATING, "10.0.0.9"), dnat(STAYS, "10.0.0.5"))
    old, new = nat(1, "PREROUTING", *had), nat(1, "PREROUTING", METADATA, dnat(STAYS, "10.0.0.6"))
    between = nat(1, "PREROUTING", *had[:2], dnat(STAYS, "10.0.0.6"))
    before, after = gateway(1, STAYS, FLOATING), gateway(1, STAYS)
    assert passes(of(before, old), of(after, new)) == {"build": [between], "leave": [after, new]}
    assert passes(of(before, between), of(after, new)) == {"leave": [after, new]}
    elsewhere = gateway(2, FLOATING), nat(2, "float-snat", snat("10.0.0.9", FLOATING))
    assert passes(of(after, old, *elsewhere), of(after, new, *elsewhere)) == {"build": [new]}


def test_rules_for_an_address_come_with_it() -> None:
    old, new = nat(1, "float-snat"), nat(1, "float-snat", snat("10.0.0.5", STAYS), snat("10.0.0.9", FLOATING))
    between = nat(1, "float-snat", snat("10.0.0.5", STAYS))
    before, after = gateway(1, STAYS), dataclasses.replace(gateway(1, STAYS, FLOATING), late=True)
    assert passes(of(before, old), of(after, new)) == {"build": [between], "arrive": [after, new]}
    assert passes(of(before), of(after, new)) == {"build": [between], "arrive": [after, new]}
    assert passes(of(), of(after, new)) == {"build": [after, new]}  # its port is dead until then


def test_what_goes_out_is_never_without_a_translation() -> None:
    def rules(address: str) -> Chain:
        return nat(1, "snat", "-j tenantnet-ro-float-snat", f"-o qg-1 -j SNAT --to-source {address} --random-fully")

    old, new = gateway(1, "203.0.113.7/24"), dataclasses.replace(gateway(1, "203.0.113.8/24"), late=True)
    both = nat(1, "snat", *rules("203.0.113.7").rules, rules("203.0.113.8").rules[1])
    neither = gateway(1)
    assert passes(of(old, rules("203.0.113.7")), of(new, rules("203.0.113.8"))) == {
        "build": [both],
        "leave": [neither, rules("203.0.113.8")],
        "arrive": [new],
    }


def test_routes_come_with_the_first_address_of_their_device() -> None:
    def route(destination: str, via: str) -> Route:
        return Route(slice="routing", namespace="qrouter-1", destination=destination, device="qg-1", via=via)

    old, new = gateway(1, "203.0.113.7/24"), dataclasses.replace(gateway(1, "203.0.113.8/24"), late=True)
    kept, changed = route("0.0.0.0/0", "203.0.113.1"), route("198.51.100.0/24", "203.0.113.9")
    live = route("198.51.100.0/24", "203.0.113.2")
    neither = gateway(1)
    goal = of(new, kept, changed)
    assert passes(of(old, kept, live), goal) == {"leave": [neither], "arrive": [new, changed, kept]}
    assert passes(of(neither), goal) == {"arrive": [new, kept, changed]}
    assert passes(of(old, kept), of(dataclasses.replace(new, late=False), kept)) == {
        "build": [dataclasses.replace(new, late=False)]
    }


def test_an_address_does_not_stay_when_its_link_goes_to_another_network() -> None:
    def port(tag: int) -> Port:
        return Port(slice="routing", bridge="br-int", name="qg-1", tag=tag)

    old, new = gateway(1, FLOATING), gateway(1)
    assert passes(of(old, port(1)), of(new, port(2))) == {"build": [new, port(2)]}
    assert passes(of(old, port(1)), of(new, port(1))) == {"leave": [new]}


def test_a_chain_with_the_ports_of_an_address_is_led_to_for_as_long_as_that_is_there() -> None:
    forwards, to_it, to_all = (
        nat(1, "pf-1", dnat(FLOATING, "10.0.0.9")),
        "-j tenantnet-ro-pf-1",
        "-j tenantnet-ro-fip-pf",
    )
    old = nat(1, "PREROUTING", METADATA, to_all), nat(1, "fip-pf", to_it), forwards
    without = nat(1, "PREROUTING", METADATA)
    after = gateway(1)
    made = passes(of(gateway(1, FLOATING), *old), of(after, without))
    assert made == {"leave": [after, without, nat(1, "pf-1")], "prune": [None, None]}
    assert passes(of(after, *old), of(after, without)) == {"build": [without], "prune": [None, None]}


def flood(tunnel: str, *ports: str) -> Flow:
    outputs = ",".join(f'output:"{port}"' for port in ports)
    actions = f"pop_vlan,set_field:{tunnel}->tun_id,{outputs}"
    return Flow(slice="switching", bridge="br-tun", table=22, priority=1, match="dl_vlan=1", actions=actions)


def test_packets_go_another_way_when_all_nodes_let_them_in_there() -> None:
    old = flood("0x1", "vxlan-1", "vxlan-2")
    for new in (flood("0x2", "vxlan-1", "vxlan-2"), flood("0x1", "gre-1", "gre-2"), flood("0x1", "vxlan-1", "vxlan-3")):
        assert passes(of(old), of(new)) == {"leave": [new]}
    for new in (flood("0x1", "vxlan-1", "vxlan-2", "vxlan-3"), flood("0x1", "vxlan-1")):
        assert passes(of(old), of(new)) == {"build": [new]}


def test_the_old_way_in_goes_when_nobody_uses_it_any_more() -> None:
    def way(tunnel: str) -> Flow:
        actions = "push_vlan:0x8100,set_field:4097->vlan_vid,goto_table:10"
        return Flow(slice="switching", bridge="br-tun", table=4, priority=1, match=f"tun_id={tunnel}", actions=actions)

    assert passes(of(way("0x1")), of(way("0x2"))) == {"build": [way("0x2")], "arrive": [None]}
    assert passes(of(way("0x1")), of()) == {"prune": [None]}


def test_a_tunnel_stays_for_as_long_as_others_may_use_it() -> None:
    tunnel = Port(slice="switching", bridge="br-tun", name="vxlan-1", type="vxlan")
    assert passes(of(tunnel), of()) == {"prune": [None]}


def test_a_record_knows_whether_something_has_arrived() -> None:
    port = Port(slice="instances", bridge="br-int", name="qvo1", late=True)
    state = NodeState(deployment="test", node="scratch", resources=(port, gateway(1)))
    assert to_json(state) != to_json(state.arrived()) == to_json(state.arrived().arrived())
    assert state == state.arrived()
