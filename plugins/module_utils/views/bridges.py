# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch bridges, each with its ports."""

from __future__ import annotations

import re
import typing

from ..errors import TenantnetError
from ..resources import Item, View
from ..state import Bridge, Port, Resource
from . import words

#: A bridge that nothing is said of is what `ovs-vsctl add-br` makes; one of a deployment is another.
DEFAULTS: typing.Final = {"datapath_type": "system", "fail_mode": "standalone", "protocols": ()}

_MAPS = ("other_config", "external_ids", "options")
#: Options of one interface, which a bond has several of.
_OF_ONE = ("type", "ofport_request", "options", "external_ids")
_HOST = r"([^\s:\[\]]+|\[[\da-fA-F:.]+\])"
#: Where a controller is, or connects to, as in ovs-vsctl(8).
_CONTROLLER = re.compile(rf"(tcp|ssl):{_HOST}(:\d{{1,5}})?|p(tcp|ssl):\d{{0,5}}(:{_HOST})?|p?unix:/\S+")
#: Options of the interface without which a port of a type does nothing.
_NEEDED = {"patch": "peer", "vxlan": "remote_ip", "gre": "remote_ip", "geneve": "remote_ip"}


def normal(item: Item, owner: str) -> Item:
    """Maps hold texts, lists are sorted."""
    name = words.device(item["name"], "bridge")
    if item.get("adopt") and (others := sorted(item.keys() - {"name", "adopt", "ports"})):
        raise TenantnetError(f"bridge {name}: adopt leaves a bridge as it is, so {', '.join(others)} cannot be given")
    found = {**item, **_texts(item)}
    if "protocols" in item:
        found["protocols"] = sorted(item["protocols"])
    if "ports" in item:
        found["ports"] = [_port(port, name) for port in item["ports"]]
        taken = [device for port in item["ports"] for device in (port["name"], *port.get("members", ()))]
        words.unique([name, *taken], f"bridge {name} has port")
    if "controllers" in item:
        found["controllers"] = [_controller(target, name) for target in item["controllers"]]
    return found


def _controller(target: str, bridge: str) -> str:
    if not _CONTROLLER.fullmatch(target):
        raise TenantnetError(f"bridge {bridge}: {target!r} is not a controller like tcp:192.0.2.1:6653")
    return target


def _port(port: Item, bridge: str) -> Item:
    what = f"port {words.device(port['name'], 'port')} of bridge {bridge}"
    found = {**port, **_texts(port)}
    if "tag" in port:
        words.number(port["tag"], 0, 4094, f"{what}, tag")
    if "ofport_request" in port:
        words.number(port["ofport_request"], 1, 65279, f"{what}, ofport_request")
    for option in ("bond_updelay", "bond_downdelay"):
        if option in port:
            words.number(port[option], 0, 2**31 - 1, f"{what}, {option}")
    if "members" in port:
        found["members"] = [words.device(member, f"{what}, member") for member in port["members"]]
        if wrong := [option for option in _OF_ONE if port.get(option)]:
            raise TenantnetError(f"{what} is a bond: {', '.join(wrong)} belong to a single interface")
    if "trunks" in port:
        found["trunks"] = sorted({words.number(vlan, 0, 4094, f"{what}, trunks") for vlan in port["trunks"]})
    return found


def _texts(item: Item) -> Item:
    return {option: words.strings(item[option]) for option in _MAPS if option in item}


def build(item: Item) -> list[Resource]:
    """The bridge, then its ports."""
    bridge = Bridge(slice=VIEW.name, **{**DEFAULTS, **words.fields(_sorted(item), "ports")})
    ports = [Port(slice=VIEW.name, bridge=bridge.name, **words.fields(_sorted(port))) for port in item.get("ports", ())]
    for port in ports:
        if (needed := _NEEDED.get(port.type, "")) and needed not in port.options:
            raise TenantnetError(f"port {port.name} of bridge {bridge.name}: type {port.type} needs options {needed}")
    return [bridge, *ports]


def _sorted(item: Item) -> Item:
    """The same with those lists in their order that may have grown."""
    return {**item, **{option: sorted({*item[option]}) for option in ("controllers", "members") if option in item}}


def show(resources: typing.Sequence[Resource]) -> list[Item]:
    """A bridge of others that has ports of ours is an adopted one."""
    found = {r.name: words.shown(r, defaults=DEFAULTS) for r in resources if isinstance(r, Bridge)}
    for port in (r for r in resources if isinstance(r, Port)):
        bridge = found.setdefault(port.bridge, {"name": port.bridge, "adopt": True})
        bridge.setdefault("ports", []).append(words.shown(port, leave_out=["bridge"]))
    return [found[name] for name in sorted(found)]


def make_way(live: list[Item], given: list[Item]) -> list[Item]:
    """A port is in one bridge, and a device in one port: where config has them in another one, they move."""
    homes = {port["name"]: item["name"] for item in given for port in item.get("ports", ())}
    taken = {device: port["name"] for item in given for port in item.get("ports", ()) for device in _devices(port)}

    def stay(item: Item) -> list[Item]:
        found = []
        for port in item["ports"]:
            left = [device for device in _devices(port) if taken.get(device, port["name"]) == port["name"]]
            if left and homes.get(port["name"], item["name"]) == item["name"]:
                found.append({**port, "members": left} if "members" in port else port)
        return found

    return [{**item, "ports": stay(item)} if "ports" in item else item for item in live]


def _devices(port: Item) -> list[str]:
    return port.get("members") or [port["name"]]


VIEW: typing.Final = View(
    name="bridges",
    kinds=(Bridge, Port),
    key=("name",),
    inner={"ports": "name"},
    values=("protocols", "trunks"),
    normal=normal,
    build=build,
    show=show,
    make_way=make_way,
)
