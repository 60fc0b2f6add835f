# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What security groups say about a packet that opens a connection.

Written from Neutron's API and not from our iptables rules, so that verification compares two independent readings.
"""

from __future__ import annotations

import dataclasses
import ipaddress

from ..topology import model

ECHO_REQUEST = 8
NUMBERS = {"icmp": "1", "tcp": "6", "udp": "17"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One end of a connection: the address that the other end sees, and the instance's port if it has one of ours."""

    address: str
    port: model.Port | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is asked for: an ICMP echo ("icmp"), or a port of "tcp" or "udp"."""

    protocol: str
    port: int | None = None

    def __str__(self) -> str:
        return self.protocol if self.port is None else f"{self.protocol}/{self.port}"


def allows(topology: model.Topology, source: Side, destination: Side, service: Service) -> bool:
    """Whether it leaves the source and enters the destination; answers follow by themselves."""
    return _passes(topology, source.port, "egress", destination.address, service) and _passes(
        topology, destination.port, "ingress", source.address, service
    )


def _passes(topology: model.Topology, port: model.Port | None, direction: str, remote: str, service: Service) -> bool:
    if port is None or port.owner != "instance" or not port.port_security_enabled:
        return True
    return any(
        rule.direction == direction and _speaks_of(rule, service) and _includes(topology, rule, remote)
        for group in port.security_groups
        for rule in topology.security_groups[group].rules
    )


def _speaks_of(rule: model.Rule, service: Service) -> bool:
    if rule.protocol in (None, "0"):
        return True
    if rule.protocol not in (service.protocol, NUMBERS[service.protocol]):
        return False
    if service.protocol == "icmp":
        return rule.icmp_type in (None, ECHO_REQUEST) and rule.icmp_code in (None, 0)
    return rule.port_range is None or rule.port_range[0] <= (service.port or 0) <= rule.port_range[1]


def _includes(topology: model.Topology, rule: model.Rule, remote: str) -> bool:
    """A rule without any remote speaks of everybody; members of a remote group are known by their fixed IPs."""
    if rule.remote_group:
        members = (p for p in topology.ports.values() if rule.remote_group in p.security_groups)
        return any(ip.address == remote for p in members for ip in p.fixed_ips)
    if rule.remote_ip_prefix:
        return ipaddress.IPv4Address(remote) in ipaddress.IPv4Network(rule.remote_ip_prefix)
    return True
