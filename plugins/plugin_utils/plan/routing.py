# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Routing: what Neutron's L3 agent builds (datapath.md 2).

Each router is a namespace `qrouter-<id>`: a `qr-` device for each project network, a `qg-` device for the external one,
source NAT behind its gateway address, and for each floating IP its address on `qg-` and a pair of NAT rules, or one for
each of its ports that leads somewhere.
"""

from __future__ import annotations

import typing

from ...module_utils.state import Chain, Namespace, Resource, Route, chain_prefix
from ..topology import model
from . import names, plug

SLICE = "routing"

EXTERNAL_INGRESS_MARK = "0x2/0xffff"  # this packet came in from the external network
METADATA_MARK = "0x1/0xffff"  # this packet asks for metadata
SCOPE_MARK = "0x4000000/0xffff0000"  # the one address scope that there is
SCOPE_MASK = "0xffff0000"

SYSCTLS = {
    "net.ipv4.conf.all.promote_secondaries": "1",
    "net.netfilter.nf_conntrack_tcp_be_liberal": "1",
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.conf.all.arp_announce": "2",
    # A namespace inherits it from the node: nobody's packet says by which way it goes.
    "net.ipv4.conf.all.accept_source_route": "0",
    # IPv6 is a hole until it is a feature.
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}

P = chain_prefix(SLICE)

TO_METADATA = f"-d {names.METADATA_IP}/32 -i qr-+ -p tcp -m tcp --dport 80"


def compile(topology: model.Topology, node: model.Node) -> list[Resource]:
    """All routers of a node."""
    resources: list[Resource] = []
    for router in sorted(topology.routers.values(), key=lambda r: r.id):
        if router.node == node.name:
            resources += _router(topology, router)
    return resources


def _router(topology: model.Topology, router: model.Router) -> list[Resource]:
    namespace = names.router_namespace(router.id)
    ports = [p for p in topology.ports_on(router.node) if p.device == router.id]
    inside = [p for p in ports if p.owner == "router_interface"]
    gateway = next((p for p in ports if p.owner == "router_gateway"), None)
    outer = _Outer(
        floating=sorted((f for f in topology.floating_ips.values() if f.router == router.id), key=lambda f: f.address),
        forwardings=sorted((f for f in topology.port_forwardings.values() if f.router == router.id), key=_external),
    )
    resources: list[Resource] = [Namespace(slice=SLICE, name=namespace, sysctls=dict(SYSCTLS))]
    for port in inside:
        resources += plug.into_namespace(topology, SLICE, port, "qr-", namespace, _addresses(topology, port))
    if gateway:
        hosts = {f.address: f.leaving for f in outer.floating} | {f.address: f.leaving for f in outer.forwardings}
        addresses, late = (*_addresses(topology, gateway), *(f"{h}/32" for h in hosts)), any(hosts.values())
        resources += plug.into_namespace(topology, SLICE, gateway, "qg-", namespace, addresses, late)
    resources += _routes(topology, router, namespace, gateway)
    cidrs = sorted({topology.subnet(ip.subnet).cidr for port in inside for ip in port.fixed_ips})
    return resources + _rules(router, namespace, inside, cidrs, gateway, outer)


class _Outer(typing.NamedTuple):
    """What a router's floating IPs lead to."""

    floating: list[model.FloatingIp]
    forwardings: list[model.PortForwarding]


def _external(forwarding: model.PortForwarding) -> tuple[str, str, tuple[int, int]]:
    return forwarding.address, forwarding.protocol, forwarding.external_ports


def _addresses(topology: model.Topology, port: model.Port) -> tuple[str, ...]:
    return tuple(f"{ip.address}/{topology.subnet(ip.subnet).prefixlen}" for ip in port.fixed_ips)


def _routes(
    topology: model.Topology, router: model.Router, namespace: str, gateway: model.Port | None
) -> list[Resource]:
    """The default route by the external subnet's gateway, its other subnets on link, and the router's extra routes."""
    routes: list[Resource] = []
    if gateway:
        device = names.device("qg-", gateway.id)
        mine = {ip.subnet for ip in gateway.fixed_ips}
        for subnet in topology.networks[gateway.network].subnets:
            if subnet.id not in mine:
                routes.append(Route(slice=SLICE, namespace=namespace, destination=subnet.cidr, device=device))
            elif subnet.gateway_ip:
                if not subnet.holds(subnet.gateway_ip):  # somewhere on the same wire
                    on_link = f"{subnet.gateway_ip}/32"
                    routes.append(Route(slice=SLICE, namespace=namespace, destination=on_link, device=device))
                routes.append(
                    Route(
                        slice=SLICE, namespace=namespace, destination="0.0.0.0/0", device=device, via=subnet.gateway_ip
                    )
                )
    for destination, nexthop in router.routes:
        device = _towards(topology, router, nexthop)
        routes.append(Route(slice=SLICE, namespace=namespace, destination=destination, device=device, via=nexthop))
    return routes


def _towards(topology: model.Topology, router: model.Router, nexthop: str) -> str:
    """The router's device whose subnet holds the next hop (the topology was checked: there is one)."""
    for port in topology.ports.values():
        if port.device == router.id and any(topology.subnet(ip.subnet).holds(nexthop) for ip in port.fixed_ips):
            return names.device("qg-" if port.owner == "router_gateway" else "qr-", port.id)
    raise ValueError(f"router {router.label}: no subnet of it holds next hop {nexthop}")


# ---------------------------------------------------------------------------------------------------------- iptables


def _rules(
    router: model.Router,
    namespace: str,
    inside: list[model.Port],
    cidrs: list[str],
    gateway: model.Port | None,
    outer: _Outer,
) -> list[Resource]:
    """The rule set of a router, table by table (datapath.md 2.4)."""
    qr = [names.device("qr-", p.id) for p in inside]
    qg = names.device("qg-", gateway.id) if gateway else None
    gateway_ip = gateway.fixed_ips[0].address if gateway else None
    tables = {
        "filter": _filter(qr, qg, cidrs, router.enable_snat),
        "mangle": _mangle(qr, qg, router.enable_snat),
        "nat": _nat(qg, gateway_ip, router.enable_snat, outer),
    }
    return [
        Chain(slice=SLICE, namespace=namespace, family="ipv4", table=table, name=name, rules=tuple(rules))
        for table, chains in tables.items()
        for name, rules in chains.items()
    ]


def _filter(qr: list[str], qg: str | None, cidrs: list[str], enable_snat: bool) -> dict[str, list[str]]:
    """Only packets of the device's own address scope leave by it; nobody asks the metadata proxy by its own port.

    Nobody outside has an address of the inside: with one he would be a member of a remote group.
    """
    guarded = qr if enable_snat or qg is None else [*qr, qg]
    return {
        "INPUT": [f"-j {P}INPUT"],
        "FORWARD": [f"-j {P}FORWARD"],
        f"{P}INPUT": [
            f"-j {P}forged",
            f"-m mark --mark {METADATA_MARK} -j ACCEPT",
            f"-p tcp -m tcp --dport {names.METADATA_PORT} -j DROP",
        ],
        f"{P}FORWARD": [f"-j {P}forged", f"-j {P}scope"],
        f"{P}forged": [f"-s {cidr} -i {qg} -j DROP" for cidr in cidrs] if qg else [],
        f"{P}scope": [f"-o {device} -m mark ! --mark {SCOPE_MARK} -j DROP" for device in guarded],
    }


def _mangle(qr: list[str], qg: str | None, enable_snat: bool) -> dict[str, list[str]]:
    """Marks: where a packet came from, kept for its connection."""
    unmarked = f"-m connmark --mark 0x0/{SCOPE_MASK}"
    save = f"{unmarked} -j CONNMARK --save-mark --nfmask {SCOPE_MASK} --ctmask {SCOPE_MASK}"
    restore = (
        f"-m connmark ! --mark 0x0/{SCOPE_MASK} -j CONNMARK --restore-mark --nfmask {SCOPE_MASK} --ctmask {SCOPE_MASK}"
    )
    devices = [*qr, qg] if qg else qr
    return {
        "PREROUTING": [f"-j {P}PREROUTING"],
        "POSTROUTING": [f"-j {P}POSTROUTING"],
        f"{P}PREROUTING": [
            f"-j {P}mark",
            f"-j {P}scope",
            restore,
            f"{TO_METADATA} -j MARK --set-xmark {METADATA_MARK}",
        ],
        f"{P}POSTROUTING": [f"-o {qg} {save}"] if qg and enable_snat else [],
        f"{P}mark": [f"-i {qg} -j MARK --set-xmark {EXTERNAL_INGRESS_MARK}"] if qg else [],
        f"{P}scope": [f"-i {device} -j MARK --set-xmark {SCOPE_MARK}" for device in devices],
    }


def _nat(qg: str | None, gateway_ip: str | None, enable_snat: bool, outer: _Outer) -> dict[str, list[str]]:
    """Metadata requests to the proxy, floating IPs both ways, and everybody else behind the gateway address."""
    dnat = [f"-d {f.address}/32 -j DNAT --to-destination {f.fixed_ip}" for f in outer.floating]
    own = [f"-s {f.fixed_ip}/32 -j SNAT --to-source {f.address} --random-fully" for f in outer.floating]
    forwarded = {f"{P}pf-{f.id[: names.ID_LENGTH]}": [_forwarding(f)] for f in outer.forwardings}
    snat = [f"-j {P}float-snat"]
    if qg and enable_snat:
        snat.append(f"-o {qg} -j SNAT --to-source {gateway_ip} --random-fully")
    if qg:
        # Hairpin: an instance that reaches its neighbour by a floating IP gets its answer through the router.
        snat.append(
            f"-m mark ! --mark {EXTERNAL_INGRESS_MARK} -m conntrack --ctstate DNAT"
            f" -j SNAT --to-source {gateway_ip} --random-fully"
        )
    between = [f"! -o {qg} -m conntrack ! --ctstate DNAT -j ACCEPT"] if qg else []
    return {
        "PREROUTING": [f"-j {P}PREROUTING"],
        "OUTPUT": [f"-j {P}OUTPUT"],
        "POSTROUTING": [f"-j {P}POSTROUTING", f"-j {P}bottom"],
        f"{P}PREROUTING": [
            f"{TO_METADATA} -j REDIRECT --to-ports {names.METADATA_PORT}",
            *dnat,
            *([f"-j {P}fip-pf"] if forwarded else []),
        ],
        f"{P}OUTPUT": dnat,
        f"{P}POSTROUTING": between,  # no source NAT between project networks
        f"{P}bottom": ['-m comment --comment "Perform source NAT on outgoing traffic." ' + f"-j {P}snat"],
        f"{P}snat": snat,
        f"{P}float-snat": own,
        **({f"{P}fip-pf": [f"-j {chain}" for chain in forwarded]} if forwarded else {}),
        **forwarded,
    }


def _forwarding(of: model.PortForwarding) -> str:
    """A range keeps its order: the kernel is told which external port leads to the first internal one."""
    (first, last), (low, high) = of.external_ports, of.internal_ports
    asked, inner = (str(first), str(low)) if first == last else (f"{first}:{last}", f"{low}-{high}/{first}")
    match = f"-d {of.address}/32 -p {of.protocol} -m {of.protocol} --dport {asked}"
    return f"{match} -j DNAT --to-destination {of.fixed_ip}:{inner}"
