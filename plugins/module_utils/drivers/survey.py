# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The devices of a node, asked for with one dump a namespace, and in the words that links and routes share."""

from __future__ import annotations

import dataclasses
import typing

from ..netns import Netns
from .namespaces import marked_slice

_PERMANENT = 0x80  # IFA_F_PERMANENT: an address without it has a lifetime, and belongs to a DHCP client
_IPV4 = 2  # AF_INET

#: A message of rtnetlink: `message["index"]` is its header's, `message.get("ifname")` an attribute.
Message = typing.Any


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """One namespace and what is in it."""

    namespace: str
    slice: str | None  # of the namespace, when it is ours
    links: dict[str, Message]  # by name
    addresses: dict[int, list[str]]  # permanent IPv4 addresses with their prefix length, by index of the device

    def name_of(self, index: int | None) -> str:
        """Name of the device with an index; "" when there is none."""
        return next((name for name, link in self.links.items() if link["index"] == index), "")


def survey(netns: Netns, deployment: str, mentioned: typing.Collection[str] = ()) -> dict[str, Place]:
    """The node's own namespace, those that are ours, and those that are mentioned, as far as they exist."""
    places = (_look(netns, deployment, namespace) for namespace in ("", *netns.names()))
    return {p.namespace: p for p in places if not p.namespace or p.slice is not None or p.namespace in mentioned}


def _look(netns: Netns, deployment: str, namespace: str) -> Place:
    ipr = netns.ipr(namespace)
    links = {link.get("ifname"): link for link in ipr.get_links()}
    addresses: dict[int, list[str]] = {}
    for message in ipr.get_addr(family=_IPV4):
        if message.get("flags") & _PERMANENT:
            addresses.setdefault(message["index"], []).append(f"{message.get('local')}/{message['prefixlen']}")
    return Place(namespace, marked_slice(links["lo"].get("ifalias"), deployment), links, addresses)


class Peers:
    """Finds the other end of a veth. The kernel names the end's namespace by a number that only the near one knows."""

    def __init__(self, netns: Netns, places: typing.Mapping[str, Place]) -> None:
        self._netns = netns
        self._places = places
        self._known: dict[tuple[str, int], Place] = {}
        self._asked: dict[str, typing.Iterator[Place]] = {}

    def find(self, namespace: str, link: Message) -> tuple[tuple[str, str], Message] | tuple[None, None]:
        """Namespace and name of the other end, and the end itself; None when no surveyed namespace has it."""
        number = link.get("link_netnsid")
        place = self._places[namespace] if number is None else self._place(namespace, number)
        name = place.name_of(link.get("link")) if place else ""
        return ((place.namespace, name), place.links[name]) if place and name else (None, None)

    def _place(self, here: str, number: int) -> Place | None:
        """Ask for the numbers of one namespace after the other, home first, until the wanted one comes up."""
        rest = self._asked.setdefault(here, iter(self._places.values()))
        while (here, number) not in self._known:
            place = next(rest, None)
            if place is None:
                return None
            answer = self._netns.ipr(here).get_netnsid(fd=self._netns.fd(place.namespace))
            self._known[here, answer["nsid"]] = place
        return self._known[here, number]
