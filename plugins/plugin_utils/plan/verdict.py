# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What security groups say about a packet that opens a connection, and about the answer to it.

Written from Neutron's API and not from our rules on nodes, so that verification compares two independent readings.
"""

from __future__ import annotations

import dataclasses
import ipaddress

from ..topology import model
from ..topology.words import PROTOCOLS

ECHO_REPLY, ECHO_REQUEST = 0, 8
EPHEMERAL = (32768, 60999)  # the first and the last port that a client may have


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One end of a connection: the address that the other end sees, and the instance's port if it has one of ours."""

    address: str
    port: model.Port | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is asked for: an ICMP echo ("icmp"), a port of "tcp" or "udp", or a protocol by its name or number."""

    protocol: str
    port: int | None = None
    icmp_type: int = ECHO_REQUEST

    def __str__(self) -> str:
        if self.port is None:
            return self.protocol if self.protocol == "icmp" else f"ip/{self.protocol}"
        return f"{self.protocol}/{self.port}"


def allows(topology: model.Topology, source: Side, destination: Side, service: Service) -> bool:
    """Whether it leaves the source and enters the destination."""
    enters = _passes(topology, destination.port, "ingress", source.address, service)
    return enters and leaves(topology, source, destination, service)


def leaves(topology: model.Topology, source: Side, destination: Side, service: Service) -> bool:
    """Whether it leaves the source, whatever becomes of it."""
    return _passes(topology, source.port, "egress", destination.address, service)


def reaches(topology: model.Topology, source: Side, destination: Side, service: Service) -> bool:
    """Whether it is allowed, and so is the answer."""
    return allows(topology, source, destination, service) and _answers(topology, source, destination, service)


def _answers(topology: model.Topology, source: Side, destination: Side, service: Service) -> bool:
    """Answers follow by themselves; those of stateless groups need rules."""
    if service.protocol == "icmp":
        replies = [dataclasses.replace(service, icmp_type=ECHO_REPLY)]
    else:
        ports = EPHEMERAL if service.port is not None else (None,)
        replies = [dataclasses.replace(service, port=port) for port in ports]
    return all(
        _tracks(topology, side.port) or _passes(topology, side.port, direction, remote, reply)
        for side, direction, remote in (
            (destination, "egress", source.address),
            (source, "ingress", destination.address),
        )
        for reply in replies
    )


def _tracks(topology: model.Topology, port: model.Port | None) -> bool:
    return port is None or all(topology.security_groups[group].stateful for group in port.security_groups)


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
    name = PROTOCOLS.get(int(rule.protocol), rule.protocol) if rule.protocol.isdigit() else rule.protocol
    if name != service.protocol:
        return False
    if name == "icmp":
        return rule.icmp_type in (None, service.icmp_type) and rule.icmp_code in (None, 0)
    return rule.port_range is None or rule.port_range[0] <= (service.port or 0) <= rule.port_range[1]


def _includes(topology: model.Topology, rule: model.Rule, remote: str) -> bool:
    """A rule without any remote speaks of everybody; members of a group are known by all addresses they may use."""
    if rule.remote_group:
        members = [p for p in topology.ports.values() if rule.remote_group in p.security_groups]
        fixed = [ip.address for port in members for ip in port.fixed_ips]
        allowed = [pair.ip_address for port in members for pair in port.allowed_address_pairs]
        return any(_holds(address, remote) for address in (*fixed, *allowed))
    return rule.remote_ip_prefix is None or _holds(rule.remote_ip_prefix, remote)


def _holds(prefix: str, address: str) -> bool:
    return ipaddress.IPv4Address(address) in ipaddress.IPv4Network(prefix)
