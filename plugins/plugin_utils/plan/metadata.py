# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Metadata: what Neutron's metadata agent builds, and Nova's metadata API (datapath.md 4).

A guest asks 169.254.169.254. haproxy in the namespace of its router, or of the DHCP server of an isolated network, says
from where it was asked and by which address; the agent of that node finds out which instance that is, and signs; the
API on a controller believes the signature. Whatever the guest itself writes into such headers is dropped on the way.
"""

from __future__ import annotations

import ipaddress
import json
import typing

from ...module_utils.state import STATE_DIR, Daemon, File, Resource, digest
from ..topology import model
from . import dhcp_files, haproxy, names

SLICE = "metadata"

API_PORT = 8775  # Nova's
SOCKET = "/run/tenantnet/metadata.sock"
DIRECTORY = f"{STATE_DIR}/{SLICE}"
AVAILABILITY_ZONE = "nova"

Json = dict[str, typing.Any]


def compile(topology: model.Topology, node: model.Node) -> list[Resource]:
    """API of a controller, agent and proxies of a network node."""
    apis = controllers(topology)
    if not apis:
        return []
    resources = _api(topology, node) if node in apis else []
    if proxies := [*_routers(topology, node), *_networks(topology, node)]:
        resources += [*proxies, _agent(apis)]
    if resources:
        resources.append(_file("secret", "", secret=SLICE))
    return resources


def controllers(topology: model.Topology) -> list[model.Node]:
    """Nodes that run the API: those whose address on the management network is known."""
    return [n for _name, n in sorted(topology.nodes.items()) if "controller" in n.roles and n.management_ip]


def _file(path: str, content: str, secret: str = "") -> File:
    return File(slice=SLICE, path=path, content=content, mode=0o600, secret=secret)


def _data(path: str, data: Json) -> File:
    return _file(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


# ------------------------------------------------------------------------------------------------------------ the API


def _api(topology: model.Topology, node: model.Node) -> list[Resource]:
    command = (
        f"{STATE_DIR}/bin/tenantnet-metadata-api",
        f"--listen={node.management_ip}:{API_PORT}",
        f"--directory={DIRECTORY}",
    )
    files = [_data(f"instances/{i.id}.json", instance(topology, i)) for i in topology.instances.values()]
    return [*files, Daemon(slice=SLICE, name="api", namespace="", command=command)]


def instance(topology: model.Topology, of: model.Instance) -> Json:
    """All that the API tells of an instance."""
    ports = [topology.ports[id_] for id_ in of.ports]
    groups = {topology.security_groups[id_].name for p in ports for id_ in p.security_groups}
    floating = sorted(f.address for f in topology.floating_ips.values() if f.port in of.ports)
    fixed = [ip.address for p in ports for ip in p.fixed_ips]
    return {
        "uuid": of.id,
        "name": of.name,
        "hostname": of.name,
        "project_id": of.project,
        "availability_zone": AVAILABILITY_ZONE,
        "public_keys": {f"key-{number}": key for number, key in enumerate(of.key_pairs)},
        "user_data": of.user_data,
        "security_groups": sorted(groups),
        "local_ipv4": next(iter(fixed), ""),
        "public_ipv4": next(iter(floating), ""),
        "network_data": _network_data(topology, ports),
    }


def _network_data(topology: model.Topology, ports: list[model.Port]) -> Json:
    """Links, networks and name servers, in the format of OpenStack's network_data.json."""
    addressed = [(p, ip, topology.subnet(ip.subnet)) for p in ports for ip in p.fixed_ips]
    servers = dict.fromkeys(server for _port, _ip, subnet in addressed for server in subnet.dns_nameservers)
    return {
        "links": [_link(topology, port) for port in ports],
        "networks": [_network(f"network{n}", *each) for n, each in enumerate(addressed)],
        "services": [{"type": "dns", "address": server} for server in servers if server != dhcp_files.NO_DNS],
    }


def _link(topology: model.Topology, port: model.Port) -> Json:
    return {
        "id": names.device("tap", port.id),
        "vif_id": port.id,
        "type": "ovs",
        "mtu": topology.networks[port.network].mtu,
        "ethernet_mac_address": port.mac,
    }


def _network(id_: str, port: model.Port, ip: model.FixedIp, subnet: model.Subnet) -> Json:
    told = {"id": id_, "link": names.device("tap", port.id), "network_id": port.network}
    if subnet.enable_dhcp:
        return {**told, "type": "ipv4_dhcp"}
    netmask = str(ipaddress.IPv4Network(subnet.cidr).netmask)
    gateway = [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": subnet.gateway_ip}] if subnet.gateway_ip else []
    return {**told, "type": "ipv4", "ip_address": ip.address, "netmask": netmask, "routes": gateway}


# ---------------------------------------------------------------------------------------------- the agent and haproxy


def _agent(apis: list[model.Node]) -> Daemon:
    command = (
        f"{STATE_DIR}/bin/tenantnet-metadata-agent",
        f"--socket={SOCKET}",
        f"--group={haproxy.GROUP}",
        f"--directory={DIRECTORY}",
        *(f"--api={node.management_ip}:{API_PORT}" for node in apis),
    )
    return Daemon(slice=SLICE, name="agent", namespace="", command=command)


def _routers(topology: model.Topology, node: model.Node) -> typing.Iterator[Resource]:
    """Proxies in routers, for all networks that a router has an interface on."""
    for router in sorted(topology.routers.values(), key=lambda r: r.id):
        inside = {p.network for p in topology.ports.values() if p.device == router.id and p.owner == "router_interface"}
        if router.node == node.name and inside:
            yield _data(f"routers/{router.id}.json", _instances(topology, inside))
            bind = f"0.0.0.0:{names.METADATA_PORT}"
            conf = haproxy.config(bind, "X-Neutron-Router-ID", router.id, SOCKET)
            yield from _proxy(router.id, names.router_namespace(router.id), conf)


def _networks(topology: model.Topology, node: model.Node) -> typing.Iterator[Resource]:
    """Proxies in the namespaces of DHCP servers, for networks with clients that have no router."""
    for port in topology.ports_on(node.name):
        network = topology.networks[port.network]
        if port.owner == "dhcp" and dhcp_files.isolated(topology, network):
            yield _data(f"networks/{network.id}.json", _instances(topology, {network.id}))
            conf = haproxy.config(f"{names.METADATA_IP}:80", "X-Neutron-Network-ID", network.id, SOCKET)
            yield from _proxy(network.id, names.dhcp_namespace(network.id), conf)


def _instances(topology: model.Topology, networks: set[str]) -> Json:
    """Who has which address on some networks that do not overlap."""
    return {
        ip.address: {"instance": port.device, "project": topology.instances[port.device].project}
        for port in topology.ports.values()
        if port.owner == "instance" and port.network in networks
        for ip in port.fixed_ips
    }


def _proxy(id_: str, namespace: str, conf: str) -> typing.Iterator[Resource]:
    path = f"haproxy/{id_}.conf"
    command = ("haproxy", "-db", "-f", f"{DIRECTORY}/{path}")
    yield _file(path, conf)
    yield Daemon(slice=SLICE, name=f"haproxy-{id_}", namespace=namespace, command=command, restart=digest(conf))
