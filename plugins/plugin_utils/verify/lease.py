# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring a lease: what the guest's DHCP client wrote down, and what its NIC has."""

from __future__ import annotations

import ipaddress
import re

from ..plan.check import Check
from .outcome import Unmet
from .session import Json, Session, where

LEASES, RESOLV = "/var/lib/dhcp/dhclient.leases", "/etc/resolv.conf"  # in the guest's own root


def lease(session: Session, check: Check) -> None:
    """The last lease that dhclient recorded for the NIC, and what it applied."""
    place, expected = check.args["place"], check.args["expected"]
    found = parse(_read(session, place, LEASES), place["device"])
    if found is None:
        raise Unmet("a lease", "the client recorded no lease", f"{where(place)}: {LEASES} in the guest's root")
    server = found.get("dhcp-server-identifier", "")
    if server not in expected["routes"]:
        raise Unmet(f"a lease of {' or '.join(expected['routes'])}", f"it is {server}'s", f"{where(place)}: {LEASES}")
    expected = {**expected, "routes": expected["routes"][server]}
    wrong = [*_told(found, expected), *_applied(session, place, expected)]
    if wrong:
        raise Unmet("as planned", "; ".join(wrong), f"{where(place)}: ip address; {LEASES} in the guest's root")


def _read(session: Session, place: Json, path: str) -> str:
    """A file, as it is in the mount namespace of the guest."""
    node, guest = {**place, "namespace": ""}, place["namespace"].removeprefix("guest-")
    pid = session.output(node, "cat", f"/run/tenantnet/guests/{guest}.pid").strip()
    return session.output(node, "nsenter", f"--target={pid}", "--mount", "--", "cat", path)


def parse(text: str, device: str) -> dict[str, str] | None:
    """The last lease of a NIC in dhclient.leases(5): options by name, "address" for the fixed address."""
    last = None
    for block in re.findall(r"lease \{(.*?)^\}", text, re.S | re.M):
        options = dict(re.findall(r"^\s*option ([\w-]+) (.*);$", block, re.M))
        statements = dict(re.findall(r"^\s*(interface|fixed-address) \"?([^\";]+)\"?;$", block, re.M))
        if statements.get("interface") == device:
            last = {**options, "address": statements.get("fixed-address", "")}
    return last


def _told(found: dict[str, str], expected: Json) -> list[str]:
    """What is wrong with the lease itself."""
    wanted = {
        "address": expected["address"],
        "subnet-mask": str(ipaddress.IPv4Network((0, expected["prefixlen"])).netmask),
        "interface-mtu": str(expected["mtu"]),
        "dhcp-lease-time": str(expected["seconds"]),
        "routers": expected["gateway"],
    }
    if expected["hostname"]:
        wanted["host-name"] = f'"{expected["hostname"]}"'
    if expected["domain"]:
        wanted["domain-name"] = f'"{expected["domain"]}"'
    if expected["dns"]:
        wanted["domain-name-servers"] = ",".join(expected["dns"])
    faults = [f"{k} is {found.get(k)} instead of {v}" for k, v in wanted.items() if found.get(k) != v]
    routes = classless(found.get("rfc3442-classless-static-routes", ""))
    return faults + _route_faults(routes, expected["routes"], "option 121")


def _route_faults(found: list[list[str]], wanted: list[list[str]], where_: str) -> list[str]:
    faults = [f"no route {r[0]} by {r[1]} in {where_}" for r in wanted if r not in found]
    return faults + [f"a route {r[0]} by {r[1]} in {where_}" for r in found if r not in wanted]


def classless(text: str) -> list[list[str]]:
    """Option 121 as dhclient writes it, a list of octets (RFC 3442), as [destination, next hop] pairs."""
    octets, routes = [int(n) for n in text.split(",") if n.strip()], []
    while octets:
        length = octets.pop(0)
        significant = (length + 7) // 8
        network = bytes([*octets[:significant], *[0] * (4 - significant)])
        hop = bytes(octets[significant : significant + 4])
        octets = octets[significant + 4 :]
        routes.append([f"{ipaddress.IPv4Address(network)}/{length}", str(ipaddress.IPv4Address(hop))])
    return routes


def _applied(session: Session, place: Json, expected: Json) -> list[str]:
    """What is wrong with the NIC, the routes and the resolver."""
    link = session.json(place, "ip", "-json", "address", "show", "dev", place["device"])[0]
    # Those of the lease have its lifetime; others may stand beside it, which the guest's owner wrote there.
    leased = [a for a in link["addr_info"] if a["family"] == "inet" and a.get("dynamic")]
    addresses = [f"{a['local']}/{a['prefixlen']}" for a in leased]
    found = {"mac": link["address"], "mtu": link["mtu"], "addresses": addresses}
    wanted = {
        "mac": expected["mac"],
        "mtu": expected["mtu"],
        "addresses": [f"{expected['address']}/{expected['prefixlen']}"],
    }
    faults = [f"the NIC's {k} is {found[k]} instead of {v}" for k, v in wanted.items() if found[k] != v]
    listed = session.json(place, "ip", "-json", "route", "show", "dev", place["device"])
    routes = [[_prefix(r["dst"]), r.get("gateway", "0.0.0.0")] for r in listed]
    default = [["0.0.0.0/0", expected["gateway"]]] if expected["gateway"] else []
    subnet = ipaddress.IPv4Interface(wanted["addresses"][0]).network
    faults += _route_faults(routes, [[str(subnet), "0.0.0.0"], *(expected["routes"] or default)], "the guest")
    return [*faults, *_resolver(_read(session, place, RESOLV), expected)]


def _resolver(text: str, expected: Json) -> list[str]:
    """What is wrong with the guest's resolv.conf(5)."""
    servers = re.findall(r"^nameserver (\S+)", text, re.M)
    domains = " ".join(re.findall(r"^(?:search|domain) (.+)", text, re.M)).split()
    faults = [f"{RESOLV} has no nameserver {server}" for server in expected["dns"] if server not in servers]
    if expected["domain"] and expected["domain"] not in (domain.removesuffix(".") for domain in domains):
        faults.append(f"{RESOLV} searches {domains or 'nothing'} instead of {expected['domain']}")
    return faults


def _prefix(destination: str) -> str:
    return "0.0.0.0/0" if destination == "default" else str(ipaddress.IPv4Network(destination))
