# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The iptables_hybrid firewall (datapath.md 5.1, 5.2, 1.4 anti-spoofing).

    tap - qbr - qvb = qvo - br-int

The Linux bridge `qbr` is there for iptables, which sees bridged packets only there; what iptables can't see, ARP and
MAC addresses, br-int checks. A frame that both take for something else, nftables drops.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator

from ...module_utils.state import Chain, Ethertype, Ipset, Link, Module, Resource, Zone, chain_prefix
from ..topology import model
from . import names, plug, switching
from .firewall import SLICE, flow
from .ovs_rules import Way
from .rules import rule_text

P = chain_prefix(SLICE)

#: Questions are judged one by one, and so are answers: a connection ends with its rule, group member or address.
ANSWER = "-m conntrack --ctstate ESTABLISHED --ctdir REPLY"

#: br_netfilter switches iptables on for every bridge of the machine; if it is us who load it, it stays off but on ours.
BRIDGE_NETFILTER = Module(
    slice=SLICE,
    name="br_netfilter",
    probe="/proc/sys/net/bridge",
    sysctls={f"net.bridge.bridge-nf-call-{kind}": "0" for kind in ("arptables", "ip6tables", "iptables")},
)


def compile(topology: model.Topology, node: model.Node, ports: list[model.Port]) -> list[Resource]:
    """Plumbing, anti-spoofing flows and iptables of all instance ports of a node."""
    resources: list[Resource] = [BRIDGE_NETFILTER]
    for port in ports:
        resources += _plumbing(topology, port)
        resources += _anti_spoofing(port)
        resources += [_zone(port)] if topology.is_stateful(port) else []
        resources += _ethertypes(port) if port.port_security_enabled else []
    return resources + _ipsets(topology, ports) + _chains(topology, ports)


def _plumbing(topology: model.Topology, port: model.Port) -> list[Resource]:
    """qbr, qvb and qvo (datapath.md 5.1)."""
    network = topology.networks[port.network]
    qbr, qvb, qvo = (names.device(prefix, port.id) for prefix in ("qbr", "qvb", "qvo"))
    bridge = {"ageing_time": 0, "stp_state": 0, "mcast_snooping": 0, "nf_call_iptables": 1, "nf_call_ip6tables": 1}

    def veth(name: str, peer: str, master: str = "") -> Link:
        return Link(
            slice=SLICE,
            namespace="",
            name=name,
            kind="veth",
            peer=("", peer),
            alias=port.label,
            mtu=network.mtu,
            master=master,
            promiscuous=True,
            sysctls=dict(plug.SILENT),
        )

    return [
        Link(
            slice=SLICE,
            namespace="",
            name=qbr,
            kind="bridge",
            alias=port.label,
            mtu=network.mtu,
            bridge=bridge,
            sysctls={**plug.SILENT, "ipv4.arp_announce": "2"},
        ),
        veth(qvb, peer=qvo, master=qbr),
        veth(qvo, peer=qvb),
    ]


def _anti_spoofing(port: model.Port) -> list[Resource]:
    """br-int lets a port speak with its own MAC only, and say in ARP only its own addresses (datapath.md 1.4)."""
    source = f'in_port="{names.device("qvo", port.id)}"'
    if not port.port_security_enabled:
        return []
    flows = [
        flow(switching.LOCAL_SWITCHING, 10, f"arp,{source}", f"goto_table:{switching.ARP_SPOOF}"),
        flow(switching.LOCAL_SWITCHING, 9, source, f"goto_table:{switching.MAC_SPOOF}"),
    ]
    for mac in dict.fromkeys([port.mac, *(pair.mac_address for pair in port.pairs)]):
        flows += [
            flow(switching.MAC_SPOOF, 2, f"{type_},{source},dl_src={mac}", f"goto_table:{switching.LOCAL_EGRESS}")
            for type_ in ("arp", "ip")
        ]
    for address in dict.fromkeys(pair.ip_address for pair in port.pairs):
        match = f"arp,{source},arp_spa={address}"
        flows.append(flow(switching.ARP_SPOOF, 2, match, f"goto_table:{switching.MAC_SPOOF}"))
    return list(flows)


# ------------------------------------------------------------------------------------------------------------- ipsets


def _ipsets(topology: model.Topology, ports: list[model.Port]) -> list[Resource]:
    """The addresses of each remote group that a rule of this node speaks of."""
    groups = topology.remote_groups(ports)
    return [Ipset(slice=SLICE, name=set_name(g), members=members) for g, members in groups.items()]


def set_name(group: str) -> str:
    """The ipset of the addresses of a security group."""
    return f"{P}{group[: names.ID_LENGTH]}"


# ------------------------------------------------------------------------------------------------------------- chains


def _chains(topology: model.Topology, ports: list[model.Port]) -> list[Resource]:
    return [
        *_table("ipv4", "filter", _filter(topology, ports)),
        *_table("ipv4", "raw", _zones(topology, ports)),
        *_table("ipv4", "nat", _no_host_nat(ports)),
        *_table("ipv6", "filter", _no_ipv6(ports)),
    ]


def _table(family: typing.Literal["ipv4", "ipv6"], table: str, chains: dict[str, list[str]]) -> Iterator[Chain]:
    for name, rules in chains.items():
        yield Chain(slice=SLICE, namespace="", family=family, table=table, name=name, rules=tuple(rules))


def _bridged(direction: str, device: str) -> str:
    return f"-m physdev --physdev-{direction} {device} --physdev-is-bridged"


def _filter(topology: model.Topology, ports: list[model.Port]) -> dict[str, list[str]]:
    """RETURN means allowed, so that a packet between two ports of this node passes both; ACCEPT comes at the end."""
    chains: dict[str, list[str]] = {
        "INPUT": [f"-j {P}INPUT"],
        "FORWARD": [f"-j {P}FORWARD"],
        f"{P}INPUT": [],
        f"{P}FORWARD": [],
        f"{P}chain": [],
        f"{P}fallback": ["-j DROP"],
    }
    for port in sorted(ports, key=lambda p: p.id):
        tap, qbr = names.device("tap", port.id), names.device("qbr", port.id)
        # Nothing that a guest sends is for this node, neither to its addresses nor through it.
        chains[f"{P}INPUT"].append(f"-i {qbr} -j DROP")
        chains[f"{P}FORWARD"].append(f"-i {qbr} -m physdev ! --physdev-is-bridged -j DROP")
        if not port.port_security_enabled:
            chains[f"{P}FORWARD"] += [f"{_bridged(way, tap)} -j ACCEPT" for way in ("out", "in")]
            continue
        into, out, source, heard, said = (f"{P}{of}{port.id[: names.ID_LENGTH]}" for of in ("i", "o", "s", "ai", "ao"))
        chains[f"{P}FORWARD"] += [f"{_bridged(way, tap)} -j {P}chain" for way in ("out", "in")]
        chains[f"{P}chain"] += [f"{_bridged('out', tap)} -j {into}", f"{_bridged('in', tap)} -j {out}"]
        chains[into] = list(_ingress(topology, port, heard))
        chains[out] = list(_egress(topology, port, source, said))
        chains[heard] = [*_rules(topology, port, "egress", "answers"), f"-j {P}fallback"]
        chains[said] = [*_rules(topology, port, "ingress", "answers"), f"-j {P}fallback"]
        chains[source] = [
            *(f"-s {_prefix(p.ip_address)} -m mac --mac-source {p.mac_address} -j RETURN" for p in port.pairs),
            "-j DROP",
        ]
    chains[f"{P}chain"].append("-j ACCEPT")
    return chains


def _ingress(topology: model.Topology, port: model.Port, answers: str) -> Iterator[str]:
    """Into the instance: answers to what its groups allow, DHCP, then what its groups allow."""
    yield "-m state --state RELATED -j RETURN"
    yield f"{ANSWER} -g {answers}"
    for ip in port.fixed_ips:
        yield f"-d {ip.address}/32 -p udp -m udp --sport 67 --dport 68 -j RETURN"
    yield "-d 255.255.255.255/32 -p udp -m udp --sport 67 --dport 68 -j RETURN"
    yield from _rules(topology, port, "ingress")
    yield "-m state --state INVALID -j DROP"
    yield f"-j {P}fallback"


def _egress(topology: model.Topology, port: model.Port, source: str, answers: str) -> Iterator[str]:
    """Out of the instance: a DHCP client, its own addresses only, never a DHCP server, then what its groups allow."""
    yield "-s 0.0.0.0/32 -d 255.255.255.255/32 -p udp -m udp --sport 68 --dport 67 -j RETURN"
    yield f"-j {source}"
    yield "-p udp -m udp --sport 68 --dport 67 -j RETURN"
    yield "-p udp -m udp --dport 68 -j DROP"  # clients take an answer from whatever port it comes
    yield "-m state --state RELATED -j RETURN"
    yield f"{ANSWER} -g {answers}"
    yield from _rules(topology, port, "egress")
    yield "-m state --state INVALID -j DROP"
    yield f"-j {P}fallback"


def _rules(topology: model.Topology, port: model.Port, direction: model.Direction, way: Way = "asks") -> list[str]:
    """Rules of all groups of a port, one after the other, duplicates left out."""
    texts = (
        rule_text(rule, set_name(rule.remote_group) if rule.remote_group else None, way)
        for rule in topology.rules_of(port, direction)
    )
    return list(dict.fromkeys(texts))


def _prefix(address: str) -> str:
    return address if "/" in address else f"{address}/32"


def _zone(port: model.Port) -> Resource:
    """Fragments of two projects with equal addresses are never put together: they are so before Neutron's rules ask.

    A packet that is bridged from the tap or from qvb comes in, to iptables and nftables, by qbr.
    """
    return Zone(slice=SLICE, device=names.device("qbr", port.id), zone=port.zone or 0)


def _ethertypes(port: model.Port) -> list[Resource]:
    """Neither way a frame with an LLC header: in that of SNAP, br-int sees a packet and iptables does not."""
    return [Ethertype(slice=SLICE, device=names.device(prefix, port.id)) for prefix in ("tap", "qvb")]


def _zones(topology: model.Topology, ports: list[model.Port]) -> dict[str, list[str]]:
    """A conntrack zone for each port whose connections are tracked: equal addresses of two projects are two."""
    rules = []
    for port in sorted(ports, key=lambda p: p.id):
        tap, qvb = names.device("tap", port.id), names.device("qvb", port.id)
        tracking = f"--zone {port.zone}" if topology.is_stateful(port) else "--notrack"
        for match in (f"-m physdev --physdev-in {qvb}", f"-i {qvb}", f"-m physdev --physdev-in {tap}"):
            rules.append(f"{match} -j CT {tracking}")
    return {"PREROUTING": [f"-j {P}PREROUTING"], f"{P}PREROUTING": rules}


def _no_host_nat(ports: list[model.Port]) -> dict[str, list[str]]:
    """Bridged packets of instances never meet the NAT rules that the host has for itself."""
    rules = []
    for port in sorted(ports, key=lambda p: p.id):
        rules += [f"-m physdev --physdev-in {names.device(prefix, port.id)} -j ACCEPT" for prefix in ("tap", "qvb")]
    return {"PREROUTING": [f"-j {P}PREROUTING"], f"{P}PREROUTING": rules}


def _no_ipv6(ports: list[model.Port]) -> dict[str, list[str]]:
    """IPv6 is dropped both ways until it is a feature: every guest has a link-local address."""
    into, forward = [], []
    for port in sorted(ports, key=lambda p: p.id):
        into.append(f"-i {names.device('qbr', port.id)} -j DROP")
        forward += [f"-m physdev --physdev-{way} {names.device('tap', port.id)} -j DROP" for way in ("out", "in")]
    return {
        "INPUT": [f"-j {P}INPUT"],
        "FORWARD": [f"-j {P}FORWARD"],
        f"{P}INPUT": into,
        f"{P}FORWARD": forward,
    }
