# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What dnsmasq reads: host, addn_hosts, opts and the first leases, as datapath.md 3.3 has them.

All that is said in one network is said here: who has which address and name, and what clients are told. Servers of one
network have the same hosts; of metadata in an isolated subnet each says that it is with itself.
"""

from __future__ import annotations

import ipaddress

from ...module_utils.state import File
from ..topology import dhcp_options, model
from . import names

NO_DNS = "0.0.0.0"  # a subnet's only name server that is none: its clients are not told any

#: A port, one of its addresses, and the name that belongs to it, without its domain.
Named = tuple[model.Port, model.FixedIp, str]


def files(slice_: str, topology: model.Topology, server: model.Port) -> list[File]:
    """The files of a server, which is known by its port."""
    network = topology.networks[server.network]
    subnets = {s.id: s for s in network.subnets if s.enable_dhcp}
    named = _named(topology, network)
    # A client of DHCPv4 has one address; which one of several lines dnsmasq takes is not told.
    first = [item for item in named if item[0].owner != "instance" or item[1] == item[0].fixed_ips[0]]
    served = [item for item in first if item[1].subnet in subnets]
    options = [line for s in subnets.values() for line in _options(topology, network, s, server)]
    options += [line for port in special(topology, network) for line in _extra(port)]
    contents = {
        "host": [f"{port.mac},{name}.{network.dns_domain},{ip.address}" for port, ip, name in served],
        "addn_hosts": [f"{ip.address}\t{name}.{network.dns_domain} {name}" for _port, ip, name in named],
        "opts": options,
        # 0 is a lease without end: a client that renews after a restart of dnsmasq is not turned away.
        "leases": [f"0 {port.mac} {ip.address} * *" for port, ip, _name in served],
    }
    return [
        File(
            slice=slice_,
            path=f"{network.id}/{name}",
            content="".join(f"{line}\n" for line in lines),
            initial=name == "leases",
        )
        for name, lines in contents.items()
    ]


def _named(topology: model.Topology, network: model.Network) -> list[Named]:
    """Everybody on a network but the servers, by address."""
    found = [
        (port, ip, hostname(topology, port, ip.address))
        for port in topology.ports.values()
        if port.network == network.id and port.owner != "dhcp"
        for ip in port.fixed_ips
    ]
    return sorted(found, key=lambda item: ipaddress.IPv4Address(item[1].address))


def hostname(topology: model.Topology, port: model.Port, address: str) -> str:
    """Name of a port in DHCP and DNS: its instance's, else Neutron's default, from the address.

    Who is plugged into a network of others chooses no name there, which could be that of one of their instances.
    """
    if port.owner == "instance" and port.project == topology.networks[port.network].project:
        return topology.instances[port.device].name
    return "host-" + address.replace(".", "-")


# ------------------------------------------------------------------------------------------------------------ options


def told(topology: model.Topology, port: model.Port) -> list[str]:
    """What a port's lease says; of several servers, what the first one says."""
    network = topology.networks[port.network]
    subnets = [subnet for subnet in network.subnets if subnet.id == port.fixed_ips[0].subnet and subnet.enable_dhcp]
    options = [line for subnet in subnets for line in _options(topology, network, subnet)]
    return [port.fixed_ips[0].address, network.dns_domain, str(network.mtu), *options, *_extra(port)]


def _options(
    topology: model.Topology, network: model.Network, subnet: model.Subnet, server: model.Port | None = None
) -> list[str]:
    """Options of a subnet. A client that takes 121 must ignore 3, so the default route stands in both (RFC 3442)."""
    tag = f"tag:subnet-{subnet.id}"
    lines = [",".join([tag, "option:dns-server", *nameservers(topology, network, subnet)])]
    if routes := classless_routes(topology, network, subnet, server):
        text = ",".join(f"{destination},{nexthop}" for destination, nexthop in routes)
        lines += [f"{tag},option:classless-static-route,{text}", f"{tag},249,{text}"]
    return [*lines, f"{tag},option:router,{subnet.gateway_ip}" if subnet.gateway_ip else f"{tag},option:router"]


def _extra(port: model.Port) -> list[str]:
    """Options of a port, after its subnet's: dnsmasq takes the last line that speaks of a client."""
    lines = []
    for option, value in port.extra_dhcp_opts:
        name = f"option:{option}" if option in dhcp_options.OPTIONS else option
        lines.append(",".join([f"tag:port-{port.id}", name, *([value] if value else [])]))
    return lines


def nameservers(topology: model.Topology, network: model.Network, subnet: model.Subnet) -> list[str]:
    """The subnet's own, else the DHCP servers of the network, which know the names of its instances."""
    if subnet.dns_nameservers:
        return [server for server in subnet.dns_nameservers if server != NO_DNS]
    own = (_address(server, subnet) for server in servers(topology, network))
    return sorted(filter(None, own), key=ipaddress.IPv4Address)


def classless_routes(
    topology: model.Topology, network: model.Network, subnet: model.Subnet, server: model.Port | None = None
) -> list[tuple[str, str]]:
    """Option 121: other subnets of the wire, host routes, metadata, the default route last.

    Metadata is behind the router; in an isolated subnet the DHCP server itself has its address: the given one, or any.
    """
    server = server or next(iter(servers(topology, network)), None)
    routes = [(s.cidr, "0.0.0.0") for s in network.subnets if s.id != subnet.id]
    routes += [(destination, nexthop) for destination, nexthop in subnet.host_routes if destination != "0.0.0.0/0"]
    routed = subnet.gateway_ip if _routed(topology, network, subnet) else None
    near = _address(server, subnet) if server else None
    routes += [(f"{names.METADATA_IP}/32", hop) for hop in [routed or near] if hop]
    if routes and subnet.gateway_ip:
        routes.append(("0.0.0.0/0", subnet.gateway_ip))
    return routes


def special(topology: model.Topology, network: model.Network) -> list[model.Port]:
    """Ports of a network with options of their own."""
    return [p for p in topology.ports.values() if p.network == network.id and p.extra_dhcp_opts]


def isolated(topology: model.Topology, network: model.Network) -> bool:
    """Whether clients of a subnet of it have no router, so that metadata must come from the DHCP server's namespace."""
    return any(s.enable_dhcp and not _routed(topology, network, s) for s in network.subnets)


def servers(topology: model.Topology, network: model.Network) -> list[model.Port]:
    """Ports of the DHCP servers of a network."""
    return [p for p in topology.ports.values() if p.network == network.id and p.owner == "dhcp"]


def _address(server: model.Port, subnet: model.Subnet) -> str | None:
    return next((ip.address for ip in server.fixed_ips if ip.subnet == subnet.id), None)


def _routed(topology: model.Topology, network: model.Network, subnet: model.Subnet) -> bool:
    """Whether a router holds the gateway address of the subnet; it is isolated otherwise."""
    return any(
        ip.address == subnet.gateway_ip
        for port in topology.ports.values()
        if port.network == network.id and port.owner == "router_interface"
        for ip in port.fixed_ips
    )
