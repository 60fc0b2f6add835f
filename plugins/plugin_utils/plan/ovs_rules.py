# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Security group rules as matches of Open vSwitch: of the packets that ask, and of those that answer.

An answer is matched like its question with source and destination exchanged. A range of ports becomes the fewest pairs
of value and mask, because that is all that a flow can match.
"""

from __future__ import annotations

import typing

from ..topology import model
from ..topology.checks.instances import WITH_PORTS
from ..topology.words import PROTOCOLS

Way = typing.Literal["asks", "answers"]

NUMBERS: typing.Final = {name: number for number, name in PROTOCOLS.items()}
ICMP: typing.Final = 1
PORT_BITS: typing.Final = 16


def matches(rule: model.Rule, way: Way) -> list[str]:
    """What packets of a connection look like that a rule allows, its remote left out."""
    if rule.protocol in (None, "0"):
        return ["ip"]
    if rule.protocol == "icmp":
        return [_icmp(rule, way)]
    if rule.protocol not in WITH_PORTS:
        return [f"ip,nw_proto={NUMBERS.get(rule.protocol, rule.protocol)}"]
    if rule.port_range is None:
        return [rule.protocol]
    field = "tp_dst" if way == "asks" else "tp_src"
    return [f"{rule.protocol},{field}={value}" for value in masked(*rule.port_range)]


def _icmp(rule: model.Rule, way: Way) -> str:
    """The answer to an ICMP message has another type: its connection knows that of the question."""
    asked = {"icmp_type": rule.icmp_type, "icmp_code": rule.icmp_code}
    if way == "answers":
        asked = {"ct_tp_src": rule.icmp_type, "ct_tp_dst": rule.icmp_code}
    known = [f"{field}={value}" for field, value in asked.items() if value is not None]
    proto = [f"ct_nw_proto={ICMP}"] if known and way == "answers" else []
    return ",".join(["icmp", *proto, *known])


def remote(rule: model.Rule, way: Way) -> str:
    """The match of a remote prefix; "" for everybody and for a group."""
    if rule.remote_ip_prefix in (None, "0.0.0.0/0"):
        return ""
    incoming = (rule.direction == "ingress") is (way == "asks")
    return f",{'nw_src' if incoming else 'nw_dst'}={rule.remote_ip_prefix}"


def masked(first: int, last: int) -> list[str]:
    """A range of ports as values with masks: 80:95 is 0x50/0xfff0; one port is written as a number."""
    found = []
    while first <= last:
        size = first & -first or 1 << PORT_BITS
        while first + size - 1 > last:
            size >>= 1
        mask = (1 << PORT_BITS) - size
        found.append(str(first) if size == 1 else f"{first:#x}/{mask:#x}")
        first += size
    return found
