# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a person sees at the end: who has which address, and of a lab what to look at next."""

from __future__ import annotations

from ..topology import model
from . import names


def guide(topology: model.Topology, lab: bool) -> str:
    """A table of the instances, of a lab a few commands too; "" where no instance is ours to look into."""
    if not any(node.guests for node in topology.nodes.values()):
        return ""
    instances = sorted(topology.instances.values(), key=lambda i: i.label)
    rows = [("instance", "node", "fixed IP", "floating IP"), *(_row(topology, instance) for instance in instances)]
    widths = [max(map(len, column)) + 3 for column in zip(*rows, strict=True)]
    table = ["".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*table, *(["", "Look around:", *_commands(topology, instances)] if lab else [])])


def _row(topology: model.Topology, instance: model.Instance) -> tuple[str, str, str, str]:
    fixed = [ip.address for port in instance.ports for ip in topology.ports[port].fixed_ips]
    floating = [f.address for f in topology.floating_ips.values() if f.port in instance.ports]
    return instance.label, instance.node, ", ".join(fixed), ", ".join(sorted(floating)) or "-"


def _commands(topology: model.Topology, instances: list[model.Instance]) -> list[str]:
    lines = []
    for instance in instances[:1]:
        lines.append(f"  make shell NODE={instance.node} GUEST={instance.label}   # ip addr; ping 198.51.100.10")
        lines.append(f"  make shell NODE={instance.node}   # ovs-vsctl show; ovs-ofctl --names dump-flows br-int")
    for router in sorted(topology.routers.values(), key=lambda r: r.label)[:1]:
        rules = f"ip netns exec {names.router_namespace(router.id)} iptables -t nat -S"
        lines.append(f"  make shell NODE={router.node}   # ip netns; {rules}")
    for floating in sorted(topology.floating_ips.values(), key=lambda f: f.address)[:1]:
        lines.append(f"  make shell NODE=outside   # ping {floating.address}")
    return lines
