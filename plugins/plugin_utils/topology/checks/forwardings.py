# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Port forwardings of a project: each port of an external address leads to one instance, or to none."""

from __future__ import annotations

import typing

from ..raw import Port, PortForwarding
from ..source import Path
from .scope import Scope


def check(scope: Scope) -> None:
    """What two port forwardings say of one external port, and what excludes them."""
    before: dict[tuple[str, str], list[tuple[PortForwarding, str]]] = {}
    for path, port, label in _ports(scope):
        for below, fixed in port.addresses:
            at = (*path, *below)
            if fixed.floating_ip is not None and fixed.port_forwardings:
                message = "all ports of a floating_ip lead here already"
                scope.add((*at, "port_forwardings"), message, "leave either of them out")
            for index, forwarding in enumerate(fixed.port_forwardings):
                others = before.setdefault((forwarding.floating_ip, forwarding.protocol), [])
                _check_overlap(scope, (*at, "port_forwardings", index, "external_port"), forwarding, others)
                others.append((forwarding, label))


def _ports(scope: Scope) -> typing.Iterator[tuple[Path, Port, str]]:
    for name, instance in scope.project.instances.items():
        for index, port in enumerate(instance.ports):
            yield ("instances", name, "ports", index), port, f"{name}:{port.key}"


def _check_overlap(
    scope: Scope, path: Path, forwarding: PortForwarding, others: list[tuple[PortForwarding, str]]
) -> None:
    first, last = forwarding.external_port
    for other, label in others:
        low, high = other.external_port
        if first <= high and low <= last:
            taken = str(low) if low == high else f"{low}:{high}"
            scope.add(path, f"{forwarding.protocol} {taken} of {forwarding.floating_ip} leads to {label} already")
