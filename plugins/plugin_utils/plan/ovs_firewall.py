# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The openvswitch firewall: security groups as flows of br-int that track connections (datapath.md 5.3).

The tap is a port of br-int. Its number there, which is that of its conntrack zone too, is in register 5, and the local
VLAN of its network is in register 6. A packet goes

    60 -> 71 is it honest? -> 72 may it leave? -> 73 where to? -> 91 -> 94 to the network
    60 or 73 -> 81 -> 82 may it enter? -> 92 to the tap;   73 -> 95 to all of a network

Each packet of a connection is judged by the rules that there are now, answers too: a connection ends with its rule.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...module_utils.state import Flow, Resource
from ..topology import model
from . import names, plug
from .firewall import flow, local_vlan
from .ovs_rules import Way, matches, remote
from .switching import TRANSIENT

BASE_EGRESS = 71
RULES_EGRESS = 72
ACCEPT_OR_INGRESS = 73
BASE_INGRESS = 81
RULES_INGRESS = 82
ACCEPTED_EGRESS = 91
ACCEPTED_INGRESS = 92
DROPPED = 93
ACCEPTED_EGRESS_NORMAL = 94
FLOOD = 95  # not Neutron's

RULES: dict[model.Direction, int] = {"ingress": RULES_INGRESS, "egress": RULES_EGRESS}
#: A rule judges what asks where it enters or leaves, and the answers on their way back.
ACCEPTED = {RULES_INGRESS: ACCEPTED_INGRESS, RULES_EGRESS: ACCEPT_OR_INGRESS}

MANY = "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"  # multicast and broadcast
ZONE = "zone=NXM_NX_REG5[0..15]"
TRACKED, NEW, ANSWER = "ct_state=+est-rel-rpl", "ct_state=+new-est", "ct_state=+est-rel+rpl"
RELATED = "ct_state=-new-est+rel-inv"  # ICMP errors about a connection

BY_ADDRESS, BY_GROUP = 77, 70  # priorities of rules: those of groups are conjunctions, which other flows must not meet


def compile(topology: model.Topology, node: model.Node, ports: list[model.Port]) -> list[Resource]:
    """Flows of all instance ports of a node; ports without port security are like those of routers."""
    secured = [port for port in ports if port.port_security_enabled]
    flows = [*_pipeline(), *_networks(topology, node, secured)]
    for port in secured:
        flows += _admission(topology, port)
        flows += _honest(port)
        flows += _rules(topology, port)
    return [*flows, *_groups(topology, secured)]


def _to(table: int) -> str:
    return f"resubmit(,{table})"


def _pipeline() -> list[Flow]:
    """What does not depend on any port."""
    return [
        flow(TRANSIENT, 110, "ipv6", "drop"),
        # A DHCP server's reply: clients take it from whatever port it comes.
        flow(BASE_EGRESS, 70, "udp,tp_dst=68", _to(DROPPED)),
        flow(BASE_EGRESS, 0, "", _to(DROPPED)),
        flow(RULES_EGRESS, 50, RELATED, _to(ACCEPTED[RULES_EGRESS])),
        flow(RULES_EGRESS, 0, "", _to(DROPPED)),
        flow(ACCEPT_OR_INGRESS, 80, "", _to(ACCEPTED_EGRESS)),
        flow(BASE_INGRESS, 95, "udp,nw_dst=255.255.255.255,tp_src=67,tp_dst=68", _to(ACCEPTED_INGRESS)),
        flow(BASE_INGRESS, 90, "ip", f"ct(table={RULES_INGRESS},{ZONE})"),
        # Neither IPv4 nor IPv6: ARP, or what only a port without port security can send.
        flow(BASE_INGRESS, 0, "", _to(ACCEPTED_INGRESS)),
        flow(RULES_INGRESS, 50, RELATED, _to(ACCEPTED[RULES_INGRESS])),
        flow(RULES_INGRESS, 0, "", _to(DROPPED)),
        flow(ACCEPTED_EGRESS, 1, "", _to(ACCEPTED_EGRESS_NORMAL)),
        flow(ACCEPTED_INGRESS, 0, "", "drop"),
        flow(DROPPED, 0, "", "drop"),
        flow(ACCEPTED_EGRESS_NORMAL, 1, "", "NORMAL"),
        flow(FLOOD, 0, "", "drop"),
    ]


# ----------------------------------------------------------------------------------------------------------- networks


def _networks(topology: model.Topology, node: model.Node, secured: list[model.Port]) -> Iterator[Flow]:
    """Networks of secured ports: what other ports of theirs send, and what is for many is for each port to judge."""
    for network in sorted({port.network for port in secured}):
        vlan = topology.local_vlans[node.name][network]
        members = [port for port in topology.ports_on(node.name) if port.network == network]
        guarded = [port for port in members if port in secured]
        others = [_plug(topology, port) for port in members if port not in secured]
        for name in others:
            yield flow(TRANSIENT, 100, f'in_port="{name}"', f"set_field:{vlan}->reg6,{_to(ACCEPT_OR_INGRESS)}")
        inwards = f"pop_vlan,set_field:{vlan}->reg6,{_to(FLOOD)}"
        yield flow(TRANSIENT, 95, f"ip,dl_vlan={vlan},{MANY}", inwards)
        yield flow(ACCEPT_OR_INGRESS, 95, f"ip,reg6={vlan},{MANY}", f"ct_clear,{_to(FLOOD)}")
        copies = [f"clone(set_field:{port.zone}->reg5,{_to(BASE_INGRESS)})" for port in guarded]
        outputs = [f'output:"{name}"' for name in others]
        wire = f'push_vlan:0x8100,set_field:{0x1000 | vlan}->vlan_vid,output:"{_way_out(topology, network)}"'
        yield flow(FLOOD, 1, f"reg6={vlan}", ",".join([*copies, *outputs, wire]))


def _plug(topology: model.Topology, port: model.Port) -> str:
    """The device by which a port is on br-int."""
    if port.owner == "instance":
        return plug.instance_device(topology.nodes[port.node], port)
    prefixes = {"router_interface": "qr-", "router_gateway": "qg-", "dhcp": "tap"}
    return names.device(prefixes[port.owner], port.id)


def _way_out(topology: model.Topology, network: str) -> str:
    """The patch port that leads from br-int to the other nodes of a network."""
    physical = topology.networks[network].physical_network
    return names.patch("int-", topology.physical_networks[physical].bridge) if physical else names.PATCH_TUN


# -------------------------------------------------------------------------------------------------------------- ports


def _admission(topology: model.Topology, port: model.Port) -> Iterator[Flow]:
    """What comes from a port and what is for its MACs goes the way of the firewall, and at its end to the tap."""
    vlan, tap = local_vlan(topology, port), _plug(topology, port)
    here = f"set_field:{port.zone}->reg5"
    registers = f"{here},set_field:{vlan}->reg6"
    yield flow(TRANSIENT, 100, f'in_port="{tap}"', f"{registers},{_to(BASE_EGRESS)}")
    for mac in dict.fromkeys([port.mac, *(pair.mac_address for pair in port.pairs)]):
        inwards = f"pop_vlan,{registers},{_to(BASE_INGRESS)}"
        yield flow(TRANSIENT, 90, f"dl_vlan={vlan},dl_dst={mac}", inwards)
        yield flow(ACCEPT_OR_INGRESS, 100, f"reg6={vlan},dl_dst={mac}", f"ct_clear,{here},{_to(BASE_INGRESS)}")
    yield flow(ACCEPTED_INGRESS, 1, f"reg5={port.zone}", f'output:"{tap}"')


def _honest(port: model.Port) -> Iterator[Flow]:
    """A port says only what it is, may ask for its address, and hears the answer."""
    me = f"reg5={port.zone}"
    for pair in port.pairs:
        mac, ip = f"dl_src={pair.mac_address}", pair.ip_address
        yield flow(BASE_EGRESS, 95, f"arp,{me},{mac},arp_spa={ip}", _to(ACCEPTED_EGRESS_NORMAL))
        yield flow(BASE_EGRESS, 80, f"udp,{me},{mac},nw_src={ip},tp_src=68,tp_dst=67", _to(ACCEPT_OR_INGRESS))
        yield flow(BASE_EGRESS, 65, f"ip,{me},{mac},nw_src={ip}", f"ct(table={RULES_EGRESS},{ZONE})")
    for mac in dict.fromkeys([port.mac, *(pair.mac_address for pair in port.pairs)]):
        discover = f"udp,{me},dl_src={mac},nw_src=0.0.0.0,nw_dst=255.255.255.255,tp_src=68,tp_dst=67"
        yield flow(BASE_EGRESS, 80, discover, _to(ACCEPT_OR_INGRESS))
    for fixed in port.fixed_ips:
        offer = f"udp,{me},nw_dst={fixed.address},tp_src=67,tp_dst=68"
        yield flow(BASE_INGRESS, 95, offer, _to(ACCEPTED_INGRESS))


# -------------------------------------------------------------------------------------------------------------- rules


def _table(direction: model.Direction, way: Way) -> int:
    """The table that judges packets of a way: answers go where questions of the other direction go."""
    other: model.Direction = "egress" if direction == "ingress" else "ingress"
    return RULES[direction if way == "asks" else other]


def _verdicts(table: int, way: Way) -> list[tuple[str, str]]:
    """State of the connection and actions for packets that a rule allows."""
    accept = _to(ACCEPTED[table])
    if way == "answers":
        return [(ANSWER, accept)]
    return [(TRACKED, accept), (NEW, f"ct(commit,{ZONE}),{accept}")]


def _rules(topology: model.Topology, port: model.Port) -> list[Flow]:
    """Rules that name no group. Two of them may have a match in common."""
    found: dict[tuple[str, ...], Flow] = {}
    for direction in model.DIRECTIONS:
        for rule in topology.rules_of(port, direction):
            for way in ("asks", "answers") if rule.remote_group is None else ():
                for one in _rule(port, rule, way):
                    found[one.key] = one
    return list(found.values())


def _rule(port: model.Port, rule: model.Rule, way: Way) -> Iterator[Flow]:
    table = _table(rule.direction, way)
    for packet in matches(rule, way):
        for state, actions in _verdicts(table, way):
            match = f"{state},{packet},reg5={port.zone}{remote(rule, way)}"
            yield flow(table, BY_ADDRESS, match, actions)


# ------------------------------------------------------------------------------------------------------------- groups


def _groups(topology: model.Topology, secured: list[model.Port]) -> Iterator[Flow]:
    """Rules that name a group: conjunctions of its members with what each port allows them.

    Members stand in one flow each, whichever ports and groups speak of them, so that one more or less is little work.
    """
    members = topology.remote_groups(secured)
    numbers = _numbers(members)
    clauses: dict[tuple[int, str], set[int]] = {}
    verdicts: dict[int, tuple[int, Way]] = {}
    for port in secured:
        for rule in (r for d in model.DIRECTIONS for r in topology.rules_of(port, d) if r.remote_group):
            for way in ("asks", "answers"):
                table, number = _table(rule.direction, way), numbers[rule.remote_group or "", rule.direction, way]
                verdicts[number] = (table, way)
                state = f"{ANSWER}," if way == "answers" else ""  # which is what knows the type of an ICMP question
                for packet in matches(rule, way):
                    clauses.setdefault((table, f"{state}{packet},reg5={port.zone}"), set()).add(number)
    yield from _conjunctions(2, clauses)
    yield from _conjunctions(1, _members(members, numbers, verdicts))
    for number, (table, way) in sorted(verdicts.items()):
        for state, actions in _verdicts(table, way):
            yield flow(table, BY_GROUP, f"{state},ip,conj_id={number}", actions)


def _members(
    members: dict[str, tuple[str, ...]],
    numbers: dict[tuple[str, model.Direction, Way], int],
    verdicts: dict[int, tuple[int, Way]],
) -> dict[tuple[int, str], set[int]]:
    """Matches of members by table, with the conjunctions that they are part of."""
    clauses: dict[tuple[int, str], set[int]] = {}
    for (group, _direction, _way), number in numbers.items():
        if number in verdicts:
            table = verdicts[number][0]
            field = "nw_src" if table == RULES_INGRESS else "nw_dst"
            for address in members[group]:
                clauses.setdefault((table, f"ip,{field}={address}"), set()).add(number)
    return clauses


def _conjunctions(part: int, clauses: dict[tuple[int, str], set[int]]) -> Iterator[Flow]:
    for (table, match), numbers in clauses.items():
        actions = ",".join(f"conjunction({number},{part}/2)" for number in sorted(numbers))
        yield flow(table, BY_GROUP, match, actions)


def _numbers(groups: dict[str, tuple[str, ...]]) -> dict[tuple[str, model.Direction, Way], int]:
    """Numbers of conjunctions, from the beginning of a group's id: one group more changes none of the others."""
    found: dict[tuple[str, model.Direction, Way], int] = {}
    taken: set[int] = set()
    for group in groups:
        base = int(group[:8], 16) & ~3 or 4
        while base in taken:
            base = (base + 4) % (1 << 32) or 4
        taken.add(base)
        for index, direction in enumerate(model.DIRECTIONS):
            found[group, direction, "asks"] = base + 2 * index
            found[group, direction, "answers"] = base + 2 * index + 1
    return found
