# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""DHCP: what Neutron's DHCP agent builds (datapath.md 3).

Each network that wants it has a namespace `qdhcp-<id>` with one device and one dnsmasq, which knows every port of the
network by its MAC and serves nobody else. All texts here are made of validated tokens: ids, MACs, addresses, names.
"""

from __future__ import annotations

import ipaddress

from ...module_utils.state import STATE_DIR, Chain, Daemon, Namespace, Resource, Route, chain_prefix, digest
from ..topology import model
from . import dhcp_files, names, plug

SLICE = "dhcp"

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
    if dhcp_files.isolated(topology, network):
        addresses = (*addresses, f"{names.METADATA_IP}/32")
    files = dhcp_files.files(SLICE, topology, port)
    command = _command(topology, network, subnets)
    reloaded = digest(*(f.content for f in files if not f.initial))
    return [
        Namespace(slice=SLICE, name=namespace, sysctls=dict(SYSCTLS)),
        *plug.into_namespace(topology, SLICE, port, "tap", namespace, addresses),
        *_default_route(namespace, names.device("tap", port.id), subnets),
        *_checksums(namespace),
        *_clients(topology, port, namespace),
        *files,
        Daemon(
            slice=SLICE,
            name=f"dnsmasq-{network.id}",
            namespace=namespace,
            command=command,
            reload=reloaded,
            leases=_directory(network),
        ),
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


def _clients(topology: model.Topology, port: model.Port, namespace: str) -> list[Resource]:
    """A client speaks about its own hardware address: who declines another one's keeps it from being offered.

    No firewall looks into DHCP, so whose address it is about (chaddr, RFC 2131) is compared here with who sends it.
    """
    macs = sorted(p.mac for p in topology.ports.values() if p.network == port.network and p.owner == "instance")
    forged = tuple(f'-m u32 --u32 "{_chaddr(mac)}" -m mac ! --mac-source {mac} -j DROP' for mac in macs)
    asked = f"-i {names.device('tap', port.id)} -p udp -m udp --dport 67 -j {P}clients"
    chains = {"INPUT": (f"-j {P}INPUT",), f"{P}INPUT": (asked,), f"{P}clients": forged}
    return [
        Chain(slice=SLICE, namespace=namespace, family="ipv4", table="filter", name=name, rules=rules)
        for name, rules in chains.items()
    ]


def _chaddr(mac: str) -> str:
    """The test of u32 (iptables-extensions(8)) that the client's hardware address is this one, as iptables-save has it.

    From the packet's start go to the end of the IP header, and there to 28 bytes behind a UDP header.
    """
    digits, udp = mac.replace(":", ""), "0x0>>0x16&0x3c@"
    high, low = int(digits[:8], 16), int(digits[8:], 16)
    return f"{udp}0x24={high:#x}&&{udp}0x28>>0x10={low:#x}"


# ------------------------------------------------------------------------------------------------------------ command


def _directory(network: model.Network) -> str:
    return f"{STATE_DIR}/{SLICE}/{network.id}"


def _is_alone(topology: model.Topology, network: model.Network) -> bool:
    """Whether nobody else gives leases on a network; on an external one others may do so."""
    return not network.external and len(dhcp_files.servers(topology, network)) == 1


def _command(topology: model.Topology, network: model.Network, subnets: list[model.Subnet]) -> tuple[str, ...]:
    """dnsmasq(8) with Neutron's options in Neutron's order (datapath.md 3.2), but in the foreground, supervised."""
    directory = _directory(network)
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
        # A server that has lost its leases renews them all the same. Beside others it must not be so: it would turn
        # away clients that have chosen one of them.
        *(["--dhcp-authoritative"] if _is_alone(topology, network) else []),
        *ranges,
        f"--dhcp-option-force=option:mtu,{network.mtu}",
        f"--dhcp-lease-max={min(sum(net.num_addresses for net in nets), LEASE_MAX)}",
        "--conf-file=/dev/null",
        # Not in the hosts, as Neutron has it: dnsmasq 2.90 may crash when it reads hosts with tags of their own again.
        *(f"--dhcp-mac=set:port-{port.id},{port.mac}" for port in dhcp_files.special(topology, network)),
        *(f"--server={address}" for address in topology.dns_forwarders),
        f"--domain={network.dns_domain}",
    )
