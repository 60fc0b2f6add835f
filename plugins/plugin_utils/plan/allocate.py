# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""From what people wrote to the resolved topology: every value that was left open is chosen, and pinned in the lock.

Pure: the same files and the same lock give the same topology and the same new lock. Within each kind of value, what is
written down is taken first, then what was pinned before, then the lowest that is free; so adding something never
changes what is pinned. The segment, the addresses and the local VLANs of what is gone are retiring (see lock.py).
"""

from __future__ import annotations

import collections
import dataclasses
import typing

from ..topology import model, raw
from ..topology.checks import check
from ..topology.source import Path, Report
from . import addressing, floating, names, objects, segments
from .lock import Lock, seen_by
from .objects import NetworkPlan
from .pins import Pins
from .ports import Planner, PortPlan
from .settled import settled


class HasId(typing.Protocol):
    """Whatever the resolved topology keeps by its id."""

    @property
    def id(self) -> str:
        """Its UUID."""


T = typing.TypeVar("T", bound=HasId)


def resolve(topology: raw.Raw, lock: Lock) -> tuple[model.Topology, Lock]:
    """The resolved topology, and the lock that pins what was chosen.

    Raises TopologyErrors with everything that the files say together and is wrong, or for what has no room.
    """
    topology = settled(topology, lock)
    check(topology).stop()
    report = Report(topology.sources)
    pins = Pins(lock, report)
    networks = objects.networks(topology)
    routers = objects.routers(topology, networks)
    groups = objects.security_groups(topology)
    instances = objects.instances(topology)
    plans = Planner(topology, networks, routers, groups, instances).ports()
    _check_ids(_identities(topology, networks.values(), plans, routers, groups, instances), report)
    report.stop()

    found_networks = segments.segments(topology, pins, networks.values(), report)
    addressing.reserve_gateways(pins, networks.values())
    inner = [plan for plan in plans if not plan.network.network.external]
    inner_ports = addressing.inside(pins, inner)
    report.stop()
    floating_plans = floating.plans(topology, networks, routers, inner, inner_ports, report)
    outer = [plan for plan in plans if plan.network.network.external]
    outer_ports, found = addressing.outside(pins, outer, floating_plans)
    floating_ips, forwardings = floating.resolved(floating_plans, found)
    macs, zones = addressing.macs(pins, plans), segments.zones(pins, plans)
    local_vlans = segments.local_vlans(topology, pins, networks.values())
    report.stop()

    physical = topology.provider.physical_networks
    resolved = model.Topology(
        deployment=topology.deployment,
        nodes=dict(sorted(topology.nodes.items())),
        physical_networks={n: model.PhysicalNetwork(name=n, bridge=p.bridge) for n, p in sorted(physical.items())},
        networks=_by_id(found_networks),
        routers=_by_id(routers.values()),
        ports=_by_id(_numbered(p, macs[p.id], zones.get(p.id)) for p in inner_ports + outer_ports),
        floating_ips=_by_id(floating_ips),
        port_forwardings=_by_id(forwardings),
        security_groups=_by_id(groups.values()),
        instances=_by_id(_plugged(instances.values(), plans)),
        local_vlans=local_vlans,
        dns_forwarders=topology.provider.dns_forwarders,
        l2_population=topology.provider.tunnels.l2_population,
        arp_responder=topology.provider.tunnels.arp_responder,
    )
    return resolved, pins.lock()


def _by_id(found: typing.Iterable[T]) -> dict[str, T]:
    return {one.id: one for one in sorted(found, key=lambda one: one.id)}


def _numbered(port: model.Port, mac: str, zone: int | None) -> model.Port:
    """A port with its MAC, which is also that of the address pairs that name none."""
    pairs = [dataclasses.replace(p, mac_address=p.mac_address or mac) for p in port.allowed_address_pairs]
    return dataclasses.replace(port, mac=mac, zone=zone, allowed_address_pairs=tuple(dict.fromkeys(pairs)))


def _plugged(instances: typing.Iterable[model.Instance], plans: list[PortPlan]) -> list[model.Instance]:
    """Instances with their ports, in the order of their NICs."""
    ports = collections.defaultdict(list)
    for plan in plans:
        ports[plan.port.device].append(plan.port.id)
    return [dataclasses.replace(instance, ports=tuple(ports[instance.id])) for instance in instances]


class Identity(typing.NamedTuple):
    """An id, whose it is, and where that is declared."""

    id: str
    kind: str
    label: str
    file: str
    path: Path


def _identities(
    topology: raw.Raw,
    networks: typing.Iterable[NetworkPlan],
    plans: typing.Iterable[PortPlan],
    *devices: typing.Mapping[tuple[str, str], model.Router | model.SecurityGroup | model.Instance],
) -> typing.Iterator[Identity]:
    for plan in networks:
        yield Identity(plan.network.id, "network", plan.network.label, plan.file, plan.path)
        for subnet in plan.network.subnets:
            path = (*plan.path, "subnets", subnet.name)
            yield Identity(subnet.id, "subnet", f"{plan.network.label}/{subnet.name}", plan.file, path)
    for section, found in zip(("routers", "security_groups", "instances"), devices, strict=True):
        for (project, name), device in found.items():
            kind = section[:-1].replace("_", " ")
            yield Identity(device.id, kind, f"{project}/{name}", topology.project_file(project), (section, name))
    for port in plans:
        yield Identity(port.port.id, "port", port.port.label, port.file, port.path)


def _check_ids(identities: typing.Iterable[Identity], report: Report) -> None:
    """An id is one thing's. Devices, chains and sets are told apart by its beginning alone."""
    seen: dict[str, Identity] = {}
    for found in identities:
        cut = found.kind in ("port", "security group")
        keys = [found.id, f"{found.kind} {found.id[: names.ID_LENGTH]}"] if cut else [found.id]
        if other := next((seen[key] for key in keys if key in seen), None):
            label = f"{other.kind} {seen_by(found.label, other.label, 'of another project')}"
            what = f"has the id of {label}, {other.id}"
            if other.id != found.id:
                what = f"begins its id, {found.id}, like {label}, {other.id}"
            report.add(found.file, found.path, what, "write another 'id', or none", key=True)
        for key in keys:
            seen.setdefault(key, found)
