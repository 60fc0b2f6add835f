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
from .dhcp_options import DhcpOption
from .model import DNS_DOMAIN, Node
from .parts import IDENTITY, MTU, Part, Route, Short, Subnet
from .source import Path, Sources
from .words import (
    Address,
    BridgeName,
    Domain,
    FloatingIp,
    Items,
    KeyPair,
    Keys,
    Mac,
    Mtu,
    Name,
    NetworkName,
    OwnAddress,
    Ports,
    Protocol,
    RemotePrefix,
    Uuid,
    Vlans,
    Vnis,
    wrong,
)

ProjectType = typing.Literal["vxlan", "vlan", "gre"]


class PhysicalNetwork(Part):
    """A wire between nodes. Which NIC a node has in it is said in hosts.yml."""

    bridge: BridgeName = pydantic.Field(description="Bridge that holds its NIC, the same name on each node.")
    vlan_ranges: Items[Vlans] = pydantic.Field(default=(), description="VLANs that networks of projects may get.")
    mtu: Mtu | None = pydantic.Field(
        default=None,
        description="Bytes that it carries, where that is less than the tenantnet_underlay_mtu of its nodes.",
    )


class Vxlan(Part):
    """VXLAN tunnels between nodes."""

    vni_ranges: Items[Vnis] = pydantic.Field(description="VNIs that networks of projects may get.")


class Gre(Part):
    """GRE tunnels between nodes."""

    key_ranges: Items[Keys] = pydantic.Field(description="GRE keys that networks of projects may get.")


class Tunnels(Part):
    """Kinds of tunnels, the ids that projects may get, and how a node knows what is behind which tunnel."""

    vxlan: Vxlan | None = pydantic.Field(default=None, description="Left out, there are no VXLAN networks.")
    gre: Gre | None = pydantic.Field(default=None, description="Left out, there are no GRE networks.")
    l2_population: bool = pydantic.Field(
        default=False,
        description="Tell each node who hosts a network and where each MAC is, instead of flood and learn.",
    )
    arp_responder: bool = pydantic.Field(
        default=False, description="Answer ARP for ports of other nodes on the spot. Needs l2_population."
    )


class ExternalSubnet(Subnet):
    """A subnet of an external network, where others serve addresses."""

    enable_dhcp: bool = pydantic.Field(default=False, description="Whether tenantnet serves its addresses by DHCP.")


OFFERED: typing.Final[typing.Any] = pydantic.Field(
    default=None, description="Projects that may use it. Left out, all of them."
)


class ExternalNetwork(Part):
    """A network of the administrators that leads out of the deployment, for routers of projects."""

    id: Uuid | None = IDENTITY
    network_type: typing.Literal["flat", "vlan"] = pydantic.Field(
        default="flat", description="flat: untagged frames of the physical network; vlan: one of its VLANs."
    )
    physical_network: Name = pydantic.Field(description="One of `physical_networks`.")
    segmentation_id: int | None = pydantic.Field(default=None, ge=1, le=4094, description="The VLAN, of type vlan.")
    mtu: Mtu | None = MTU
    shared_with: Items[Name] | None = OFFERED
    subnets: dict[Name, ExternalSubnet] = pydantic.Field(min_length=1, description="Its subnets by name.")


def _quota(default: int, what: str) -> int:
    return pydantic.Field(default=default, ge=-1, description=f"{what}. -1: no limit.")


class Quota(Part):
    """How many a project may have. The names and defaults are Neutron's."""

    networks: int = _quota(100, "Networks")
    subnets: int = _quota(100, "Subnets of all networks")
    ports: int = _quota(500, "Ports of instances, router interfaces and DHCP servers")
    routers: int = _quota(10, "Routers")
    floating_ips: int = _quota(50, "Floating IPs")
    rbac_policies: int = _quota(10, "Shares of networks, one for each project in a `shared_with`")
    security_groups: int = _quota(10, "Security groups; `default`, which each project has, counts where it is written")
    security_group_rules: int = _quota(100, "Rules that are written down, of all groups")
    instances: int = _quota(-1, "Instances, which are Nova's to count in OpenStack")


class Limits(Part):
    """A project and what it may use."""

    network_types: Items[ProjectType] = pydantic.Field(
        default=("vxlan", "vlan", "gre"), description="Types that its networks may have, the preferred one first."
    )
    quota: Quota = pydantic.Field(default=Quota(), description="How many of each kind it may have.")


class Network(Part):
    """A network inside the deployment."""

    id: Uuid | None = IDENTITY
    network_type: ProjectType | None = pydantic.Field(
        default=None, description="Left out, it is the first of the project's types that provider.yml has ranges for."
    )
    mtu: Mtu | None = MTU
    dns_domain: Domain | None = pydantic.Field(
        default=None, description="Domain of its instances' names in DHCP and DNS. Left out, it is provider.yml's."
    )
    port_security_enabled: bool = pydantic.Field(default=True, description="Of its ports that do not say.")
    subnets: dict[Name, Subnet] = pydantic.Field(default_factory=dict, description="Its subnets by name.")


class OwnNetwork(Network):
    """A project's network."""

    shared_with: Items[Name] = pydantic.Field(
        default=(), description="Projects that may plug instances into it, under the name of <this project>/<its name>."
    )


class SharedNetwork(Network):
    """A network of the administrators, for instances of projects."""

    shared_with: Items[Name] | None = OFFERED


class Provider(Part):
    """provider.yml: what administrators own."""

    physical_networks: dict[Name, PhysicalNetwork] = pydantic.Field(
        default_factory=dict, description="Wires between nodes, by name."
    )
    tunnels: Tunnels = pydantic.Field(default=Tunnels(), description="Kinds of tunnels that there are.")
    external_networks: dict[Name, ExternalNetwork] = pydantic.Field(
        default_factory=dict, description="Networks that lead out of the deployment, by name."
    )
    dns_domain: Domain = pydantic.Field(default=DNS_DOMAIN, description="Domain of networks that name none.")
    dns_forwarders: Items[Address] = pydantic.Field(
        default=(), max_length=5, description="Name servers whom DHCP servers ask for names that they do not know."
    )
    dhcp_agents_per_network: int = pydantic.Field(
        default=1, ge=1, le=8, description="How many network nodes have a DHCP server of each network."
    )
    networks: dict[Name, SharedNetwork] = pydantic.Field(
        default_factory=dict, description="Networks that projects share, by name."
    )
    projects: dict[Name, Limits] = pydantic.Field(
        default_factory=dict,
        description="Every project by name, and what it may use. Its members own projects/<name>.yml.",
    )


class RouterSubnet(Short):
    """A subnet that a router joins."""

    short = "subnet"

    network: NetworkName | None = pydantic.Field(
        default=None, description="Needed where two have a subnet of that name."
    )
    subnet: Name = pydantic.Field(description="Name of the subnet.")
    fixed_ip: Address | None = pydantic.Field(
        default=None, description="The router's address in it. Left out, it is the gateway's."
    )


class Router(Part):
    """A project's router."""

    id: Uuid | None = IDENTITY
    node: str | None = pydantic.Field(
        default=None,
        description="Network node that it runs on. Left out, it is that where it is already, else the first by name.",
    )
    external_network: Name | None = pydantic.Field(default=None, description="External network that it leads to.")
    external_ip: Address | None = pydantic.Field(
        default=None, description="Its address in the external network. Left out, it gets a free one of the pools."
    )
    enable_snat: bool = pydantic.Field(
        default=True, description="Whether instances without floating IP reach the outside, as the router's address."
    )
    subnets: Items[RouterSubnet] = pydantic.Field(default=(), description="Subnets that it joins.")
    routes: Items[Route] = pydantic.Field(default=(), max_length=30, description="Extra routes of the router.")


class Rule(Part):
    """A security group rule; `remote_ip_prefix: 0.0.0.0/0` and `protocol: any` say the same as leaving them out."""

    direction: typing.Literal["ingress", "egress"] = pydantic.Field(
        description="ingress: to the port; egress: from it."
    )
    ethertype: typing.Literal["IPv4"] = pydantic.Field(default="IPv4", description="The one that there is so far.")
    protocol: Protocol = pydantic.Field(default=None, description="Name or number, or `any`. Left out, any.")
    port_range: Ports | None = pydantic.Field(default=None, description="Destination port, or first:last.")
    icmp_type: int | None = pydantic.Field(default=None, ge=0, le=255, description="With `protocol: icmp`.")
    icmp_code: int | None = pydantic.Field(default=None, ge=0, le=255, description="With an icmp_type.")
    remote_ip_prefix: RemotePrefix = pydantic.Field(default=None, description="Addresses of the other end.")
    remote_group: Name | None = pydantic.Field(
        default=None, description="Security group that the other end's port must be in. Excludes remote_ip_prefix."
    )

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

    Of a group that is not `stateful` the answers need rules of their own: its connections are not tracked.

    A group called `default` adds its rules to those that Neutron gives the default group of each project: everything in
    from ports of the same group, everything out.
    """

    id: Uuid | None = IDENTITY
    stateful: bool = pydantic.Field(default=True, description="Whether answers pass without rules of their own.")
    rules: Items[Rule] = pydantic.Field(default=(), description="What is allowed; everything else is denied.")


class PortForwarding(Part):
    """Ports of an external address that lead to ports of a fixed one; the others may lead to other instances."""

    floating_ip: Address = pydantic.Field(description="The external address, which several may share.")
    protocol: typing.Literal["tcp", "udp"] = pydantic.Field(description="That of the ports.")
    external_port: Ports = pydantic.Field(description="Port of the external address, or first:last.")
    internal_port: Ports | None = pydantic.Field(
        default=None, description="Port of the fixed address, or as many of them. Left out, it is the same."
    )

    @pydantic.model_validator(mode="after")
    def _fits(self) -> PortForwarding:
        outer, inner = self.external_port, self.internal
        if outer[1] - outer[0] != inner[1] - inner[0]:
            raise wrong("external_port and internal_port are not of the same length", "each port leads to one")
        return self

    @property
    def internal(self) -> tuple[int, int]:
        """First and last port of the fixed address."""
        ports: tuple[int, int] = self.internal_port or self.external_port
        return ports


FLOATING_IP: typing.Final[typing.Any] = pydantic.Field(
    default=None, description="External address that leads to this one, or `true` for a free one of the pools."
)
FORWARDINGS: typing.Final[typing.Any] = pydantic.Field(
    default=(), description="Ports of external addresses that lead to this one."
)


class FixedIp(Short):
    """One address of a port."""

    short = "ip_address"

    ip_address: Address | None = pydantic.Field(default=None, description="Left out, it is a free one.")
    subnet: Name | None = pydantic.Field(default=None, description="Subnet that it is of. Left out, any.")
    floating_ip: FloatingIp = FLOATING_IP
    port_forwardings: Items[PortForwarding] = FORWARDINGS

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the other addresses of its port."""
        return self.subnet or "", self.ip_address or ""


class AddressPair(Short):
    """An address that a port may use beside its fixed IP, as that of a virtual router."""

    short = "ip_address"

    ip_address: OwnAddress = pydantic.Field(description="An address or a prefix.")
    mac_address: Mac | None = pydantic.Field(default=None, description="Left out, it is the port's own.")


class Port(Short):
    """A network card of an instance, known within it by its name, or else by its network.

    Of its one address it says what a FixedIp says; several stand in `fixed_ips`, and DHCP gives the first one.
    """

    short = "network"

    id: Uuid | None = IDENTITY
    network: NetworkName = pydantic.Field(
        description="Network of the project, of the administrators, or <project>/<network> that another one shares."
    )
    name: Name | None = pydantic.Field(default=None, description="Needed where an instance is in a network twice.")
    fixed_ip: Address | None = pydantic.Field(default=None, description="Left out, it is a free one of the network.")
    mac: Mac | None = pydantic.Field(default=None, description="Left out, it is derived from the port's id.")
    floating_ip: FloatingIp = FLOATING_IP
    port_forwardings: Items[PortForwarding] = FORWARDINGS
    fixed_ips: Items[FixedIp] = pydantic.Field(
        default=(), description="Several addresses, each with what leads to it. Excludes the three for a single one."
    )
    security_groups: Items[Name] | None = pydantic.Field(default=None, description="Left out, it is in `default`.")
    port_security_enabled: bool | None = pydantic.Field(default=None, description="Left out, as the network says.")
    queues: int = pydantic.Field(
        default=1,
        ge=1,
        le=256,
        description="Queues of the tap of a virtual machine; more than one for many processors.",
    )
    extra_dhcp_opts: Items[DhcpOption] = pydantic.Field(
        default=(), max_length=30, description="DHCP options of this port alone."
    )
    allowed_address_pairs: Items[AddressPair] = pydantic.Field(
        default=(), max_length=10, description="What else it may say it is."
    )

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Port:
        single = [
            key for key in ("fixed_ip", "floating_ip", "port_forwardings") if getattr(self, key) not in (None, ())
        ]
        if self.fixed_ips and single:
            raise wrong(f"fixed_ips and {single[0]} exclude each other", "write it at one of fixed_ips")
        return self

    @property
    def key(self) -> str:
        """What tells it from the other ports of its instance."""
        return self.name or self.network

    @property
    def addresses(self) -> list[tuple[Path, FixedIp]]:
        """Its addresses, each with the path below the port at which it says what leads to it."""
        if self.fixed_ips:
            return [(("fixed_ips", index), fixed) for index, fixed in enumerate(self.fixed_ips)]
        # What was checked here is not to be checked again: a floating IP "" has been written as `true`.
        single = FixedIp.model_construct(
            ip_address=self.fixed_ip,
            subnet=None,
            floating_ip=self.floating_ip,
            port_forwardings=self.port_forwardings,
        )
        return [((), single)]


class Instance(Part):
    """A machine of a project."""

    id: Uuid | None = IDENTITY
    node: str = pydantic.Field(description="Compute node that it runs on.")
    ports: Items[Port] = pydantic.Field(description="Its network cards in their order.")
    key_pairs: Items[KeyPair] = pydantic.Field(default=(), description="SSH public keys that metadata gives it.")
    user_data: str | None = pydantic.Field(default=None, description="What metadata gives it for cloud-init.")


class Project(Part):
    """projects/<name>.yml: what the members of a project own."""

    networks: dict[Name, OwnNetwork] = pydantic.Field(default_factory=dict, description="Networks by name.")
    routers: dict[Name, Router] = pydantic.Field(default_factory=dict, description="Routers by name.")
    security_groups: dict[Name, SecurityGroup] = pydantic.Field(
        default_factory=dict, description="Security groups by name."
    )
    instances: dict[Name, Instance] = pydantic.Field(default_factory=dict, description="Instances by name.")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A topology as it was written, checked; `sources` tells where each part of it stands."""

    deployment: str
    nodes: dict[str, Node]
    provider: Provider
    projects: dict[str, Project]
    sources: Sources
    directory: str = "topology"  # name of the directory, as it begins the files' names
    #: Nodes of the DHCP servers that a network, by (project, name), has already; "" for one whose node has gone.
    dhcp_nodes: typing.Mapping[tuple[str, str], tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @property
    def provider_file(self) -> str:
        """Name of provider.yml in problems."""
        return f"{self.directory}/provider.yml"

    def networks(self, project: str) -> typing.Mapping[str, Network]:
        """The networks of a project; of "", those of the administrators that are not external."""
        return self.projects[project].networks if project else self.provider.networks

    def project_file(self, project: str) -> str:
        """Name of a project's file in problems."""
        return f"{self.directory}/projects/{project}.yml"
