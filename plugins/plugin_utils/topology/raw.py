# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What people may write in provider.yml and projects/*.yml, in the words of the Neutron API.

Short forms become the long form while a file is read, so that later code sees one form only. A field that is None was
left open and is chosen by the plan. `id` is the identity of an object: written down, it survives a change of the name.
"""

from __future__ import annotations

import dataclasses
import typing

from ..third_party import pydantic
from .model import Node
from .parts import Part, Route, Subnet
from .source import Sources
from .words import (
    Address,
    BridgeName,
    Items,
    KeyPair,
    Keys,
    Mac,
    Mtu,
    Name,
    Ports,
    Protocol,
    RemotePrefix,
    Uuid,
    Vlans,
    Vnis,
    address,
    wrong,
)

ProjectType = typing.Literal["vxlan", "vlan", "gre"]


class PhysicalNetwork(Part):
    """A wire between nodes; the bridge that holds its NIC has the same name on each of them."""

    bridge: BridgeName
    vlan_ranges: Items[Vlans] = ()  # VLANs that projects may get
    mtu: Mtu | None = None  # bytes that it carries, where that is less than the tenantnet_underlay_mtu of its nodes


class Vxlan(Part):
    """VXLAN tunnels between nodes."""

    vni_ranges: Items[Vnis]


class Gre(Part):
    """GRE tunnels between nodes."""

    key_ranges: Items[Keys]


class Tunnels(Part):
    """Kinds of tunnels and the ids that projects may get, and how a node knows what is behind which tunnel.

    Without `l2_population` nodes flood and learn; with it each is told who hosts a network and where each MAC is.
    With `arp_responder` a node also answers ARP for what is on other nodes.
    """

    vxlan: Vxlan | None = None
    gre: Gre | None = None
    l2_population: bool = False
    arp_responder: bool = False

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Tunnels:
        if self.arp_responder and not self.l2_population:
            raise wrong("arp_responder answers with what l2_population knows", "add 'l2_population: true'")
        return self


class ExternalSubnet(Subnet):
    """A subnet of an external network, where others serve addresses."""

    enable_dhcp: bool = False


class ExternalNetwork(Part):
    """A network of the administrators that routers of all projects may use."""

    id: Uuid | None = None
    network_type: typing.Literal["flat", "vlan"] = "flat"
    physical_network: Name
    segmentation_id: int | None = pydantic.Field(default=None, ge=1, le=4094)  # of vlan
    mtu: Mtu | None = None
    subnets: dict[Name, ExternalSubnet] = pydantic.Field(min_length=1)


class Quota(Part):
    """How many a project may have; the defaults are Neutron's, -1 is no limit."""

    networks: int = pydantic.Field(default=100, ge=-1)
    subnets: int = pydantic.Field(default=100, ge=-1)
    ports: int = pydantic.Field(default=500, ge=-1)  # of instances, router interfaces and DHCP servers
    routers: int = pydantic.Field(default=10, ge=-1)
    floating_ips: int = pydantic.Field(default=50, ge=-1)
    security_groups: int = pydantic.Field(default=10, ge=-1)
    security_group_rules: int = pydantic.Field(default=100, ge=-1)


class Limits(Part):
    """What a project may use; a network that names no type gets the first of `network_types` that has ranges."""

    network_types: Items[ProjectType] = ("vxlan", "vlan", "gre")
    quota: Quota = Quota()


class Provider(Part):
    """provider.yml."""

    physical_networks: dict[Name, PhysicalNetwork] = pydantic.Field(default_factory=dict)
    tunnels: Tunnels = Tunnels()
    external_networks: dict[Name, ExternalNetwork] = pydantic.Field(default_factory=dict)
    projects: dict[Name, Limits] = pydantic.Field(default_factory=dict)


class Network(Part):
    """A project's network."""

    id: Uuid | None = None
    network_type: ProjectType | None = None
    mtu: Mtu | None = None
    port_security_enabled: bool = True  # of its ports that do not say
    subnets: dict[Name, Subnet] = pydantic.Field(default_factory=dict)


class RouterSubnet(Part):
    """Short form: the subnet alone; the network is needed where two have a subnet of that name."""

    network: Name | None = None
    subnet: Name

    @pydantic.model_validator(mode="before")
    @classmethod
    def _long(cls, value: object) -> object:
        return {"subnet": value} if isinstance(value, str) else value


class Router(Part):
    """A project's router; `external_ip` is its own address in the external network."""

    id: Uuid | None = None
    node: str | None = None
    external_network: Name | None = None
    external_ip: Address | None = None
    enable_snat: bool = True
    subnets: Items[RouterSubnet] = ()
    routes: Items[Route] = pydantic.Field(default=(), max_length=30)


class Rule(Part):
    """A security group rule; `remote_ip_prefix: 0.0.0.0/0` and `protocol: any` say the same as leaving them out."""

    direction: typing.Literal["ingress", "egress"]
    ethertype: typing.Literal["IPv4"] = "IPv4"
    protocol: Protocol = None
    port_range: Ports | None = None
    icmp_type: int | None = pydantic.Field(default=None, ge=0, le=255)
    icmp_code: int | None = pydantic.Field(default=None, ge=0, le=255)
    remote_ip_prefix: RemotePrefix = None
    remote_group: Name | None = None

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Rule:
        if self.port_range and self.protocol not in ("tcp", "udp", "udplite", "sctp", "dccp"):
            raise wrong("port_range needs a protocol that has ports", "add 'protocol: tcp' or 'protocol: udp'")
        if self.icmp_type is not None and self.protocol != "icmp":
            raise wrong("icmp_type needs 'protocol: icmp'")
        if self.icmp_code is not None and self.icmp_type is None:
            raise wrong("icmp_code needs an icmp_type")
        if self.remote_group and "remote_ip_prefix" in self.model_fields_set:
            raise wrong("remote_group and remote_ip_prefix exclude each other", "write two rules")
        return self


class SecurityGroup(Part):
    """Rules that allow. As in Neutron a group that lists no egress rule lets everything out.

    A group called `default` adds its rules to those that Neutron gives the default group of each project: everything in
    from ports of the same group, everything out.
    """

    id: Uuid | None = None
    rules: Items[Rule] = ()


class Port(Part):
    """Short form: the network alone. Its key within the instance is its name, or else its network."""

    id: Uuid | None = None
    network: Name
    name: Name | None = None
    fixed_ip: Address | None = None
    mac: Mac | None = None
    floating_ip: str | None = None  # an address, or "" for any (people write `true`)
    security_groups: Items[Name] | None = None  # None: the default group
    port_security_enabled: bool | None = None  # None: as the network says

    @pydantic.model_validator(mode="before")
    @classmethod
    def _long(cls, value: object) -> object:
        return {"network": value} if isinstance(value, str) else value

    @pydantic.field_validator("floating_ip", mode="before")
    @classmethod
    def _floating_ip(cls, value: object) -> object:
        if isinstance(value, bool):
            return "" if value else None
        return address(value) if isinstance(value, str) else value

    @property
    def key(self) -> str:
        """What tells it from the other ports of its instance."""
        return self.name or self.network


class Instance(Part):
    """A machine of a project; the order of `ports` is the order of its network cards."""

    id: Uuid | None = None
    node: str
    ports: Items[Port]
    key_pairs: Items[KeyPair] = ()
    user_data: str | None = None


class Project(Part):
    """projects/<name>.yml."""

    networks: dict[Name, Network] = pydantic.Field(default_factory=dict)
    routers: dict[Name, Router] = pydantic.Field(default_factory=dict)
    security_groups: dict[Name, SecurityGroup] = pydantic.Field(default_factory=dict)
    instances: dict[Name, Instance] = pydantic.Field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A topology as it was written, checked; `sources` tells where each part of it stands."""

    deployment: str
    nodes: dict[str, Node]
    provider: Provider
    projects: dict[str, Project]
    sources: Sources
    directory: str = "topology"  # name of the directory, as it begins the files' names

    @property
    def provider_file(self) -> str:
        """Name of provider.yml in problems."""
        return f"{self.directory}/provider.yml"

    def project_file(self, project: str) -> str:
        """Name of a project's file in problems."""
        return f"{self.directory}/projects/{project}.yml"
