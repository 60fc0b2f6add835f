# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The resolved topology: what compilers see.

Frozen, canonical and complete. Every address, MAC, segment and local VLAN is there, chosen by people or through the
lock file; every reference is an id that exists. What people may write is another set of types (`raw.py`).

Ids are UUIDv5 of (deployment, project, kind, name). Names and all other texts have been validated: names match
`[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 63 characters. Addresses are canonical text.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing

NetworkType = typing.Literal["flat", "vlan", "vxlan", "gre"]
TUNNELS: typing.Final = ("vxlan", "gre")
Firewall = typing.Literal["iptables_hybrid", "openvswitch"]
Direction = typing.Literal["ingress", "egress"]
DIRECTIONS: typing.Final[tuple[Direction, ...]] = typing.get_args(Direction)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of the inventory."""

    name: str
    roles: tuple[typing.Literal["controller", "network", "compute"], ...]
    interfaces: dict[str, str]  # "management", "tunnel" or a physical network -> NIC
    tunnel_ip: str | None
    datapath: typing.Literal["system", "netdev"]
    firewall: Firewall
    adopt_bridges: tuple[str, ...]
    guests: bool  # instances of this node are namespaces that tenantnet makes itself (a lab node)
    underlay_mtu: int = 1500  # bytes that its tunnel and physical networks carry
    management_ip: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalNetwork:
    """A wire that some nodes share, and the bridge that holds its NIC."""

    name: str
    bridge: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """An IPv4 subnet of a network."""

    id: str
    name: str
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    dns_nameservers: tuple[str, ...]
    host_routes: tuple[tuple[str, str], ...]  # (destination, next hop)

    @property
    def prefixlen(self) -> int:
        """Bits of the prefix."""
        return ipaddress.IPv4Network(self.cidr).prefixlen

    def holds(self, address: str) -> bool:
        """Whether an address belongs to this subnet."""
        return ipaddress.IPv4Address(address) in ipaddress.IPv4Network(self.cidr)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A layer-2 segment. `project` is "" for one of the administrators'."""

    id: str
    project: str
    name: str
    network_type: NetworkType
    physical_network: str | None  # of flat and vlan
    segmentation_id: int | None  # None for flat
    mtu: int
    external: bool
    subnets: tuple[Subnet, ...]
    dhcp_nodes: tuple[str, ...]  # nodes that run a DHCP server for it

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.project}/{self.name}" if self.project else self.name


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FixedIp:
    """An address on a port. `subnet` is the subnet's id."""

    subnet: str
    address: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AddressPair:
    """What a port may say it is: an IPv4 address or prefix, and the MAC that goes with it."""

    ip_address: str  # an address is written without a prefix length
    mac_address: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A network card in the words of Neutron, and where it is plugged."""

    id: str
    project: str
    network: str  # id
    owner: typing.Literal["instance", "router_interface", "router_gateway", "dhcp"]
    device: str  # id of the instance, of the router, or (dhcp) of the network
    label: str  # for people: "demo/instance1:private", "demo/router:private", "demo/private:dhcp"
    node: str
    mac: str
    fixed_ips: tuple[FixedIp, ...]
    security_groups: tuple[str, ...] = ()  # ids; only of instances
    port_security_enabled: bool = True
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    zone: int | None = None  # conntrack zone, of instances
    leaving: tuple[str, ...] = ()  # other nodes that may still answer for an address of it

    @property
    def pairs(self) -> tuple[AddressPair, ...]:
        """All that it may say it is: its allowed address pairs, and its fixed IPs with its own MAC."""
        fixed = (AddressPair(ip_address=ip.address, mac_address=self.mac) for ip in self.fixed_ips)
        return tuple(dict.fromkeys([*self.allowed_address_pairs, *fixed]))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIp:
    """An external address that leads to the fixed address of one port through one router."""

    id: str
    project: str
    address: str
    router: str  # id
    port: str  # id
    fixed_ip: str
    leaving: tuple[str, ...] = ()  # other nodes that may still answer for it


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PortForwarding:
    """Ports of an external address that lead to as many ports of a fixed address, through one router."""

    id: str
    project: str
    address: str
    router: str  # id
    port: str  # id
    fixed_ip: str
    protocol: typing.Literal["tcp", "udp"]
    external_ports: tuple[int, int]  # first and last
    internal_ports: tuple[int, int]
    leaving: tuple[str, ...] = ()  # other nodes that may still answer for the external address


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """A project's router on one network node. Its ports are in `Topology.ports`."""

    id: str
    project: str
    name: str
    node: str
    external_network: str | None  # id
    enable_snat: bool
    routes: tuple[tuple[str, str], ...]  # (destination, next hop)

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.project}/{self.name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A security group rule for IPv4. `protocol` is a name that iptables prints, a number as text, or None for any."""

    direction: Direction
    protocol: str | None = None
    port_range: tuple[int, int] | None = None  # tcp, udp, sctp, dccp: first and last destination port
    icmp_type: int | None = None
    icmp_code: int | None = None
    remote_ip_prefix: str | None = None  # CIDR
    remote_group: str | None = None  # id


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """A named list of what is allowed; whatever no rule allows is denied."""

    id: str
    project: str
    name: str
    rules: tuple[Rule, ...]
    stateful: bool = True  # False: answers need rules of their own


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A machine of a project on one node; `ports` are ids in the order of its NICs."""

    id: str
    project: str
    name: str
    node: str
    ports: tuple[str, ...]
    key_pairs: tuple[str, ...] = ()
    user_data: str | None = None

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.project}/{self.name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Everything, by id (nodes and physical networks by name)."""

    deployment: str
    nodes: dict[str, Node]
    physical_networks: dict[str, PhysicalNetwork]
    networks: dict[str, Network]
    routers: dict[str, Router]
    ports: dict[str, Port]
    floating_ips: dict[str, FloatingIp]
    security_groups: dict[str, SecurityGroup]
    instances: dict[str, Instance]
    local_vlans: dict[str, dict[str, int]]  # node -> network id -> VLAN of br-int on that node
    l2_population: bool = False  # tunnels and their flows follow what is known, where others flood and learn
    arp_responder: bool = False  # with l2_population: br-tun answers ARP for what is behind a tunnel
    port_forwardings: dict[str, PortForwarding] = dataclasses.field(default_factory=dict)

    def ports_on(self, node: str) -> list[Port]:
        """Ports plugged on a node, in the order of their ids."""
        return sorted((p for p in self.ports.values() if p.node == node), key=lambda p: p.id)

    def networks_on(self, node: str) -> list[Network]:
        """Networks that have a port on a node: the ones it needs a local VLAN for."""
        return [self.networks[i] for i in sorted({p.network for p in self.ports_on(node)})]

    def rules_of(self, port: Port, direction: Direction) -> list[Rule]:
        """What the groups of a port allow in one direction, the same rule once."""
        groups = (self.security_groups[id_] for id_ in port.security_groups)
        return list(dict.fromkeys(rule for g in groups for rule in g.rules if rule.direction == direction))

    def is_stateful(self, port: Port) -> bool:
        """Whether the answers of what the groups of a port allow pass by themselves."""
        return all(self.security_groups[id_].stateful for id_ in port.security_groups)

    def remote_groups(self, ports: typing.Collection[Port]) -> dict[str, tuple[str, ...]]:
        """Groups that the rules of some ports speak of, and the addresses and prefixes of their members, sorted."""
        rules = (r for p in ports for direction in DIRECTIONS for r in self.rules_of(p, direction))
        members: dict[str, set[str]] = {rule.remote_group: set() for rule in rules if rule.remote_group}
        for port in self.ports.values():
            for group in members.keys() & set(port.security_groups):
                members[group].update(pair.ip_address for pair in port.pairs)
        return {group: tuple(sorted(members[group])) for group in sorted(members)}

    def subnet(self, id_: str) -> Subnet:
        """A subnet by id."""
        return next(s for n in self.networks.values() for s in n.subnets if s.id == id_)
