# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of metadata: each instance reads its own, in both trees, and another's by no header that it may send."""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Iterator

from ...module_utils.services.metadata_http import ADDRESS, INSTANCE, NETWORK, PROJECT, ROUTER, SIGNATURE
from ...module_utils.services.metadata_tree import ec2_id
from ..topology import model
from . import checks_places as places
from . import dhcp_files, metadata, names
from .check import Check
from .verdict import Service, Side, reaches

Json = dict[str, typing.Any]


def checks(topology: model.Topology) -> Iterator[Check]:
    """Two checks for each instance that has a way to metadata by its first port."""
    if not metadata.controllers(topology):
        return
    ports = [p for p in places.addressed(topology) if _asks(topology, p)]
    for port in ports:
        instance = topology.instances[port.device]
        place = places.of(topology, port)
        args = {"place": place, "expected": _expected(topology, instance)}
        yield _check(place, "own", f"{place['label']} reads its own metadata, as OpenStack's and as EC2's", args)
        others = [p for p in ports if topology.instances[p.device].project != instance.project] or ports
        if victim := next((p for p in others if p.device != port.device), None):
            label = topology.instances[victim.device].label
            forged = {**args, "forgeries": _forgeries(topology, victim)}
            yield _check(place, "forged", f"{place['label']} does not read the metadata of {label}", forged)


def _check(place: places.Place, what: str, title: str, args: Json) -> Check:
    return Check(
        id=f"metadata.{place['label']}.{what}",
        title=title,
        group="metadata",
        node=place["node"],
        kind="metadata" if what == "own" else "metadata_forged",
        args=args,
        negative=what != "own",
        requires_guest=True,
        attack="" if what == "own" else "another instance's metadata",
    )


def _asks(topology: model.Topology, port: model.Port) -> bool:
    """Whether it is an instance's first port, with a route to metadata and a security group that lets it ask."""
    network, first = topology.networks[port.network], topology.instances[port.device].ports[0]
    subnet = topology.subnet(port.fixed_ips[0].subnet)
    routes = dict(dhcp_files.classless_routes(topology, network, subnet))
    source = Side(address=port.fixed_ips[0].address, port=port)
    asks = reaches(topology, source, Side(address=names.METADATA_IP), Service(protocol="tcp", port=80))
    return asks and port.id == first and f"{names.METADATA_IP}/32" in routes


def _expected(topology: model.Topology, instance: model.Instance) -> Json:
    """What the topology says. User-data may be anybody's secret, so a digest stands for it."""
    told = metadata.instance(topology, instance)
    data = instance.user_data.encode() if instance.user_data else None
    return {
        "uuid": instance.id,
        "ec2_id": ec2_id("i", instance.id),
        "hostname": instance.name,
        "project_id": instance.project,
        "public_keys": told["public_keys"],
        "local_ipv4": told["local_ipv4"],
        "user_data": hashlib.sha256(data).hexdigest() if data else None,
    }


def _forgeries(topology: model.Topology, victim: model.Port) -> list[dict[str, str]]:
    """Headers by which our own programs tell each other who asks, each also in the spelling of WSGI."""
    router = places.router_of(topology, victim)
    said = {
        ADDRESS: victim.fixed_ips[0].address,
        "X-Real-IP": victim.fixed_ips[0].address,
        INSTANCE: victim.device,
        PROJECT: topology.instances[victim.device].project,
        SIGNATURE: "0" * 64,
    }
    sources = [{NETWORK: victim.network}, *([{ROUTER: router.id}] if router else [])]
    forged = [{**said, **source} for source in sources]
    return [*forged, {name.replace("-", "_"): value for one in forged for name, value in one.items()}]
