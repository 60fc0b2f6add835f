# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Where routers and DHCP servers are already: they stay there while network nodes come and go beside them.

The lock file tells the node at which each of their addresses answers.
"""

from __future__ import annotations

import dataclasses
import typing

from ..topology import raw
from ..topology.relations import attachments, dhcp_servers, network_nodes
from . import ids
from .lock import Lock
from .objects import network_id, router_id, subnet_id
from .ports import dhcp_key

Answering = typing.Mapping[str, str]  # network nodes by the ids of ports


def settled(topology: raw.Raw, lock: Lock) -> raw.Raw:
    """The topology in which each router that names no node names the one where it is."""
    nodes = network_nodes(topology)
    answering = {pin.id: pin.node for pin in lock.pins if pin.kind == "address" and pin.node in nodes}
    projects = {
        project: of.model_copy(update={"routers": dict(_routers(topology, answering, project, of))})
        for project, of in topology.projects.items()
    }
    return dataclasses.replace(topology, projects=projects, dhcp_nodes=dict(_servers(topology, answering)))


def _routers(
    topology: raw.Raw, answering: Answering, project: str, of: raw.Project
) -> typing.Iterator[tuple[str, raw.Router]]:
    for name, router in of.routers.items():
        id_ = router_id(topology, project, name, router)
        ports = (ids.within(id_, "port", key) for key in ("gateway", *_subnets(topology, project, name)))
        node = router.node or next((answering[port] for port in ports if port in answering), None)
        yield name, router.model_copy(update={"node": node}) if node else router


def _subnets(topology: raw.Raw, project: str, router: str) -> typing.Iterator[str]:
    for item in attachments(topology, project, router):
        network = network_id(topology, project, item.network, topology.networks(project)[item.network])
        yield subnet_id(network, item.name, item.subnet)


def _servers(topology: raw.Raw, answering: Answering) -> typing.Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    networks: dict[tuple[str, str], raw.Network | raw.ExternalNetwork] = {
        ("", name): network for name, network in topology.provider.external_networks.items()
    }
    for project in ("", *topology.projects):
        networks |= {(project, name): network for name, network in topology.networks(project).items()}
    for (project, name), network in networks.items():
        id_ = network_id(topology, project, name, network)
        ports = [ids.within(id_, "port", dhcp_key(number + 1)) for number in range(dhcp_servers(topology))]
        yield (project, name), tuple(answering.get(port, "") for port in ports)
