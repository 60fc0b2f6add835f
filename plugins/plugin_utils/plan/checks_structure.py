# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of each node by itself: everything that its state names is there, works, and is all there is."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator, Mapping

from ...module_utils.state import KINDS, Bridge, Daemon, Link, Namespace, NodeState, Port, Route, digest, to_json
from ..topology import model
from ..topology.relations import overhead
from . import names
from .check import Check


def checks(topology: model.Topology, states: Mapping[str, NodeState]) -> Iterator[Check]:
    """Structure of all nodes."""
    for node, state in sorted(states.items()):
        if not state.resources:
            continue
        title = f"{node} has exactly what was planned: nothing is missing, changed or left over"
        yield _check(node, "status", title, fingerprint=fingerprint(to_json(state)))
        yield from _bridges(topology, node, state)
        yield from _namespaces(topology, node, state)
        if services := sorted(f"tenantnet-{d.slice}-{d.name}" for d in _of(state, Daemon)):
            title = f"The {len(services)} daemons of {node} are up"
            yield _check(node, "daemons", title, services=services)
        if _of(state, Bridge):
            yield _check(node, "log", f"ovs-vswitchd of {node} has logged no unexpected warning")


def fingerprint(data: Mapping[str, typing.Any]) -> str:
    """Tells one node state from another, whatever the order of its resources and when each had to come; a plan knows no
    secrets.
    """
    items = sorted(json.dumps([kind, _known(kind, i)], sort_keys=True) for kind in KINDS for i in data.get(kind, ()))
    return digest(*items)


def _known(kind: str, resource: Mapping[str, typing.Any]) -> dict[str, typing.Any]:
    compared = {field.name for field in dataclasses.fields(KINDS[kind]) if field.compare}
    known = {name: value for name, value in resource.items() if name in compared}
    return {**known, "content": ""} if resource.get("secret") else known


def _check(node: str, kind: str, title: str, subject: str = "", **args: typing.Any) -> Check:
    id_ = ".".join(filter(None, ("structure", node, subject or kind)))
    return Check(id=id_, title=title, group="structure", node=node, kind=kind, args=args)


R = typing.TypeVar("R", Bridge, Daemon, Link, Namespace, Port, Route)


def _of(state: NodeState, kind: type[R]) -> list[R]:
    return [r for r in state.resources if isinstance(r, kind)]


def _bridges(topology: model.Topology, node: str, state: NodeState) -> Iterator[Check]:
    for bridge in _of(state, Bridge):
        ports = {p.name: _port(p) for p in _of(state, Port) if p.bridge == bridge.name}
        title = f"Bridge {bridge.name} of {node} is {bridge.fail_mode}, its {len(ports)} ports work and have their tags"
        yield _check(
            node,
            "bridge",
            title,
            subject=bridge.name,
            bridge=bridge.name,
            datapath_type=bridge.datapath_type,
            fail_mode=None if bridge.adopt else bridge.fail_mode,
            ports=ports,
            underlay=_underlay(topology, topology.nodes[node], bridge.name),
        )


def _underlay(topology: model.Topology, node: model.Node, bridge: str) -> dict[str, typing.Any]:
    """The device below a bridge, by its name or by an address that it has, and the bytes that networks send by it."""
    networks = [topology.networks[id_] for id_ in topology.local_vlans[node.name]]
    if bridge == names.BR_TUN:
        mtu = max((n.mtu + overhead(n.network_type) for n in networks if n.network_type in model.TUNNELS), default=0)
        return {"address": node.tunnel_ip, "mtu": mtu} if mtu else {}
    physical = next((name for name, of in topology.physical_networks.items() if of.bridge == bridge), None)
    mtu = max((n.mtu for n in networks if physical and n.physical_network == physical), default=0)
    return {"device": node.interfaces.get(physical or ""), "mtu": mtu} if mtu else {}


def _port(port: Port) -> dict[str, typing.Any]:
    return {"type": port.type, "tag": port.tag, "peer": port.options.get("peer")}


def _namespaces(topology: model.Topology, node: str, state: NodeState) -> Iterator[Check]:
    """The node's own namespace is one of them; what is in a guest's is the matter of its lease."""
    guests = {names.guest_namespace(i) for i in topology.instances}
    links, routes = _of(state, Link), _of(state, Route)
    for name in ["", *(n.name for n in _of(state, Namespace) if n.name not in guests)]:
        inside = {link.name: _link(link) for link in links if link.namespace == name}
        if not name and not inside:
            continue
        known = {r.destination: r.via for r in routes if r.namespace == name}
        title = f"Devices of {_words(topology, node, name)} are up, with their addresses, MACs and MTUs"
        subject = name or "devices"
        yield _check(node, "namespace", title, subject=subject, namespace=name, links=inside, routes=known)


def _link(link: Link) -> dict[str, typing.Any]:
    return {
        "mac": link.mac,
        "mtu": link.mtu,
        "addresses": list(link.addresses),
        "up": link.up,
        "master": link.master,
    }


def _words(topology: model.Topology, node: str, namespace: str) -> str:
    """A namespace in the words of the topology."""
    kind, _dash, id_ = namespace.partition("-")
    if kind == "qrouter" and id_ in topology.routers:
        return f"router {topology.routers[id_].label} on {node}"
    if kind == "qdhcp" and id_ in topology.networks:
        return f"the DHCP server of {topology.networks[id_].label} on {node}"
    return f"{namespace or 'bridges and instances'} on {node}"
