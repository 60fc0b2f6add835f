# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Network devices: veth pairs, Linux bridges, and Open vSwitch internal ports that move into a namespace.

A device of ours is in the link group of its deployment and slice from birth. The two ends of a veth are links of their
own, each naming the other, and are born in their namespaces. An end that no link describes belongs to a guest, which
may change its MAC; the one it was born with stays behind as its alias.

What is not compared, because others may rightly change it: addresses with a lifetime (a DHCP client's) and a
promiscuous mode that was not asked for (Open vSwitch's).
"""

from __future__ import annotations

import dataclasses
import errno
import typing

from .. import arp, ethtool, sysctl
from ..changes import Change
from ..errors import TenantnetError
from ..netns import ignoring
from ..state import Key, Link, Resource, link_group, maker, slices_of
from ..wait import until
from . import Context
from .link_settings import PROMISCUOUS, UP, adjust, blank, remove_addresses, told, where
from .survey import Message, Peers, Place, addresses, look, survey

_T = typing.TypeVar("_T")

_KINDS: dict[str, typing.Literal["veth", "bridge", "internal"]] = {
    "veth": "veth",
    "bridge": "bridge",
    "openvswitch": "internal",
    "tun": "internal",  # of the userspace datapath
}

#: The hint for a link that is not desired: look at whatever it may need to come back.
_ALL: typing.Final = Link(
    slice="",
    namespace="",
    name="",
    kind="bridge",
    mac="",
    promiscuous=True,
    bridge=dict.fromkeys(("ageing_time", "mcast_snooping", "nf_call_ip6tables", "nf_call_iptables", "stp_state"), 0),
    sysctls=dict.fromkeys(("ipv4.arp_announce", "ipv4.arp_ignore", "ipv6.disable_ipv6"), ""),
)


class LinkDriver:
    """Links of all slices, in the node's namespace, in ours, and in those that desired links mention."""

    kind: type[Resource] = Link

    def __init__(self, context: Context) -> None:
        self._netns = context.netns
        self._deployment = context.deployment
        self._slices = {link_group(context.deployment, slice_): slice_ for slice_ in slices_of(context.deployment)}

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """Sysctls, bridge options and a MAC that the kernel chose are those that the desired link mentions."""
        live: dict[Key, Resource] = {}
        places = survey(self._netns, self._deployment, {link.namespace for link in _links(desired.values())})
        peers = Peers(self._netns, places)
        for place in places.values():
            ours = [message for message in place.links.values() if self._is_ours(message)]
            numbers = addresses(self._netns, place.namespace) if ours else {}
            with self._netns.enter(place.namespace):
                for message in ours:
                    hint = desired.get((place.namespace, message.get("ifname")), _ALL)
                    with ignoring(errno.ENODEV):  # it has just gone with its namespace
                        link = self._link(place, message, peers, typing.cast(Link, hint))
                        own = tuple(sorted(numbers.get(message["index"], ())))
                        live[link.key] = dataclasses.replace(link, addresses=own)
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """Links of others with a name of ours; an internal port stays unmarked until we fetch it."""
        links = _links(desired.values())
        places = self._places(links)
        sentences = []
        for link in links:
            message = places[link.namespace].links.get(link.name) if link.namespace in places else None
            awaited = link.kind == "internal" and not link.namespace
            if message is not None and not awaited and not self._is_ours(message):
                who = maker(self._deployment)
                sentences.append(
                    f"link {where(link)} exists and was not made by {who}: its group is {message.get('group')}"
                )
        return sentences

    def apply(self, changes: typing.Sequence[Change]) -> None:
        """Remove what goes or must be born again, bear what is new, then give each link its settings."""
        births = {c.key: typing.cast(Link, c.after) for c in changes if c.after is not None and _is_birth(c)}
        for change in changes:
            if change.before is not None and (change.after is None or change.key in births):
                self._remove(typing.cast(Link, change.before))
        born: set[Key] = set()
        for link in births.values():
            if link.key not in born:
                with told(link):
                    born |= self._bear(link, births)
        places = self._places(_links(change.after for change in changes))
        self._release(changes, places)
        for change in changes:
            if change.after is not None:
                after = typing.cast(Link, change.after)
                before = blank(after) if after.key in births else typing.cast(Link, change.before)
                with told(after):
                    adjust(self._netns, places.get(after.namespace), before, after, self._group(after))

    def _release(self, changes: typing.Sequence[Change], places: typing.Mapping[str, Place]) -> None:
        """What goes from one link to another leaves the one before the other has it."""
        taken = {address for change in changes for address in _gained(change)}
        for change in changes:
            link = typing.cast(Link, change.subject)
            place = places.get(link.namespace)
            going = [address for address in _gained(Change(change.after, change.before)) if address in taken]
            if change.after is not None and going and place is not None and link.name in place.links:
                remove_addresses(self._netns.ipr(link.namespace), place.links[link.name]["index"], going)

    def announce(self, changes: typing.Sequence[Change]) -> None:
        """Tell neighbours which addresses are here now; to be heard, the device must be connected."""
        for change in changes:
            link = typing.cast("Link | None", change.after)
            if link and link.up and (addresses := link.addresses if _moved(change) else _gained(change)):
                with told(link), self._netns.enter(link.namespace):
                    arp.announce(link.name, [address.partition("/")[0] for address in addresses])

    def _places(self, links: typing.Iterable[Link]) -> dict[str, Place]:
        """The namespaces of these links, as far as they exist."""
        namespaces = {link.namespace for link in links}
        return {name: look(self._netns, self._deployment, name) for name in namespaces if self._netns.exists(name)}

    def _group(self, link: Link) -> int:
        return link_group(self._deployment, link.slice)

    def _is_ours(self, message: Message) -> bool:
        return message.get("group") in self._slices and _kind(message) in _KINDS

    def _link(self, place: Place, message: Message, peers: Peers, hint: Link) -> Link:
        """Canonical form of a device of ours; the calling thread is in its namespace."""
        name, kind = message.get("ifname"), _KINDS[_kind(message)]
        peer, far = peers.find(place.namespace, message) if kind == "veth" else (None, None)
        master = place.links.get(place.names.get(message.get("master"), ""))
        return Link(
            slice=self._slices[message.get("group")],
            namespace=place.namespace,
            name=name,
            kind=kind,
            peer=peer,
            peer_mac=far.get("ifalias") if far is not None and not self._is_ours(far) else None,
            alias=message.get("ifalias") or "",
            mac=None if hint.mac is None else message.get("address"),
            mtu=message.get("mtu"),
            master=master.get("ifname") if master is not None and _kind(master) == "bridge" else "",
            up=bool(message["flags"] & UP),
            promiscuous=hint.promiscuous and bool(message["flags"] & PROMISCUOUS),
            tx_checksum=ethtool.tx_checksum(name) if kind == "veth" or not hint.tx_checksum else True,
            bridge=_known({key: message.get(("linkinfo", "data", f"br_{key}")) for key in hint.bridge}),
            sysctls=_known({key: sysctl.read(sysctl.conf(name, key)) for key in hint.sysctls}),
        )

    def _bear(self, link: Link, births: typing.Mapping[Key, Link]) -> set[Key]:
        """Make a link, and of a veth its other end as well; returns the keys of what there is now."""
        if link.kind == "internal":
            self._fetch(link)
            return {link.key}
        if link.kind == "bridge":
            self._add(link, ifname=link.name, kind="bridge", group=self._group(link))
            return {link.key}
        if link.peer is None:
            raise TenantnetError("a veth needs a peer")
        namespace, name = link.peer
        far = self._end(births[link.peer]) if link.peer in births else _guest_end(link, name)
        self._add(link, kind="veth", **self._end(link), peer={**far, "net_ns_fd": self._netns.fd(namespace)})
        if link.peer_mac:
            self._netns.ipr(namespace).link("set", ifname=name, ifalias=link.peer_mac)
        return {link.key, link.peer}

    def _end(self, link: Link) -> dict[str, typing.Any]:
        """What an end of a veth is born with."""
        mac = {"address": link.mac} if link.mac else {}
        return {"ifname": link.name, "group": self._group(link), "mtu": link.mtu, **mac}

    def _add(self, link: Link, **attributes: typing.Any) -> None:
        """Make it; the name may still be that of a veth whose other end's namespace the kernel is just destroying."""

        def attempt() -> bool:
            with ignoring(errno.EEXIST):
                self._netns.ipr(link.namespace).link("add", **attributes)
                return True
            return False

        until(attempt, "its name, or its peer's, to become free")

    def _fetch(self, link: Link) -> None:
        """Mark an internal port and move it from the node's own namespace, where Open vSwitch makes it."""
        home = self._netns.ipr()
        index = until(lambda: home.link_lookup(ifname=link.name), "Open vSwitch to make this internal port")[0]
        home.link("set", index=index, group=self._group(link), net_ns_fd=self._netns.fd(link.namespace))

    def _remove(self, link: Link) -> None:
        """Delete a link that may be gone already: with its namespace, its other end, or its Open vSwitch port."""
        if not self._netns.exists(link.namespace):
            return
        ipr = self._netns.ipr(link.namespace)
        with told(link), ignoring(errno.ENODEV):
            if link.kind == "internal":  # only Open vSwitch can delete it
                ipr.link("set", ifname=link.name, state="down", group=0, net_ns_fd=self._netns.fd(""))
            else:
                ipr.link("del", ifname=link.name)


def _links(resources: typing.Iterable[Resource | None]) -> list[Link]:
    return [resource for resource in resources if isinstance(resource, Link)]


def _known(values: dict[str, _T | None]) -> dict[str, _T]:
    return {key: value for key, value in values.items() if value is not None}


def _kind(message: Message) -> str:
    return message.get(("linkinfo", "kind")) or ""


def _is_birth(change: Change) -> bool:
    """Whether it cannot become what it should be without being made anew."""
    before, after = typing.cast("Link | None", change.before), typing.cast(Link, change.after)
    if before is None:
        return True
    return (before.kind, before.peer, before.peer_mac) != (after.kind, after.peer, after.peer_mac)


def _gained(change: Change) -> list[str]:
    before, after = (link.addresses if isinstance(link, Link) else () for link in (change.before, change.after))
    return [address for address in after if address not in before]


def _moved(change: Change) -> bool:
    """Whether all addresses of a link are new to its neighbours, because they are behind another MAC or were mute."""
    before, after = typing.cast("Link | None", change.before), typing.cast(Link, change.after)
    return before is None or (before.mac, before.up) != (after.mac, after.up) or _is_birth(change)


def _guest_end(link: Link, name: str) -> dict[str, typing.Any]:
    mac = {"address": link.peer_mac} if link.peer_mac else {}
    return {"ifname": name, "mtu": link.mtu, **mac}
