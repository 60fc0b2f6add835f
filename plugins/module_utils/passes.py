# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Passes: what a deployment does on all nodes before it goes on, and to which of them a change belongs."""

from __future__ import annotations

import dataclasses
import typing

from .addresses import Addresses
from .changes import Change, diff
from .drivers.flows import replaced
from .state import KINDS, Daemon, File, Flow, Key, Link, Namespace, Port, Resource, Route

Pass = typing.Literal["build", "leave", "arrive", "prune", "start"]
PASSES: typing.Final[tuple[Pass, ...]] = ("build", "leave", "arrive", "prune", "start")

#: They take things away.
REMOVING: typing.Final[tuple[Pass, ...]] = ("leave", "prune")

#: They are about what may be at one place only: all nodes take the first, then all the second.
HANDING_OVER: typing.Final[tuple[Pass, ...]] = ("leave", "arrive")

#: What the pass `start` makes: guests ask other nodes for things as soon as they run, so those are built before. One
#: that moves boots before, and waits for a carrier: it is not away for as long as that takes.
GUESTS = "guests"

#: Resources by kind and key: all of a node, as it is or as it should be.
Resources = dict[type[Resource], dict[Key, Resource]]


def difference(live: Resources, goal: Resources, *passes: Pass) -> list[Change]:
    """What the given passes have to change."""
    return [change for change, name in assigned(live, goal) if name in passes]


def assigned(live: Resources, goal: Resources) -> list[tuple[Change, Pass]]:
    """What all passes have to change, each change with its pass."""
    moving = _moving(goal[Link].values())
    whole = [change for kind in KINDS.values() for change in diff(live[kind], goal[kind])]
    addresses = Addresses(whole)
    steps = [step for change in whole for part in _parts(change, moving) for step in addresses.steps(part)]
    steps += [(change, "arrive") for change in addresses.again(live[Route], goal[Route])]
    steps += [(change, "") for change in _misled([change for change, _when in steps], live[Daemon], goal[Daemon])]
    changes = [change for change, _when in steps]
    flows = [change for change in changes if change.kind is Flow]
    gone = [change.before for change in flows if isinstance(change.before, Flow) and change.after is None]
    elsewhere = replaced(gone, [change.after for change in flows if isinstance(change.after, Flow)])
    stay = goal[Flow].values() if gone else ()
    here = {(flow.bridge, flow.way_into) for flow in stay if isinstance(flow, Flow) and flow.way_into}
    ways = _Ways(elsewhere, here)
    early = _handing_over(changes)
    return [(change, when or ("build" if change in early else _pass(change, ways, moving))) for change, when in steps]


def waits(left: typing.Iterable[tuple[Change, Pass]]) -> bool:
    """Whether something of this takes a place that something else must leave before, here or on another node."""
    taking = (change for change, name in left if name == "arrive" or (name == "leave" and change.kind is Flow))
    return any(change.after is not None for change in taking)


def _moving(links: typing.Iterable[Resource]) -> set[str]:
    """Namespaces of guests that come from another node."""
    return {one.peer[0] for one in links if isinstance(one, Link) and one.late and one.slice == GUESTS and one.peer}


def _place(resource: Resource) -> str:
    """The namespace of a guest that this is part of; "" when its machine is somebody else's."""
    match resource:
        case Link(peer=(namespace, _)) | Daemon(namespace=namespace) | Namespace(name=namespace):
            return namespace
    return ""


def _parts(change: Change, moving: typing.Collection[str]) -> typing.Iterator[Change]:
    """The two steps of whatever waits for its carrier, or the one of anything else."""
    after = change.after
    if isinstance(after, Link) and change.before is None and after.up and _waits(after, moving):
        unplugged = dataclasses.replace(after, up=False)
        yield Change(None, unplugged)
        yield Change(unplugged, after)
    else:
        yield change


def _waits(resource: Resource, moving: typing.Collection[str]) -> bool:
    """Whether it is there before it may have a carrier."""
    late = isinstance(resource, Link) and resource.late
    return resource.slice == GUESTS and (late or _place(resource) in moving)


def _misled(
    changes: typing.Sequence[Change], live: dict[Key, Resource], goal: dict[Key, Resource]
) -> typing.Iterator[Change]:
    """Daemons that differ in nothing, but may have read what somebody wrote into their files."""
    files = [change.after for change in changes if isinstance(change.after, File) and not change.after.initial]
    for key, daemon in live.items():
        if daemon == goal.get(key) and isinstance(daemon, Daemon) and any(daemon.reads(file) for file in files):
            again, anew = dataclasses.replace(daemon, reload="unknown"), dataclasses.replace(daemon, restart="unknown")
            yield Change(again if daemon.reload else anew, daemon)


def _handing_over(changes: typing.Sequence[Change]) -> list[Change]:
    """Links that go, and have an address that another one gets: it is nowhere for a moment, but never at two places.

    One that is late gets it when the port of a link that goes has left.
    """
    links = [(change.before, change.after) for change in changes if change.kind is Link and not is_late(change)]
    had = {(link.key, address) for link, _after in links if isinstance(link, Link) for address in link.addresses}
    got = {
        address
        for _before, link in links
        if isinstance(link, Link)
        for address in link.addresses
        if (link.key, address) not in had
    }
    gone = (change for change in changes if change.after is None)
    return [change for change in gone if isinstance(change.before, Link) and got & {*change.before.addresses}]


@dataclasses.dataclass(frozen=True, slots=True)
class _Ways:
    """VLANs of networks that get another way in."""

    elsewhere: set[str]  # in another bridge: with both at once, on two nodes, broadcasts would go round in a circle
    here: set[tuple[str, str]]  # (bridge, VLAN): all that will have a way in there


def _pass(change: Change, ways: _Ways, moving: typing.Collection[str]) -> Pass:
    """The pass that makes a change."""
    lives = change.before is not None
    if change.kind is Flow:
        return _pass_of_flow(change, ways)
    if change.after is None:
        return "leave" if isinstance(change.before, Port) and change.before.type in ("", "internal") else "prune"
    if lives and is_late(change):  # it is there, but dead
        return "arrive"
    if change.slice != GUESTS or (not lives and _waits(change.after, moving)):
        return "build"
    moves = change.kind is Link and lives and not is_plug(change)  # a guest's tap goes with what it is plugged into
    return "build" if moves else "start"


def _pass_of_flow(change: Change, ways: _Ways) -> Pass:
    flow = typing.cast(Flow, change.subject)
    if flow.way_into in ways.elsewhere or _goes_elsewhere(change):
        return "leave"
    if change.after is not None:
        return "build"
    # As long as others may use the old way, they teach where it leads.
    return "arrive" if (flow.bridge, flow.way_into) in ways.here else "prune"


def _goes_elsewhere(change: Change) -> bool:
    """Whether packets are sent into another tunnel, whose other end must let them in by then."""
    before, after = (flow.ways_out if isinstance(flow, Flow) else set() for flow in (change.before, change.after))
    return bool(before - after and after - before)


def is_late(change: Change) -> bool:
    """Whether another node may still have what is behind it."""
    return isinstance(change.after, Link | Port) and change.after.late


def is_plug(change: Change) -> bool:
    """Whether it gives a guest its carrier."""
    links = (change.before, change.after)
    return change.slice == GUESTS and [link.up for link in links if isinstance(link, Link)] == [False, True]
