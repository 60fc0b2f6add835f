# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Network devices, each with its addresses and the routes through it."""

from __future__ import annotations

import typing

from ..errors import TenantnetError
from ..resources import Item, View
from ..state import Link, Resource, Route
from . import words


def normal(item: Item, owner: str) -> Item:
    """Addresses and prefixes as the kernel prints them."""
    what = f"link {words.device(item['name'], 'link')}"
    found: Item = {"namespace": "", **item}
    if found["namespace"]:
        words.label(found["namespace"], "namespace")
    if "peer" in item:
        peer = item["peer"]
        found["peer"] = {"namespace": peer.get("namespace", ""), "name": words.device(peer["name"], f"{what}, peer")}
    if "mac" in item:
        found["mac"] = words.mac(item["mac"], f"{what}, mac")
    if "mtu" in item:
        words.number(item["mtu"], 68, 65535, f"{what}, mtu")
    if "addresses" in item:
        found["addresses"] = sorted({words.interface(text, f"{what}, addresses") for text in item["addresses"]})
    if "bridge" in item:
        numbers = {option: int(value) if isinstance(value, bool) else value for option, value in item["bridge"].items()}
        found["bridge"] = {o: words.number(v, 0, 2**32 - 1, f"{what}, bridge {o}") for o, v in numbers.items()}
    if "sysctls" in item:
        found["sysctls"] = words.strings(item["sysctls"])
    if "routes" in item:
        found["routes"] = [_route(route, f"{what}, routes") for route in item["routes"]]
        words.unique([route["destination"] for route in found["routes"]], f"{what} has route")
    return found


def _route(route: Item, what: str) -> Item:
    via = {"via": words.host(route["via"], what)} if "via" in route else {}
    return {"destination": words.network(route["destination"], what), **via}


def build(item: Item) -> list[Resource]:
    """The link, then its routes."""
    if "kind" not in item:
        raise TenantnetError(f"link {item['name']} is a new one and needs a kind: veth, bridge, internal or tap")
    if (item["kind"] == "veth") != ("peer" in item):
        raise TenantnetError(f"link {item['name']}: a veth needs a peer, and no other kind has one")
    if (item["kind"] == "tap") != ("owner" in item):
        raise TenantnetError(f"link {item['name']}: a tap needs an owner, and no other kind has one")
    fields = {"namespace": "", **words.fields(item, "peer", "routes")}
    fields["addresses"] = tuple(sorted(fields.get("addresses", ())))  # collections of two sources may meet
    peer = (item["peer"].get("namespace", ""), item["peer"]["name"]) if "peer" in item else None
    link = Link(slice=VIEW.name, peer=peer, **fields)
    routes = item.get("routes", ())
    return [link, *(Route(slice=VIEW.name, namespace=link.namespace, device=link.name, **route) for route in routes)]


def hint(item: Item) -> list[Resource]:
    """A link is known by its name alone."""
    return build({"kind": "veth" if "peer" in item else "bridge", **item})


def show(resources: typing.Sequence[Resource]) -> list[Item]:
    """Links, each with the routes through it."""
    found = {link.key: _shown(link) for link in resources if isinstance(link, Link)}
    for route in (r for r in resources if isinstance(r, Route)):
        if link := found.get((route.namespace, route.device)):
            link.setdefault("routes", []).append(words.shown(route, leave_out=["namespace", "device"]))
    return [found[key] for key in sorted(found)]


def _shown(link: Link) -> Item:
    item = words.shown(link, leave_out=["peer", "peer_mac"], defaults={"namespace": ""})
    if link.peer:
        namespace, name = link.peer
        item["peer"] = {"namespace": namespace, "name": name} if namespace else {"name": name}
    return item


VIEW: typing.Final = View(
    name="links",
    kinds=(Link, Route),
    key=("namespace", "name"),
    inner={"routes": "destination"},
    values=("peer",),
    normal=normal,
    build=build,
    hint=hint,
    show=show,
)
