# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Routers of projects: where they run, what they join, and what they route."""

from __future__ import annotations

import ipaddress

from ..parts import Subnet
from ..raw import Raw, Router
from ..relations import attachments, candidates, is_offered, router_node
from ..source import Path
from . import subnets
from .scope import Scope


def check(scope: Scope) -> None:
    """Routers of one project."""
    joined: dict[tuple[str, str], str] = {}
    for name, router in scope.project.routers.items():
        path = ("routers", name)
        check_node(scope, path, router_node(scope.raw, router), "network")
        _check_external(scope, path, router)
        _check_references(scope, path, router)
        _check_subnets(scope, name, router, joined)
        _check_routes(scope, path, router, name)


def check_node(scope: Scope, path: Path, node: str | None, role: str) -> None:
    """Tell a node that is missing, unknown or has another role."""
    able = [n.name for n in scope.raw.nodes.values() if role in n.roles]
    at = (*path, "node")
    if node is None:
        scope.add(path, f"needs a {role} node, and the inventory has none", f"add a host to {role}_nodes", key=True)
    elif scope.known(at, "node", node, scope.raw.nodes) and node not in able:
        hint = f"{role} nodes: {', '.join(able)}" if able else f"add it to {role}_nodes in hosts.yml"
        scope.add(at, f"'{node}' is not a {role} node", hint)


def _check_external(scope: Scope, path: Path, router: Router) -> None:
    external = router.external_network
    if external:
        at = (*path, "external_network")
        networks = scope.raw.provider.external_networks
        offered = [name for name, network in networks.items() if is_offered(network, scope.name)]
        scope.known(at, "external network", external, offered)
    elif router.external_ip:
        scope.add((*path, "external_ip"), "a router without external_network has no external_ip")


def _check_references(scope: Scope, path: Path, router: Router) -> None:
    networks = scope.project.networks
    for index, item in enumerate(router.subnets):
        at = (*path, "subnets", index)
        if item.network and scope.usable.get(item.network, (scope.name,))[0] != scope.name:
            message = f"network '{item.network}' is shared with the project, whose routers join its own networks"
            scope.add((*at, "network"), message, "its owner's routers join it")
            continue
        if item.network and not scope.known((*at, "network"), "network", item.network, networks):
            continue
        meant = candidates(scope.raw, scope.name, item)
        if not meant:
            of = [networks[item.network]] if item.network else networks.values()
            names = [subnet for network in of for subnet in network.subnets]
            scope.known((*at, "subnet"), "subnet", item.subnet, dict.fromkeys(names))
        elif len(meant) > 1:
            owners = " and ".join(f"'{network}'" for network, _subnet in meant)
            hint = f"write {{network: {meant[0][0]}, subnet: {item.subnet}}}"
            scope.add(at, f"networks {owners} have a subnet '{item.subnet}' each", hint)


def _check_subnets(scope: Scope, name: str, router: Router, joined: dict[tuple[str, str], str]) -> None:
    items = attachments(scope.raw, scope.name, name)
    for index, item in enumerate(items):
        subnet = (item.network, item.name)
        if subnet in joined and item.is_gateway:
            hint = "" if joined[subnet] == name else "give this one another fixed_ip in it"
            whose = "this router" if joined[subnet] == name else f"router '{joined[subnet]}'"
            scope.add(item.path, f"subnet '{item.name}' is already joined to {whose}", hint)
        elif subnet in [(other.network, other.name) for other in items[:index]]:
            scope.add(item.path, f"subnet '{item.name}' is already joined to this router")
        elif not item.address:
            scope.add(item.path, f"subnet '{item.name}' has no gateway_ip, which would be the router's address in it")
        elif not item.is_gateway and (message := subnets.unusable(item.subnet, item.address)):
            scope.add((*item.path, "fixed_ip"), message)
        if item.is_gateway:
            joined.setdefault(subnet, name)
    unique = {(i.network, i.name): (i.path, i.name, i.subnet) for i in reversed(items)}
    outside = [((), subnet, of) for subnet, of in _external_subnets(scope.raw, router).items()]
    subnets.check_overlaps([*outside, *reversed(unique.values())], scope.add)


def _external_subnets(raw: Raw, router: Router) -> dict[str, Subnet]:
    external = raw.provider.external_networks.get(router.external_network or "")
    return dict(external.subnets) if external else {}


def _check_routes(scope: Scope, path: Path, router: Router, name: str) -> None:
    inner, outer = attachments(scope.raw, scope.name, name), _external_subnets(scope.raw, router)
    near = [*(item.subnet for item in inner), *outer.values()]
    own = {*(item.address for item in inner), router.external_ip}
    taken = {subnet.cidr: "it is one of the router's own subnets" for subnet in near}
    if any(subnet.gateway_ip for subnet in outer.values()):
        taken["0.0.0.0/0"] = f"it is the default route, which leads to '{router.external_network}'"
    destinations = [route.destination for route in router.routes]
    for index, route in enumerate(router.routes):
        at = (*path, "routes", index)
        hop = ipaddress.IPv4Address(route.nexthop)
        if not any(hop in subnet.net for subnet in near):
            scope.add((*at, "nexthop"), f"{hop} is in none of the router's subnets", "a next hop is a neighbour")
        elif route.nexthop in own:
            scope.add((*at, "nexthop"), f"{hop} is the router's own address")
        if route.destination in destinations[:index]:
            scope.add((*at, "destination"), f"{route.destination} has a route already")
        elif route.destination in taken:
            scope.add((*at, "destination"), f"{route.destination} needs no route: {taken[route.destination]}")
