# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The devices of a node, asked for with one dump a namespace, and in the words that links and routes share."""

from __future__ import annotations

import dataclasses
import typing

from ..netns import Netns
from ..state import owner_name
from .namespaces import marked_slice

_PERMANENT = 0x80  # IFA_F_PERMANENT: an address without it has a lifetime, and belongs to a DHCP client
_IPV4 = 2  # AF_INET

#: A message of rtnetlink: `message["index"]` is its header's, `message.get("ifname")` an attribute.
Message = typing.Any


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """One namespace and its devices."""

    namespace: str
    slice: str | None  # of the namespace, when it is ours
    links: dict[str, Message]  # by name
    names: dict[int, str]  # by index


def survey(netns: Netns, deployment: str, mentioned: typing.Collection[str] = ()) -> dict[str, Place]:
    """The node's own namespace, those that are ours, and those that are mentioned, as far as they exist.

    An owner may have links in anybody's namespace: all of them.
    """
    places = (look(netns, deployment, namespace) for namespace in ("", *netns.names()))
    if owner_name(deployment):
        return {p.namespace: p for p in places}
    return {p.namespace: p for p in places if not p.namespace or p.slice is not None or p.namespace in mentioned}


def look(netns: Netns, deployment: str, namespace: str) -> Place:
    """One namespace; raises TenantnetError when it does not exist."""
    links = {link.get("ifname"): link for link in netns.ipr(namespace).get_links()}
    names = {link["index"]: name for name, link in links.items()}
    return Place(namespace, marked_slice(links["lo"].get("ifalias"), deployment), links, names)


def addresses(netns: Netns, namespace: str) -> dict[int, list[str]]:
    """Permanent IPv4 addresses with their prefix lengths, by index of their device."""
    found: dict[int, list[str]] = {}
    for message in netns.ipr(namespace).get_addr(family=_IPV4):
        if message.get("flags") & _PERMANENT:
            found.setdefault(message["index"], []).append(f"{message.get('local')}/{message['prefixlen']}")
    return found


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
        name = place.names.get(link.get("link")) if place else None
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
