# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Addresses that move: at no time at two places, and at none for as short a time as possible.

An address that goes from this node stays until all nodes leave what moves, for the node that gets it may not be ready
for long. One that may still answer elsewhere is not here before it arrives. NAT rules keep company with their address.
"""

from __future__ import annotations

import dataclasses
import typing

from .changes import Change
from .drivers.connections import translated
from .state import Chain, Link, Resource

#: When a step of a change is due: "" as soon as any change of its kind.
When = typing.Literal["", "leave", "arrive"]


class Addresses:
    """What the changes of a node mean for addresses of its links, each in the namespace of its link."""

    def __init__(self, changes: typing.Sequence[Change]) -> None:
        links = [(change.before, change.after) for change in changes if change.kind is Link]
        got = {host for before, after in links if not _is_late(after) for _place, host in _gained(before, after)}
        stay = [(before, after) for before, after in links if before and after]
        lost = {place for before, after in stay for place in _gained(after, before)}
        self._going = {(namespace, host) for namespace, host in lost if host not in got}
        self._coming = {place for before, after in stay if _is_late(after) for place in _gained(before, after)}
        # What a rule leads to may be for an address that goes.
        chains = [change.before for change in changes if isinstance(change.before, Chain) and change.after is None]
        left = {namespace for namespace, _host in self._going}
        self._jumps = {(chain.namespace, f"-j {chain.name}") for chain in chains if chain.namespace in left}

    def steps(self, change: Change) -> list[tuple[Change, When]]:
        """The changes, one after the other, that a change of something that stays is made of."""
        before, after = change.before, change.after
        if isinstance(before, Link) and isinstance(after, Link):
            first, then = self._of_link(before, after)
        elif isinstance(after, Chain) and after.table == "nat":
            first, then = self._of_chain(before.rules if isinstance(before, Chain) else (), after)
        else:
            return [(change, "")]
        parts: list[tuple[Change, When]] = [
            (Change(before, first), ""),
            (Change(first, then), "leave"),
            (Change(then, after), "arrive"),
        ]
        return [(part, when) for part, when in parts if part.before != part.after]

    def _of_link(self, before: Link, after: Link) -> tuple[Resource, Resource]:
        """It with what goes and without what comes, then without either. One that is late changes when it arrives."""
        here = {address for address in after.addresses if address in before.addresses or not after.late}
        stays = {address for address in before.addresses if (after.namespace, _host(address)) in self._going}
        base = before if after.late else after
        first, then = (dataclasses.replace(base, addresses=tuple(sorted(some))) for some in (here | stays, here))
        return first, then

    def _of_chain(self, live: tuple[str, ...], after: Chain) -> tuple[Resource, Resource]:
        """The same with rules for such addresses."""
        here = [rule for rule in after.rules if rule in live or not _is_for(self._coming, after.namespace, rule)]
        gone = [rule for rule in live if rule not in after.rules]
        stays = [r for r in gone if _is_for(self._going, after.namespace, r) or (after.namespace, r) in self._jumps]
        first, then = (dataclasses.replace(after, rules=tuple(rules)) for rules in (_with(stays, here, live), here))
        return first, then


def _gained(before: Resource | None, after: Resource | None) -> set[tuple[str, str]]:
    """Addresses, each with its namespace, that a link has and did not have."""
    if not isinstance(after, Link):
        return set()
    had = before.addresses if isinstance(before, Link) else ()
    return {(after.namespace, _host(address)) for address in after.addresses if address not in had}


def _host(address: str) -> str:
    return address.partition("/")[0]


def _is_late(link: Resource | None) -> bool:
    return isinstance(link, Link) and link.late


def _is_for(places: set[tuple[str, str]], namespace: str, rule: str) -> bool:
    """Whether a rule translates what is for, or what becomes from, one of these addresses."""
    found = translated(rule) if places else None
    return found is not None and not places.isdisjoint({(namespace, found.destination), (namespace, found.answers_to)})


def _with(more: typing.Sequence[str], rules: typing.Sequence[str], live: typing.Sequence[str]) -> list[str]:
    """The rules and those that stay among them, each of which stands where it does."""
    both, position = list(rules), 0
    for rule in live:
        if rule in more:
            both.insert(position, rule)
        if rule in both:
            position = both.index(rule) + 1
    return both
