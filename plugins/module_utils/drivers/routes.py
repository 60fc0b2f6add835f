# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Static IPv4 routes, which carry no mark. A DHCP client's are of protocol boot, not static, and never ours.

Those in a namespace of a deployment are the deployment's. An owner's are those through a link of his, wherever it is.
"""

from __future__ import annotations

import contextlib
import errno
import typing

from ..changes import Change
from ..errors import TenantnetError
from ..netns import NetlinkError, ignoring
from ..state import Key, Resource, Route, link_group, maker, owner_name
from . import Context
from .survey import Message, Place, look, survey

_IPV4 = 2  # AF_INET
_MAIN = 254  # RT_TABLE_MAIN
_STATIC = 4  # RTPROT_STATIC
_UNIVERSE, _LINK = 0, 253  # RT_SCOPE_UNIVERSE, RT_SCOPE_LINK


class RouteDriver:
    """Routes in main tables."""

    kind: type[Resource] = Route

    def __init__(self, context: Context) -> None:
        self._netns = context.netns
        self._deployment = context.deployment
        self._group = link_group(context.deployment, "links") if owner_name(context.deployment) else 0

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """The slice of a route is the desired one's, or that of its namespace; an owner's are all of one."""
        live: dict[Key, Resource] = {}
        for place in survey(self._netns, self._deployment).values():
            for message in self._dump(place):
                key = (place.namespace, _destination(message))
                if message["proto"] == _STATIC and key not in live:  # of equal ones the first is in use
                    slice_ = desired[key].slice if key in desired else place.slice
                    live[key] = _route(place, message, "links" if self._group else slice_ or "")
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """In a namespace of a deployment, nothing: a route to where we have one is replaced, whoever made it."""
        if not self._group:
            return []
        places = self._places({namespace for namespace, _destination in desired})
        return [
            f"a route to {_destination(message)} exists{f' in namespace {name}' if name else ''} and was not made by "
            f"{maker(self._deployment)}: it goes through {place.names.get(message.get('oif'), 'nothing')}"
            for name, place in places.items()
            for message in self._netns.ipr(name).get_routes(family=_IPV4, table=_MAIN)
            if (name, _destination(message)) in desired and not self._passes(place, message)
        ]

    def _dump(self, place: Place) -> list[Message]:
        """Routes of a namespace, as far as they may be ours."""
        if not self._group and place.slice is None:
            return []
        found = self._netns.ipr(place.namespace).get_routes(family=_IPV4, table=_MAIN)
        return [message for message in found if not self._group or self._passes(place, message)]

    def _passes(self, place: Place, message: Message) -> bool:
        """Whether a route goes through a link of the owner."""
        link = place.links.get(place.names.get(message.get("oif"), ""))
        return link is not None and link.get("group") == self._group

    def apply(self, changes: typing.Sequence[Change]) -> None:
        """Routes without a next hop come first and go last: the next hops of others may lie behind them."""
        places = self._places({change.subject.key[0] for change in changes})
        for route in sorted(_routes(c.after for c in changes), key=_has_next_hop):
            with _told(route):
                self._netns.ipr(route.namespace).route("replace", **_attributes(route, places))
        for route in sorted(_routes(c.before for c in changes if c.after is None), key=_has_next_hop, reverse=True):
            if route.namespace in places and route.device in places[route.namespace].links:  # or it went with them
                with _told(route), ignoring(errno.ESRCH):
                    self._netns.ipr(route.namespace).route("del", **_attributes(route, places))

    def _places(self, namespaces: typing.Iterable[str]) -> dict[str, Place]:
        return {name: look(self._netns, self._deployment, name) for name in namespaces if self._netns.exists(name)}


def _routes(resources: typing.Iterable[Resource | None]) -> list[Route]:
    return [resource for resource in resources if isinstance(resource, Route)]


def _has_next_hop(route: Route) -> bool:
    return route.via is not None


def _destination(message: Message) -> str:
    return f"{message.get('dst') or '0.0.0.0'}/{message['dst_len']}"


def _route(place: Place, message: Message, slice_: str) -> Route:
    """Canonical form; a route of several next hops, which we never make, has no device."""
    return Route(
        slice=slice_,
        namespace=place.namespace,
        destination=_destination(message),
        device=place.names.get(message.get("oif"), ""),
        via=message.get("gateway"),
    )


def _attributes(route: Route, places: typing.Mapping[str, Place]) -> dict[str, typing.Any]:
    """The route by its names in rtnetlink."""
    if route.namespace not in places or route.device not in places[route.namespace].links:
        raise TenantnetError(f"there is no device {route.device}")
    index = places[route.namespace].links[route.device]["index"]
    hop = {"gateway": route.via, "scope": _UNIVERSE} if route.via else {"scope": _LINK}
    return {"dst": route.destination, "oif": index, "table": _MAIN, "proto": _STATIC, **hop}


@contextlib.contextmanager
def _told(route: Route) -> typing.Iterator[None]:
    """Say of a failure which route it is about; raises TenantnetError."""
    try:
        yield
    except (NetlinkError, TenantnetError) as exc:
        raise TenantnetError(f"route {route.destination} in namespace {route.namespace}: {exc.args[-1]}") from exc
