# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of what a router does not lead to: the nodes, and its own metadata proxy by the port that it listens on."""

from __future__ import annotations

from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from . import metadata, names
from .check import Check
from .checks_places import Place
from .verdict import Service, Side, reaches

#: What is worth reaching: SSH, OVSDB, OpenFlow, the metadata API.
SERVICES = (22, 6640, 6653, metadata.API_PORT)


def checks(topology: model.Topology) -> Iterator[Check]:
    """For each router the first instance behind it that may ask."""
    for router in sorted(topology.routers.values(), key=lambda r: r.label):
        found = next(((p, i) for p in places.instance_ports(topology) for i in _inside(topology, router, p)), None)
        if found is None:
            continue
        me, inside = (places.of(topology, p) for p in found)
        yield _nodes(topology, router, me)
        if metadata.controllers(topology):
            yield _proxy(router, me, inside["ip"], me["label"])
            gateway = places.gateway_port(topology, router)
            if gateway and topology.networks[gateway.network].network_type == "flat":
                yield _proxy(router, places.outside(), gateway.fixed_ips[0].address, "Outside one")


def _inside(topology: model.Topology, router: model.Router, port: model.Port) -> Iterator[model.Port]:
    """The router's own port on the network of an instance whose default route leads to it, and that may ask it."""
    inside = places.interface_of(topology, port, router)
    if inside is None or places.router_of(topology, port) != router or not topology.nodes[port.node].guests:
        return
    source, destination = Side(address=port.fixed_ips[0].address, port=port), Side(address=inside.fixed_ips[0].address)
    services = [Service(protocol="icmp"), *(Service(protocol="tcp", port=n) for n in (*SERVICES, names.METADATA_PORT))]
    if all(reaches(topology, source, destination, service) for service in services):
        yield inside


def _nodes(topology: model.Topology, router: model.Router, me: Place) -> Check:
    nodes = [{**places.underlay(n), "device": ""} for _name, n in sorted(topology.nodes.items())]
    return Check(
        id=f"hidden.{router.label}.nodes",
        title=f"{me['label']} reaches no address of any node through {router.label}",
        group="node",
        node=router.node,
        kind="nodes_hidden",
        args={"source": me, "nodes": nodes, "ports": list(SERVICES)},
        negative=True,
        requires_guest=True,
        attack="nodes, OVSDB, metadata API by routers",
    )


def _proxy(router: model.Router, source: Place, address: str, who: str) -> Check:
    inner = source["node"] != places.OUTSIDE
    return Check(
        id=f"hidden.{router.label}.proxy" + ("" if inner else ".outside"),
        title=f"{who} gets no answer from the metadata proxy of {router.label} at {address}:{names.METADATA_PORT}",
        group="node",
        node=router.node,
        kind="port_hidden",
        args={
            "source": source,
            "address": address,
            "port": names.METADATA_PORT,
            "needs": [] if inner else [places.OUTSIDE],
        },
        negative=True,
        requires_guest=inner,
        attack="metadata proxy by its own port",
    )
