# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a project uses against what it may use."""

from __future__ import annotations

from ..raw import Port, Project, Quota
from ..relations import dhcp_servers, has_dhcp
from ..source import Path
from .scope import Scope

#: Where in a project's file a kind is declared.
_PLACES: dict[str, Path] = {
    "networks": ("networks",),
    "subnets": ("networks",),
    "ports": ("instances",),
    "routers": ("routers",),
    "floating_ips": ("instances",),
    "rbac_policies": ("networks",),
    "security_groups": ("security_groups",),
    "security_group_rules": ("security_groups",),
    "instances": ("instances",),
}


def check(scope: Scope) -> None:
    """Each quota that a project exceeds."""
    used = usage(scope.project, servers=dhcp_servers(scope.raw))
    for kind in Quota.model_fields:
        limit = getattr(scope.limits.quota, kind)
        if 0 <= limit < used[kind]:
            message = f"project '{scope.name}' has {_counted(used[kind], kind)}, its quota is {limit}"
            scope.add(_PLACES[kind], message, "ask the administrators of provider.yml for more", key=True)


def _counted(number: int, kind: str) -> str:
    """`1 floating IP`, `3 ports`."""
    words = "network shares" if kind == "rbac_policies" else kind.replace("_", " ").replace("ips", "IPs")
    return (
        f"{number} {words if number != 1 else words.replace('shares', 'share', 1) if 'shares' in words else words[:-1]}"
    )


def usage(project: Project, servers: int) -> dict[str, int]:
    """How many of each kind a project uses, with so many DHCP servers a network.

    What everyone gets (the default group and its rules) is not counted.
    """
    networks, routers = project.networks.values(), project.routers.values()
    ports = [port for instance in project.instances.values() for port in instance.ports]
    interfaces = sum(len(router.subnets) for router in routers)
    return {
        "networks": len(networks),
        "subnets": sum(len(network.subnets) for network in networks),
        "ports": len(ports) + interfaces + servers * sum(map(has_dhcp, networks)),
        "routers": len(routers),
        "floating_ips": _floating_ips(ports),
        "rbac_policies": sum(len(set(network.shared_with)) for network in networks),
        "security_groups": len(project.security_groups),
        "security_group_rules": sum(len(group.rules) for group in project.security_groups.values()),
        "instances": len(project.instances),
    }


def _floating_ips(ports: list[Port]) -> int:
    """One of each address that leads to one port alone, and one whose ports lead to several."""
    fixed = [address for port in ports for _path, address in port.addresses]
    shared = {forwarding.floating_ip for address in fixed for forwarding in address.port_forwardings}
    return sum(address.floating_ip is not None for address in fixed) + len(shared)
