# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""DHCP: what Neutron's DHCP agent builds (datapath.md 3).

Each network that wants it has a namespace `qdhcp-<id>` with one device and one dnsmasq, which knows every port of the
network by its MAC and serves nobody else. All texts here are made of validated tokens: ids, MACs, addresses, names.
"""

from __future__ import annotations

import ipaddress

from ...module_utils.state import STATE_DIR, Chain, Daemon, File, Namespace, Resource, Route, chain_prefix, digest
from ..topology import model
from . import names, plug

SLICE = "dhcp"

DNS_DOMAIN = "openstacklocal"
LEASE_SECONDS = 86400
LEASE_MAX = 2**24

SYSCTLS = {
    "net.ipv4.conf.all.promote_secondaries": "1",
    "net.ipv4.ip_nonlocal_bind": "1",
    # IPv6 is a hole until it is a feature.
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}

P = chain_prefix(SLICE)


def compile(topology: model.Topology, node: model.Node) -> list[Resource]:
    """A DHCP server for each network that has its DHCP port on this node."""
    resources: list[Resource] = []
    for port in topology.ports_on(node.name):
        if port.owner == "dhcp":
            resources += _server(topology, topology.networks[port.network], port)
    return resources


def _server(topology: model.Topology, network: model.Network, port: model.Port) -> list[Resource]:
    namespace = names.dhcp_namespace(network.id)
    subnets = [s for s in network.subnets if s.enable_dhcp]
    by_id = {s.id: s for s in subnets}
    addresses = tuple(f"{ip.address}/{by_id[ip.subnet].prefixlen}" for ip in port.fixed_ips if ip.subnet in by_id)
    if isolated(topology, network):
        addresses = (*addresses, f"{names.METADATA_IP}/32")
    files = _files(topology, network, subnets)
    command = _command(network, subnets)
    reloaded = digest(*(f.content for f in files if not f.initial))
    return [
        Namespace(slice=SLICE, name=namespace, sysctls=dict(SYSCTLS)),
        *plug.into_namespace(topology, SLICE, port, "tap", namespace, addresses),
        *_default_route(namespace, names.device("tap", port.id), subnets),
        *_checksums(namespace),
        *files,
        Daemon(slice=SLICE, name=f"dnsmasq-{network.id}", namespace=namespace, command=command, reload=reloaded),
    ]


def _default_route(namespace: str, device: str, subnets: list[model.Subnet]) -> list[Resource]:
    for subnet in subnets:
        if subnet.gateway_ip:
            return [
                Route(slice=SLICE, namespace=namespace, destination="0.0.0.0/0", device=device, via=subnet.gateway_ip)
            ]
    return []


def _checksums(namespace: str) -> list[Resource]:
    """Clients behind a device that offloads checksums would drop our answers (datapath.md 3.1)."""
    fill = "-p udp -m udp --dport 68 -j CHECKSUM --checksum-fill"
    return [
        Chain(
            slice=SLICE, namespace=namespace, family="ipv4", table="mangle", name="POSTROUTING", rules=(f"-j {P}fill",)
        ),
        Chain(slice=SLICE, namespace=namespace, family="ipv4", table="mangle", name=f"{P}fill", rules=(fill,)),
    ]


# -------------------------------------------------------------------------------------------------------------- files


def _files(topology: model.Topology, network: model.Network, subnets: list[model.Subnet]) -> list[File]:
    """host, addn_hosts, opts and the first leases, as datapath.md 3.3 has them."""
    wanted = {s.id for s in subnets}
    served = [
        (port, ip.address)
        for port in sorted(topology.ports.values(), key=lambda p: p.id)
        for ip in port.fixed_ips
        if port.network == network.id and port.owner != "dhcp" and ip.subnet in wanted
    ]
    served.sort(key=lambda item: ipaddress.IPv4Address(item[1]))
    named = [(port, address, hostname(topology, port, address)) for port, address in served]
    # A client of DHCPv4 has one address; which one of several lines dnsmasq takes is not told.
    leased = [item for item in named if item[1] == item[0].fixed_ips[0].address or item[0].owner != "instance"]
    return [
        _file(network, "host", [f"{p.mac},{name}.{DNS_DOMAIN},{address}" for p, address, name in leased]),
        _file(network, "addn_hosts", [f"{address}\t{name}.{DNS_DOMAIN} {name}" for _port, address, name in named]),
        _file(network, "opts", [line for s in subnets for line in _options(topology, network, s)]),
        # 0 is a lease without end: a client that renews after a restart of dnsmasq is not turned away.
        _file(network, "leases", [f"0 {p.mac} {address} * *" for p, address, _name in leased], initial=True),
    ]


def _file(network: model.Network, name: str, lines: list[str], initial: bool = False) -> File:
    content = "".join(f"{line}\n" for line in lines)
    return File(slice=SLICE, path=f"{network.id}/{name}", content=content, initial=initial)


def hostname(topology: model.Topology, port: model.Port, address: str) -> str:
    """Name of a port in DHCP and DNS: Neutron's default, from the address."""
    return "host-" + address.replace(".", "-")


def _options(topology: model.Topology, network: model.Network, subnet: model.Subnet) -> list[str]:
    """Options of a subnet. A client that takes 121 must ignore 3, so the default route stands in both (RFC 3442)."""
    tag = f"tag:subnet-{subnet.id}"
    lines = [",".join([tag, "option:dns-server", *_nameservers(topology, network, subnet)])]
    if routes := classless_routes(topology, network, subnet):
        text = ",".join(f"{destination},{nexthop}" for destination, nexthop in routes)
        lines += [f"{tag},option:classless-static-route,{text}", f"{tag},249,{text}"]
    return [*lines, f"{tag},option:router,{subnet.gateway_ip}" if subnet.gateway_ip else f"{tag},option:router"]


def _nameservers(topology: model.Topology, network: model.Network, subnet: model.Subnet) -> list[str]:
    """The subnet's own, else the DHCP servers of the network if there are several; dnsmasq names itself otherwise."""
    if subnet.dns_nameservers:
        return list(subnet.dns_nameservers)
    servers = [p for p in topology.ports.values() if p.network == network.id and p.owner == "dhcp"]
    if len(servers) > 1:
        return sorted(ip.address for p in servers for ip in p.fixed_ips if ip.subnet == subnet.id)
    return [ip.address for p in servers for ip in p.fixed_ips if ip.subnet == subnet.id]


def classless_routes(topology: model.Topology, network: model.Network, subnet: model.Subnet) -> list[tuple[str, str]]:
    """Option 121: other subnets of the wire, host routes, metadata, the default route last.

    Metadata is behind the router; in an isolated subnet the DHCP server itself has its address.
    """
    routes = [(s.cidr, "0.0.0.0") for s in network.subnets if s.id != subnet.id]
    routes += [(destination, nexthop) for destination, nexthop in subnet.host_routes if destination != "0.0.0.0/0"]
    routed = subnet.gateway_ip if _routed(topology, network, subnet) else None
    routes += [(f"{names.METADATA_IP}/32", hop) for hop in [routed or _server_ip(topology, network, subnet)] if hop]
    if routes and subnet.gateway_ip:
        routes.append(("0.0.0.0/0", subnet.gateway_ip))
    return routes


def isolated(topology: model.Topology, network: model.Network) -> bool:
    """Whether clients of a subnet of it have no router, so that metadata must come from the DHCP server's namespace."""
    return any(s.enable_dhcp and not _routed(topology, network, s) for s in network.subnets)


def _server_ip(topology: model.Topology, network: model.Network, subnet: model.Subnet) -> str | None:
    servers = (p for p in topology.ports.values() if p.network == network.id and p.owner == "dhcp")
    return next((ip.address for p in servers for ip in p.fixed_ips if ip.subnet == subnet.id), None)


def _routed(topology: model.Topology, network: model.Network, subnet: model.Subnet) -> bool:
    """Whether a router holds the gateway address of the subnet; it is isolated otherwise."""
    return any(
        ip.address == subnet.gateway_ip
        for port in topology.ports.values()
        if port.network == network.id and port.owner == "router_interface"
        for ip in port.fixed_ips
    )


# ------------------------------------------------------------------------------------------------------------ command


def _command(network: model.Network, subnets: list[model.Subnet]) -> tuple[str, ...]:
    """dnsmasq(8) with Neutron's options in Neutron's order (datapath.md 3.2), but in the foreground, supervised."""
    directory = f"{STATE_DIR}/{SLICE}/{network.id}"
    nets = [ipaddress.IPv4Network(s.cidr) for s in subnets]
    ranges = [
        f"--dhcp-range=set:subnet-{s.id},{net.network_address},static,{net.netmask},{LEASE_SECONDS}s"
        for s, net in zip(subnets, nets, strict=True)
    ]
    return (
        "dnsmasq",
        "--keep-in-foreground",
        "--no-hosts",
        "--no-resolv",
        "--pid-file",  # none: the supervisor knows
        f"--dhcp-hostsfile={directory}/host",
        f"--addn-hosts={directory}/addn_hosts",
        f"--dhcp-optsfile={directory}/opts",
        f"--dhcp-leasefile={directory}/leases",
        "--dhcp-match=set:ipxe,175",
        "--dhcp-userclass=set:ipxe6,iPXE",
        "--local-service",
        "--bind-dynamic",
        *ranges,
        f"--dhcp-option-force=option:mtu,{network.mtu}",
        f"--dhcp-lease-max={min(sum(net.num_addresses for net in nets), LEASE_MAX)}",
        "--conf-file=/dev/null",
        f"--domain={DNS_DOMAIN}",
    )
