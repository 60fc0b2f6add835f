# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Ports of Open vSwitch bridges, each with its one interface, or a bond with several.

A new access or patch port is born dead, as in Neutron: it is on VLAN 4095 or has a peer that does not exist, until the
flows that guard it are there and `enliven` gives it its real tag or peer. A NIC that an administrator already put into
an adopted bridge counts as satisfied and stays unmarked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import typing

from .. import arp
from ..changes import Change
from ..errors import TenantnetError
from ..netns import ignoring
from ..ovsdb import Command, Ovsdb, Row, Writer
from ..state import Key, Port, Resource, maker, owner_name
from . import Context
from .bridges import SLICE, adoption, are_rivals, mark, owner_of
from .link_settings import UP
from .zones import forget

DEAD_VLAN = 4095
DEAD_PEER = "nonexistent-peer"
NO_DEVICE = "No such device"  # what ovs-vswitchd says of a port whose device is not there

_GLOBAL = 0  # RT_SCOPE_UNIVERSE: addresses that others reach


class PortDriver:
    """Ports with their interfaces."""

    kind: type[Resource] = Port

    def __init__(self, context: Context) -> None:
        self._ovsdb = context.ovsdb
        self._netns = context.netns
        self._deployment = context.deployment

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """A wanted port that does not work reads as absent, and so is made anew."""
        live: dict[Key, Resource] = {}
        raised = self._raised(desired)
        for bridge, row, interfaces in self._rows():
            wanted = desired.get((bridge["name"], row["name"]))
            works = wanted is None or all(self._works(interface, wanted) for interface in interfaces)
            if owner_of(row) == self._deployment and works:
                port = dataclasses.replace(_port(bridge["name"], row, interfaces), up=row["name"] in raised)
                live[port.key] = port
            elif wanted is not None and _is_adopted(bridge, row, interfaces, wanted):
                live[wanted.key] = wanted
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """Ports of others under a wanted name, in whichever bridge, and NICs that the node itself is reached by."""
        ports = [port for port in desired.values() if isinstance(port, Port)]
        wanted = {name: port for port in ports for name in (port.name, *port.members)}
        sentences = self._addressed(wanted)
        for bridge, row, interfaces in self._rows():
            names = (row["name"], *(interface["name"] for interface in interfaces))
            port, owner = next((wanted[name] for name in names if name in wanted), None), owner_of(row)
            if are_rivals(owner, self._deployment):
                if owner != owner_of(bridge):  # a bridge of another deployment is told as such
                    sentences.append(f"port {row['name']} of bridge {bridge['name']} belongs to deployment {owner}")
            elif port and owner != self._deployment and not _is_adopted(bridge, row, interfaces, port):
                taken = " or a member of it" if port.members else ""
                sentences.append(
                    f"port {port.name} is wanted in bridge {port.bridge}; "
                    f"it{taken} exists in bridge {bridge['name']} and was not made by {maker(self._deployment)}"
                )
        return sentences

    def apply(self, changes: typing.Sequence[Change]) -> None:
        """Remove ports, and make new ones dead. Whatever else changes about a living port is left to `enliven`."""
        made = [typing.cast(Port, change.after) for change in changes if _is_birth(change)]
        # A transaction of its own: ovs-vswitchd takes a port that goes and comes in one transaction for the same port.
        release(self._ovsdb, {name for change in changes for name in _freed(change)})
        if made:
            numbers = [port.ofport_request for port in made if port.awaited and port.ofport_request]
            forget(["ovs-appctl", "dpctl/dump-conntrack"], ["ovs-appctl", "dpctl/flush-conntrack"], "zone=", numbers)
            self._ovsdb.transact([self._creation(port) for port in made])
            self._settle(made, lambda row, port: _is_numbered(row) or _awaits(row, port))

    def enliven(self, changes: typing.Sequence[Change]) -> None:
        """Give ports their real tag, peer and other columns; raises TenantnetError when one then does not work."""
        ports = [typing.cast(Port, change.after) for change in changes if change.after is not None]
        if ports:
            self._ovsdb.transact([self._update(port) for port in ports])
            for port in (port for port in ports if port.up):
                with ignoring(errno.ENODEV):  # Open vSwitch says the same below, and of which port
                    self._netns.ipr().link("set", ifname=port.name, state="up")
            self._settle(ports, self._works)

    def greet(self, changes: typing.Sequence[Change]) -> None:
        """Have both ends of tunnels know each other: Open vSwitch's userspace datapath drops the first packet else."""
        netdev = {row["name"] for row in self._ovsdb.rows("Bridge").values() if row["datapath_type"] == "netdev"}
        far: dict[str, list[str]] = {}  # address of this node -> those of others
        for port in (change.after for change in changes):
            if isinstance(port, Port) and port.bridge in netdev and {"local_ip", "remote_ip"} <= port.options.keys():
                far.setdefault(port.options["local_ip"], []).append(port.options["remote_ip"])
        ipr = self._netns.ipr()
        for address, neighbours in far.items():
            for message in ipr.get_addr(address=address):
                (link,) = ipr.get_links(message["index"])
                with contextlib.suppress(OSError):  # of a NIC that is down or knows no ARP, nobody is to be known yet
                    arp.ask(link.get("ifname"), address, neighbours)
                    arp.announce(link.get("ifname"), [address])

    def _raised(self, desired: typing.Mapping[Key, Resource]) -> set[str]:
        """Those NICs that are up, of all that should be."""
        asked = {port.name for port in desired.values() if isinstance(port, Port) and port.up}
        links = self._netns.ipr().get_links() if asked else ()
        return asked & {link.get("ifname") for link in links if link["flags"] & UP}

    def _addressed(self, wanted: typing.Mapping[str, Port]) -> list[str]:
        """A NIC in a bridge takes nothing to the node's own IP stack any more: its addresses would be lost."""
        ipr = self._netns.ipr()
        names = {link["index"]: link.get("ifname") for link in ipr.get_links()}
        present = {row["name"] for row in self._ovsdb.rows("Interface").values()}
        return [
            f"{name} carries this node's address {message.get('address')}, which would be cut off in bridge "
            f"{wanted[name].bridge}; use another NIC, or move the address to the bridge and "
            f"{adoption(self._deployment)}"
            for message in ipr.get_addr(scope=_GLOBAL)
            if (name := names.get(message["index"], "")) in wanted and not wanted[name].type and name not in present
        ]

    def _rows(self) -> typing.Iterator[tuple[Row, Row, list[Row]]]:
        """Every (bridge, port, its interfaces)."""
        ports, interfaces = self._ovsdb.rows("Port"), self._ovsdb.rows("Interface")
        for bridge in self._ovsdb.rows("Bridge").values():
            for row in (ports[key] for key in bridge["ports"]):
                yield bridge, row, [interfaces[key] for key in row["interfaces"]]

    def _works(self, interface: Row, port: Resource) -> bool:
        """Numbered and without an error. A deployment has both ends of a patch; an owner may make the other one later.

        What ovs-vswitchd said of the dead peer may still stand when the real one came.
        """
        stale = DEAD_PEER in "".join(interface["error"]) and interface["options"].get("peer") != DEAD_PEER
        waits = interface["type"] == "patch" and bool(owner_name(self._deployment))
        return _awaits(interface, port) or (_is_numbered(interface) and (not interface["error"] or stale or waits))

    def _creation(self, port: Port) -> Command:
        columns = _port_columns(port, self._deployment)
        if port.tag is not None or port.trunks or port.vlan_mode:
            columns.update(tag=[DEAD_VLAN], vlan_mode=["trunk"], trunks=[DEAD_VLAN])
        options = {**port.options, "peer": DEAD_PEER} if port.type == "patch" else port.options
        return lambda writer: _insert_port(writer, port, columns, {**_interface_columns(port), "options": options})

    def _update(self, port: Port) -> Command:
        def command(writer: Writer) -> None:
            if (row := writer.find("Port", port.name)) is None:
                raise TenantnetError(f"port {port.name} is gone from bridge {port.bridge}")
            members = [_interface(writer, name, _interface_columns(port)) for name in port.devices]
            writer.write(row, {**_port_columns(port, self._deployment), "interfaces": members})

        return command

    def _settle(self, ports: typing.Sequence[Port], good: typing.Callable[[Row, Port], bool]) -> None:
        """Wait until each port is good or hopeless; raises TenantnetError with what Open vSwitch says of bad ones."""

        def rows() -> list[tuple[Row, Port]]:
            found = {row["name"]: row for row in self._ovsdb.rows("Interface").values()}
            return [(found[name], port) for port in ports for name in port.devices]

        with contextlib.suppress(TenantnetError):  # what is wrong at the deadline is told below
            self._ovsdb.wait(lambda: all(good(row, port) or row["ofport"] == [-1] for row, port in rows()), "ports")
        bad = [f"port {p.name}: {_complaint(row, p)}" for row, p in rows() if not good(row, p)]
        if bad:
            raise TenantnetError("; ".join(bad))


def _port(bridge: str, row: Row, interfaces: typing.Sequence[Row]) -> Port:
    """Canonical form; of a dead port its VLAN says it all. Of a bond's interfaces, all of what any of them has."""
    dead = row["trunks"] == [DEAD_VLAN]
    names = sorted(interface["name"] for interface in interfaces)
    tag = [DEAD_VLAN] if dead else row["tag"]
    return Port(
        slice=row["external_ids"].get(SLICE, ""),
        bridge=bridge,
        name=row["name"],
        type=max(map(_type, interfaces)),
        tag=tag[0] if tag else None,
        trunks=() if dead else tuple(sorted(row["trunks"])),
        vlan_mode="" if dead else next(iter(row["vlan_mode"]), ""),
        members=() if names == [row["name"]] else tuple(names),
        bond_mode=next(iter(row["bond_mode"]), ""),
        lacp=next(iter(row["lacp"]), ""),
        bond_updelay=row["bond_updelay"],
        bond_downdelay=row["bond_downdelay"],
        ofport_request=next((number for interface in interfaces for number in interface["ofport_request"]), None),
        options=_together(interfaces, "options"),
        other_config=row["other_config"],
        external_ids=_together(interfaces, "external_ids"),
    )


def _together(interfaces: typing.Iterable[Row], column: str) -> dict[str, str]:
    return {key: value for interface in interfaces for key, value in interface[column].items()}


def _type(interface: Row) -> typing.Any:
    return "" if interface["type"] == "system" else interface["type"]


def _is_numbered(interface: Row) -> bool:
    return bool(interface["ofport"]) and interface["ofport"][0] > 0


def _awaits(interface: Row, wanted: Resource) -> bool:
    """Whether all that a port lacks is a device that is allowed to come later."""
    return isinstance(wanted, Port) and wanted.awaited and NO_DEVICE in "".join(interface["error"])


def _is_adopted(bridge: Row, row: Row, interfaces: typing.Sequence[Row], wanted: Resource) -> bool:
    """Whether an administrator already put a NIC that is wanted there into an adopted bridge."""
    unmarked = not owner_of(bridge) and not owner_of(row)
    bare = not (row["tag"] or row["trunks"] or row["vlan_mode"] or any(map(_type, interfaces)))
    plain = isinstance(wanted, Port) and not wanted.type and wanted.tag is None and not wanted.members
    there = isinstance(wanted, Port) and (wanted.bridge, wanted.name) == (bridge["name"], row["name"])
    return unmarked and bare and plain and there


def _is_birth(change: Change) -> bool:
    """A port changes its type, or all of its devices, only by being made anew."""
    before, after = typing.cast("Port | None", change.before), typing.cast("Port | None", change.after)
    if before is None or after is None:
        return after is not None
    return before.type != after.type or not set(before.devices) & set(after.devices)


def _freed(change: Change) -> set[str]:
    """Ports and devices that are in no bridge before a change is made."""
    before, after = typing.cast("Port | None", change.before), typing.cast("Port | None", change.after)
    if before is not None and after is not None and not _is_birth(change):
        return {*before.devices} ^ {*after.devices}
    port = after or before
    return {port.name, *port.devices} if port else set()


def _complaint(interface: Row, port: Port) -> str:
    """What Open vSwitch says of an interface."""
    member = f"member {interface['name']}: " if port.members else ""
    return member + str((interface["error"] or ["no answer"])[0])


def _port_columns(port: Port, deployment: str) -> Row:
    return {
        "tag": [] if port.tag is None else [port.tag],
        "vlan_mode": [port.vlan_mode] if port.vlan_mode else [],
        "trunks": list(port.trunks),
        "bond_mode": [port.bond_mode] if port.bond_mode else [],
        "lacp": [port.lacp] if port.lacp else [],
        "bond_updelay": port.bond_updelay,
        "bond_downdelay": port.bond_downdelay,
        "other_config": port.other_config,
        "external_ids": mark(deployment, port.slice),
    }


def _interface_columns(port: Port) -> Row:
    return {
        "type": port.type,
        "options": port.options,
        "external_ids": port.external_ids,
        "ofport_request": [] if port.ofport_request is None else [port.ofport_request],
    }


def _insert_port(writer: Writer, port: Port, columns: Row, interface_columns: Row) -> None:
    members = [_interface(writer, name, interface_columns) for name in port.devices]
    row = writer.insert("Port", {"name": port.name, "interfaces": members, **columns})
    bridge = writer.find("Bridge", port.bridge)
    if bridge is None:
        raise TenantnetError(f"port {port.name}: bridge {port.bridge} does not exist")
    bridge.addvalue("ports", row)


def _interface(writer: Writer, name: str, columns: Row) -> typing.Any:
    """The interface of a device, which may be there already."""
    row = writer.find("Interface", name)
    return writer.write(row, columns) if row else writer.insert("Interface", {"name": name, **columns})


def release(ovsdb: Ovsdb, names: typing.Collection[str]) -> None:
    """Take ports and devices out of whatever bridge or bond they are in, so that another one can have them."""
    rows = [*ovsdb.rows("Port").values(), *ovsdb.rows("Interface").values()]
    if present := {row["name"] for row in rows} & set(names):
        ovsdb.transact([_removal(present)])


def _removal(names: typing.Collection[str]) -> Command:
    def command(writer: Writer) -> None:
        for bridge in writer.all("Bridge"):
            for row in bridge.ports:  # once for all names: reading this column of a large bridge is slow
                members = row.interfaces
                left = [member for member in members if member.name in names]
                if row.name in names or len(left) == len(members):
                    bridge.delvalue("ports", row)
                elif left:
                    row.interfaces = [member for member in members if member not in left]

    return command
