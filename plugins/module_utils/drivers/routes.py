# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Static IPv4 routes. Those in a namespace of ours are ours; a DHCP client's are of protocol boot, not static."""

from __future__ import annotations

import contextlib
import errno
import typing

from ..changes import Change
from ..errors import TenantnetError
from ..netns import NetlinkError, ignoring
from ..state import Key, Resource, Route
from . import Context
from .survey import Message, Place, look, survey

_IPV4 = 2  # AF_INET
_MAIN = 254  # RT_TABLE_MAIN
_STATIC = 4  # RTPROT_STATIC
_UNIVERSE, _LINK = 0, 253  # RT_SCOPE_UNIVERSE, RT_SCOPE_LINK


class RouteDriver:
    """Routes in the main tables of namespaces of ours."""

    kind: type[Resource] = Route

    def __init__(self, context: Context) -> None:
        self._netns = context.netns
        self._deployment = context.deployment

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """A route carries no mark: its slice is the desired one's, or that of its namespace."""
        live: dict[Key, Resource] = {}
        for place in survey(self._netns, self._deployment).values():
            if place.slice is not None:
                for message in self._netns.ipr(place.namespace).get_routes(family=_IPV4, table=_MAIN):
                    key = (place.namespace, _destination(message))
                    if message["proto"] == _STATIC and key not in live:  # of equal ones the first is in use
                        slice_ = desired[key].slice if key in desired else place.slice
                        live[key] = _route(place, message, slice_)
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """Nothing: in a namespace of ours, a route to where we have one is replaced, whoever made it."""
        return []

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
