# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A security group rule as iptables-save writes it (datapath.md 5.2, rule translation).

It has two forms: for the packets that ask, and for those that answer, with source and destination exchanged.
"""

from __future__ import annotations

from ..topology import model
from .ovs_rules import Way

WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")


def rule_text(rule: model.Rule, remote_set: str | None, way: Way = "asks") -> str:
    """One rule that RETURNs what it allows; `remote_set` is the ipset of its remote group."""
    parts = [_remote(rule, way), _protocol(rule, way), _remote_group(rule, remote_set, way), "-j RETURN"]
    return " ".join(part for part in parts if part)


def _is_source(rule: model.Rule, way: Way) -> bool:
    """Whether the remote of a rule is where the packet comes from."""
    return (rule.direction == "ingress") is (way == "asks")


def _remote(rule: model.Rule, way: Way) -> str:
    if rule.remote_ip_prefix in (None, "0.0.0.0/0"):
        return ""
    return f"{'-s' if _is_source(rule, way) else '-d'} {rule.remote_ip_prefix}"


def _protocol(rule: model.Rule, way: Way) -> str:
    if rule.protocol in (None, "0"):
        return ""
    text = f"-p {rule.protocol}"
    if rule.protocol == "icmp" and rule.icmp_type is not None and way == "asks":  # an answer has a type of its own
        code = "" if rule.icmp_code is None else f"/{rule.icmp_code}"
        return f"{text} -m icmp --icmp-type {rule.icmp_type}{code}"
    if rule.protocol in WITH_PORTS:
        return f"{text} {_ports(rule.protocol, rule.port_range, 'd' if way == 'asks' else 's')}".rstrip()
    return text


def _ports(protocol: str, port_range: tuple[int, int] | None, end: str) -> str:
    if port_range is None:
        return ""
    first, last = port_range
    if first == last:  # udplite has no match of its own
        return f"-m multiport --{end}ports {first}" if protocol == "udplite" else f"-m {protocol} --{end}port {first}"
    return f"-m multiport --{end}ports {first}:{last}"


def _remote_group(rule: model.Rule, remote_set: str | None, way: Way) -> str:
    if remote_set is None:
        return ""
    return f"-m set --match-set {remote_set} {'src' if _is_source(rule, way) else 'dst'}"
