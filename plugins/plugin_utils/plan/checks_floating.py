# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of what leads to instances from outside (Case 2), and of who else comes by the same addresses.

An instance that asks a floating IP behind its own router is sent back by it, and is seen there as the router, or as its
own floating IP. One behind another router comes from outside.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..topology import model
from . import checks_places as places
from .check import Check
from .checks_pairs import Pair, pair
from .verdict import Service


def checks(topology: model.Topology) -> Iterator[Check]:
    """Floating IPs and port forwardings."""
    served = places.addressed(topology)
    floating_ips = sorted(topology.floating_ips.values(), key=lambda f: f.address)
    for floating_ip in floating_ips:
        if topology.ports[floating_ip.port] in served:
            yield from _case2(topology, floating_ip)
            yield from _inside(topology, floating_ip, served)
    yield from _itself(topology, [f for f in floating_ips if topology.ports[f.port] in served])
    for address, port, found in _forwarded(topology):
        if port in served:
            yield from _forwarding(topology, address, port, found)


def _client(topology: model.Topology, router: str, address: str) -> str | None:
    """The address outside that asks: the gateway's of the external subnet."""
    external = topology.routers[router].external_network
    subnets = topology.networks[external].subnets if external else ()
    return next((s.gateway_ip for s in subnets if s.holds(address)), None)


def _case2(topology: model.Topology, floating_ip: model.FloatingIp) -> Iterator[Check]:
    """From outside to a floating IP: what the security groups open, and only that."""
    port = topology.ports[floating_ip.port]
    if client := _client(topology, floating_ip.router, floating_ip.address):
        yield from pair(
            topology,
            Pair(
                name=f"case2.{places.label(topology, port)}.{floating_ip.address}",
                group="floating",
                source={**places.outside(), "ip": client},
                source_port=None,
                port=port,
                inner=floating_ip.fixed_ip,
                address=floating_ip.address,
            ),
        )


def _inside(topology: model.Topology, floating_ip: model.FloatingIp, served: list[model.Port]) -> Iterator[Check]:
    """One instance behind the same router, and one behind another."""
    asked: set[bool] = set()
    for source in served:
        router = places.router_of(topology, source)
        first = topology.instances[source.device].ports[0] == source.id
        if not router or not first or source.device == topology.ports[floating_ip.port].device:
            continue
        same = router.id == floating_ip.router
        external = topology.routers[floating_ip.router].external_network
        if same in asked or router.external_network != external:
            continue
        if not same and not router.enable_snat and not places.floating_of(topology, source):
            continue  # nobody outside knows the way back to it
        asked.add(same)
        how = "and back through their router" if same else f"from router {router.label}"
        yield from _from_inside(topology, floating_ip, source, router, how)


def _itself(topology: model.Topology, floating_ips: list[model.FloatingIp]) -> Iterator[Check]:
    """An instance asks itself by its floating IP; one of each router."""
    done: set[str] = set()
    for floating_ip in floating_ips:
        port = topology.ports[floating_ip.port]
        first = (
            topology.instances[port.device].ports[0] == port.id and port.fixed_ips[0].address == floating_ip.fixed_ip
        )
        router = places.router_of(topology, port)
        if first and router and router.id not in done:
            done.add(router.id)
            yield from _from_inside(topology, floating_ip, port, router, "and back through its router")


def _from_inside(
    topology: model.Topology, floating_ip: model.FloatingIp, source: model.Port, router: model.Router, how: str
) -> Iterator[Check]:
    place, port = places.of(topology, source), topology.ports[floating_ip.port]
    hairpin = router.id == floating_ip.router
    yield from pair(
        topology,
        Pair(
            name=f"hairpin.{place['label']}>{floating_ip.address}",
            group="floating",
            source=place,
            source_port=source,
            port=port,
            inner=floating_ip.fixed_ip,
            address=floating_ip.address,
            seen=places.seen_outside(topology, source, router, hairpin=hairpin),
            how=how,
        ),
    )


def _forwarded(
    topology: model.Topology,
) -> Iterator[tuple[str, model.Port, list[model.PortForwarding]]]:
    """The port forwardings of each external address, by the port that they lead to."""
    found: dict[tuple[str, str], list[model.PortForwarding]] = {}
    for forwarding in topology.port_forwardings.values():
        found.setdefault((forwarding.address, forwarding.port), []).append(forwarding)
    for (address, port), forwardings in sorted(found.items()):
        yield address, topology.ports[port], forwardings


def _forwarding(
    topology: model.Topology, address: str, port: model.Port, forwardings: list[model.PortForwarding]
) -> Iterator[Check]:
    """From outside: the first and the last of each range arrive where they must, and their neighbours nowhere."""
    lands = {}
    for one in forwardings:
        for outer, inner in {*zip(one.external_ports, one.internal_ports, strict=True)}:
            lands[Service(protocol=one.protocol, port=outer)] = Service(protocol=one.protocol, port=inner)
    if client := _client(topology, forwardings[0].router, address):
        yield from pair(
            topology,
            Pair(
                name=f"forwarding.{address}>{places.label(topology, port)}",
                group="floating",
                source={**places.outside(), "ip": client},
                source_port=None,
                port=port,
                inner=forwardings[0].fixed_ip,
                address=address,
                lands=lands,
                how="by forwarded ports",
            ),
        )
