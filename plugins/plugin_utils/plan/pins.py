# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The rule by which values are chosen: what is written down first, then what was pinned, then the lowest free one."""

from __future__ import annotations

import collections
import dataclasses
import ipaddress
import typing

from ..topology.source import Path, Report
from . import ids
from .lock import Kind, Lock, Pin, seen_by

Ranges = tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Something that needs one value of a kind, and the place of a file that asks for it.

    `choices` are (scope, ranges) pairs in order of preference. A pinned value is kept as long as `fits` says so, be it
    within the ranges or no longer.
    """

    kind: Kind
    id: str
    name: str
    choices: tuple[tuple[str, Ranges], ...]
    written: tuple[str, int | str] | None = None  # (scope, value) that somebody wrote down
    fits: typing.Callable[[str, int | str], bool] = lambda scope, value: True
    node: str = ""  # where an address is to answer
    file: str
    path: Path


Choice = tuple[str, typing.Any]  # scope and value

_NOUNS: typing.Final[dict[Kind, str]] = {
    "vxlan": "VNI",
    "gre": "GRE key",
    "vlan": "VLAN",
    "address": "address",
    "mac": "MAC address",
    "local_vlan": "local VLAN",
    "zone": "conntrack zone",
}


class Pins:
    """The values of one plan: those of the lock that goes in, those that are in use, and the lock that comes out."""

    def __init__(self, lock: Lock, report: Report) -> None:
        self._lock = lock
        self._report = report
        self._used: dict[tuple[Kind, str, int | str], Wish] = {}
        self._reserved: dict[tuple[Kind, str, int | str], str] = {}
        self._before: dict[tuple[Kind, str], list[Pin]] = collections.defaultdict(list)
        for pin in (*lock.pins, *lock.retiring):
            self._before[pin.kind, pin.id].append(pin)
        # Not free in this plan, whoever had it: what becomes of these is known only when everything has been chosen.
        self._blocked = {pin.place for pin in (*lock.pins, *lock.retiring)}
        self._carriers = {
            pin.place: {*filter(None, [pin.node]), *pin.leaving, *pin.nodes} for pin in (*lock.retiring, *lock.pins)
        }
        self._nodes_of = collections.defaultdict(set)  # networks by id
        for pin in (*lock.pins, *lock.retiring):
            if pin.kind == "local_vlan":
                self._nodes_of[pin.id].add(pin.scope)
        self._cursors: dict[tuple[Kind, str, Ranges], int] = {}
        self.known = {pin.id for pin in lock.pins}

    def reserve(self, kind: Kind, scope: str, value: int | str, name: str) -> None:
        """Keep a value from being chosen; only who writes it down gets it."""
        self._reserved[kind, scope, value] = name

    def is_free(self, kind: Kind, scope: str, value: int | str) -> bool:
        """Whether nobody has a value, had it or is to be kept from it."""
        place = (kind, scope, value)
        return place not in self._used and place not in self._reserved and place not in self._blocked

    def choose(self, wishes: typing.Sequence[Wish]) -> list[Choice | None]:
        """A value for each wish, None where none is free. All that may want the same values come in one call."""
        chosen: list[Choice | None] = [wish.written for wish in wishes]
        for wish in wishes:
            if wish.written:
                self.take(wish, wish.written)
                self._check_left(wish, wish.written)
        for index, wish in enumerate(wishes):
            if not wish.written and (choice := self.pinned(wish)):
                chosen[index] = choice
        for index, wish in enumerate(wishes):
            if chosen[index] is None:
                chosen[index] = self._lowest(wish)
        return chosen

    def pinned(self, wish: Wish) -> Choice | None:
        """The value that the lock gives a wish; one that others have now is told."""
        scopes = {scope for scope, _ranges in wish.choices}
        for pin in self._before[wish.kind, wish.id]:
            if pin.scope not in scopes or not wish.fits(pin.scope, pin.value):
                continue
            other = self._used.get(pin.place)
            if other and other.id == wish.id:
                continue  # another one of the several that it has
            if other:
                self._tell_taken(other, (pin.scope, pin.value), wish.name, ", as topology.lock.yml says")
            elif pin.place in self._reserved:
                message = f"{pin.value}, which was chosen for it, is now {self._reserved[pin.place]}"
                self._report.add(wish.file, wish.path, message, "write the address that it should have")
            else:
                self._used[pin.place] = wish
            return pin.scope, pin.value
        return None

    def take(self, wish: Wish, choice: Choice) -> None:
        """Record a value that was written down, or chosen by another rule (a MAC's); one that others have is told."""
        other = self._used.setdefault((wish.kind, *choice), wish)
        if other is wish:
            return
        if other.written and not wish.written:
            self._tell_taken(other, choice, wish.name, ", which keeps what it had")
        else:
            self._tell_taken(wish, choice, other.name)

    def _check_left(self, wish: Wish, choice: Choice) -> None:
        """Tell of a VLAN that nodes may still carry for another network: two networks would be one there."""
        for pin in (*self._lock.pins, *self._lock.retiring) if wish.kind == "vlan" else ():
            if pin.place == ("vlan", *choice) and pin.id != wish.id and (nodes := ", ".join(self._carrying(pin))):
                what = f"VLAN {choice[1]}" if choice[1] else "the untagged traffic"
                message = f"{what} of '{choice[0]}' was of {pin.name} before, for which {nodes} may still carry it"
                self._report.add(wish.file, wish.path, message, "run site.yml without this one first")

    def _carrying(self, pin: Pin) -> tuple[str, ...]:
        """Nodes that may have what a pin stands for."""
        of_node = {pin.scope} if pin.kind in ("local_vlan", "zone") else None
        return tuple(sorted(pin.nodes or of_node or self._nodes_of[pin.scope if pin.kind == "address" else pin.id]))

    def leaving(self, wish: Wish, choice: Choice) -> tuple[str, ...]:
        """Other nodes that may still answer for an address: it moved, or belonged to something there."""
        before = self._carriers.get((wish.kind, *choice), set())
        return tuple(sorted(before - {wish.node})) if wish.node else ()

    def lock(self) -> Lock:
        """What the next plan starts from."""
        pins = (
            Pin(
                kind=place[0],
                scope=place[1],
                value=place[2],
                id=wish.id,
                name=wish.name,
                node=wish.node,
                leaving=self.leaving(wish, place[1:]),
            )
            for place, wish in self._used.items()
            if place[0] != "mac" or place[2] != ids.mac(wish.id)
        )
        return Lock(pins=tuple(sorted(pins, key=_order)), retiring=tuple(sorted(self._retiring(), key=_order)))

    def _retiring(self) -> typing.Iterator[Pin]:
        for pin in (*self._lock.pins, *self._lock.retiring):
            if pin.place in self._used or pin.kind == "mac":
                continue  # a MAC is bound to its port's id, so nobody else gets it by chance
            if nodes := self._carrying(pin):
                yield dataclasses.replace(pin, nodes=nodes)

    def _lowest(self, wish: Wish) -> Choice | None:
        for scope, ranges in wish.choices:
            number = self._cursors.get((wish.kind, scope, ranges), 0)
            for first, last in ranges:
                for candidate in range(max(first, number), last + 1):
                    value = _value(wish.kind, candidate)
                    if self.is_free(wish.kind, scope, value):
                        self._cursors[wish.kind, scope, ranges] = candidate
                        self._used[wish.kind, scope, value] = wish
                        return scope, value
        self._tell_exhausted(wish)
        return None

    def _tell_taken(self, wish: Wish, choice: Choice, other: str, remark: str = "") -> None:
        hint = "choose another one, or write down another one for that first" if remark else ""
        message = f"{_NOUNS[wish.kind]} {choice[1]} is already taken by {seen_by(wish.name, other)}{remark}"
        self._report.add(wish.file, wish.path, message, hint)

    def _tell_exhausted(self, wish: Wish) -> None:
        ranges = [(scope, first, last) for scope, found in wish.choices for first, last in found]
        total = sum(last - first + 1 for _scope, first, last in ranges)
        retiring = sum(
            any(_within(pin, *found) for found in ranges)
            for pin in (*self._lock.pins, *self._lock.retiring)
            if pin.kind == wish.kind and pin.place not in self._used
        )
        dash = "-" if wish.kind == "address" else ":"
        shown = ", ".join(f"{_value(wish.kind, first)}{dash}{_value(wish.kind, last)}" for _at, first, last in ranges)
        hint = f"{retiring} of them will be free when nodes have removed what is gone" if retiring else ""
        message = f"no {_NOUNS[wish.kind]} is free: all {total} of {shown} are in use"
        self._report.add(wish.file, wish.path, message, hint)


def number(value: int | str) -> int:
    """A value as a number, to compare and to sort; of a MAC it has no meaning."""
    return value if isinstance(value, int) else int(ipaddress.IPv4Address(value))


def _value(kind: Kind, candidate: int) -> int | str:
    return str(ipaddress.IPv4Address(candidate)) if kind == "address" else candidate


def _within(pin: Pin, scope: str, first: int, last: int) -> bool:
    return pin.scope == scope and first <= number(pin.value) <= last


def _order(pin: Pin) -> tuple[str, str, str, str]:
    return pin.kind, pin.scope, pin.id, str(pin.value)
