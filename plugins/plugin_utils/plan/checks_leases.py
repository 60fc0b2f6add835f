# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of DHCP: what each instance's client was told, and what it made of it."""

from __future__ import annotations

from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from . import dhcp
from .check import Check


def checks(topology: model.Topology) -> Iterator[Check]:
    """A lease for each instance port on a subnet with DHCP."""
    for port in places.addressed(topology):
        network = topology.networks[port.network]
        subnet = topology.subnet(port.fixed_ips[0].subnet)
        place = places.of(topology, port)
        yield Check(
            id=f"lease.{place['label']}",
            title=f"{place['label']} has its lease of {port.fixed_ips[0].address}: routes, DNS, MTU {network.mtu}",
            group="leases",
            node=port.node,
            kind="lease",
            args={"place": place, "expected": _expected(topology, network, subnet, port)},
            requires_guest=True,
        )


def _expected(
    topology: model.Topology, network: model.Network, subnet: model.Subnet, port: model.Port
) -> dict[str, object]:
    """What the client must have recorded, and what its NIC must have. Routes and names are of the first NIC alone."""
    servers = places.ports_of(topology, network.id, "dhcp")
    first = topology.instances[port.device].ports[0] == port.id
    return {
        "address": port.fixed_ips[0].address,
        "prefixlen": subnet.prefixlen,
        "mac": port.mac,
        "mtu": network.mtu,
        "gateway": subnet.gateway_ip if first else None,
        "routes": [list(route) for route in dhcp.classless_routes(topology, network, subnet)] if first else [],
        "dns": list(subnet.dns_nameservers) if first else [],
        "servers": [ip.address for p in servers for ip in p.fixed_ips if ip.subnet == subnet.id],
        "seconds": dhcp.LEASE_SECONDS,
    }
