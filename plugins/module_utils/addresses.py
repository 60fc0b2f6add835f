# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Addresses that move: at no time at two places, and at none for as short a time as possible.

A floating IP that goes stays until all nodes leave what moves: the node that gets it may not be ready before. An
address that may still answer elsewhere is not here before it arrives. NAT rules keep company with their address, and
routes with the first one of their device.
"""

from __future__ import annotations

import dataclasses
import typing

from .changes import Change
from .drivers.connections import translated
from .state import Chain, Key, Link, Port, Resource, Route

#: When a step of a change is due: "" as soon as any change of its kind.
When = typing.Literal["", "leave", "arrive"]


class Addresses:
    """What the changes of a node mean for addresses of its links, each in the namespace of its link."""

    def __init__(self, changes: typing.Sequence[Change]) -> None:
        links = [(change.before, change.after) for change in changes if change.kind is Link]
        got = {host for before, after in links if not _is_late(after) for _place, host in _gained(before, after)}
        stay = [(before, after) for before, after in links if isinstance(before, Link) and isinstance(after, Link)]
        rewired = {change.key[1] for change in changes if _moves(change)}
        # Floating IPs (/32): a link's own address may be given to an instance here, of whose addresses no link tells.
        self._going = {
            (namespace, host)
            for before, after in stay
            for namespace, host in _gained(after, before, "" if after.late else "/32")
            if host not in got and (after.late or after.name not in rewired)
        }
        late = [(before, after) for before, after in stay if after.late and before.addresses != after.addresses]
        self._coming = {place for before, after in late for place in _gained(before, after)}
        self._waiting = {after.key for _before, after in late}
        # Without an address a device has no routes.
        self._emptied = {after.key for before, after in late if before.addresses and not _kept(before, after)}
        # What a rule leads to may be for an address that goes.
        chains = [change.before for change in changes if isinstance(change.before, Chain) and change.after is None]
        left = {namespace for namespace, _host in self._going}
        self._jumps = {(chain.namespace, f"-j {chain.name}") for chain in chains if chain.namespace in left}

    def steps(self, change: Change) -> list[tuple[Change, When]]:
        """The changes, one after the other, that a change is made of."""
        before, after = change.before, change.after
        first: Resource | None
        then: Resource | None
        if isinstance(after, Route) and (after.namespace, after.device) in self._waiting:
            return [(change, "arrive")]
        if isinstance(before, Link) and isinstance(after, Link):
            first, then = self._of_link(before, after)
        elif isinstance(after, Chain) and after.table == "nat":
            first, then = self._of_chain(before.rules if isinstance(before, Chain) else (), after)
        elif isinstance(before, Chain) and before.table == "nat":
            return self._of_chain_that_goes(before)
        else:
            return [(change, "")]
        parts: list[tuple[Change, When]] = [
            (Change(before, first), ""),
            (Change(first, then), "leave"),
            (Change(then, after), "arrive"),
        ]
        return [(part, when) for part, when in parts if part.before != part.after]

    def again(self, live: typing.Mapping[Key, Resource], goal: typing.Mapping[Key, Resource]) -> list[Change]:
        """Routes that are there, and go with the last address of their device before the first one arrives."""
        same = (route for key, route in goal.items() if live.get(key) == route)
        return [Change(None, r) for r in same if isinstance(r, Route) and (r.namespace, r.device) in self._emptied]

    def _of_link(self, before: Link, after: Link) -> tuple[Link, Link]:
        """It with what goes and without what comes, then without either. One that is late changes when it arrives."""
        here = _kept(before, after) if after.late else {*after.addresses}
        stays = {address for address in before.addresses if (after.namespace, _host(address)) in self._going}
        base = before if after.late else after
        first, then = (dataclasses.replace(base, addresses=tuple(sorted(some))) for some in (here | stays, here))
        return first, then

    def _of_chain(self, live: tuple[str, ...], after: Chain) -> tuple[Chain, Chain]:
        """The same with rules for such addresses."""
        here = [rule for rule in after.rules if rule in live or not self._comes(after.namespace, rule)]
        gone = [rule for rule in live if rule not in after.rules]
        stays = [r for r in gone if self._goes(after.namespace, r) or (after.namespace, r) in self._jumps]
        first, then = (dataclasses.replace(after, rules=tuple(rules)) for rules in (_with(stays, here, live), here))
        return first, then

    def _of_chain_that_goes(self, before: Chain) -> list[tuple[Change, When]]:
        """Its rules for addresses that go do so with them, and connections with these."""
        left = dataclasses.replace(before, rules=tuple(r for r in before.rules if not self._goes(before.namespace, r)))
        gone: tuple[Change, When] = (Change(left, None), "")
        return [gone] if left == before else [(Change(before, left), "leave"), gone]

    def _goes(self, namespace: str, rule: str) -> bool:
        """Whether a rule translates what is for, or what becomes from, an address that goes."""
        found = translated(rule)
        return found is not None and bool({(namespace, found.destination), (namespace, found.answers_to)} & self._going)

    def _comes(self, namespace: str, rule: str) -> bool:
        """The same of one that comes, but for all that goes out: that is never without a translation."""
        found = translated(rule)
        if found is None or (found.answers_to and not found.source):
            return False
        return bool({(namespace, found.destination), (namespace, found.answers_to)} & self._coming)


def _gained(before: Resource | None, after: Resource | None, ending: str = "") -> set[tuple[str, str]]:
    """Addresses, each with its namespace, that a link has and did not have."""
    if not isinstance(after, Link):
        return set()
    had = before.addresses if isinstance(before, Link) else ()
    new = (address for address in after.addresses if address not in had and address.endswith(ending))
    return {(after.namespace, _host(address)) for address in new}


def _kept(before: Link, after: Link) -> set[str]:
    return {*before.addresses} & {*after.addresses}


def _host(address: str) -> str:
    return address.partition("/")[0]


def _is_late(link: Resource | None) -> bool:
    return isinstance(link, Link) and link.late


def _moves(change: Change) -> bool:
    """Whether a port goes from one network to another."""
    before, after = change.before, change.after
    return isinstance(before, Port) and isinstance(after, Port) and before.tag != after.tag


def _with(more: typing.Sequence[str], rules: typing.Sequence[str], live: typing.Sequence[str]) -> list[str]:
    """The rules and those that stay among them, each of which stands where it does."""
    both, position = list(rules), 0
    for rule in live:
        if rule in more:
            both.insert(position, rule)
        if rule in both:
            position = both.index(rule) + 1
    return both
