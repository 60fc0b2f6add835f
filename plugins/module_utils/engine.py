# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The engine: makes a node what its state says, or leaves it as it was.

Read, compare, build, prune, read again: nothing is done that the comparison does not show, so check mode, diff mode,
repair of drift, removal of leftovers and rollback are this one code. Drivers know the things; the engine, their order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing

from . import record
from .changes import Change, counts, merged, text
from .drivers import Context, Driver
from .drivers.bridges import BridgeDriver
from .drivers.daemons import DaemonDriver, FileDriver
from .drivers.ethertypes import EthertypeDriver
from .drivers.flows import FlowDriver
from .drivers.iptables import ChainDriver, IpsetDriver
from .drivers.links import LinkDriver
from .drivers.namespaces import ModuleDriver, NamespaceDriver, SysctlDriver
from .drivers.ports import PortDriver
from .drivers.routes import RouteDriver
from .drivers.zones import ZoneDriver
from .errors import ApplyFailed, Refused, TenantnetError
from .netns import Netns
from .ovsdb import Ovsdb
from .passes import HANDING_OVER, PASSES, REMOVING, Pass, Resources, assigned, difference, is_late, is_plug, waits
from .state import KINDS, SLICES, Link, NodeState, Port, owner_name

SETTLE_SECONDS = 3.0  # for what ends by itself a little later, like a namespace whose last process goes


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """Changes of a driver's kind, as far as `where` holds for them, go to one of its methods."""

    driver: type[Driver]
    method: str = "apply"
    where: typing.Callable[[Change], bool] = lambda change: True


def _is_internal(change: Change) -> bool:
    return isinstance(change.subject, Link) and change.subject.kind == "internal"


#: What a thing needs is there before it. A port is born dead, and lives only when its filters and flows are there.
BUILD = (
    Step(ModuleDriver),
    Step(NamespaceDriver),
    Step(SysctlDriver),
    Step(FileDriver),
    Step(ZoneDriver),
    Step(EthertypeDriver),
    Step(IpsetDriver),
    Step(ChainDriver),  # NAT before the addresses it is for
    Step(LinkDriver, where=lambda change: not _is_internal(change) and not is_plug(change)),
    Step(BridgeDriver),
    Step(PortDriver),
    Step(LinkDriver, where=_is_internal),  # an internal port is a device only after its port is there
    Step(RouteDriver),
    Step(FlowDriver),
    Step(PortDriver, method="enliven", where=lambda change: not (is_late(change) and change.before is None)),
    Step(PortDriver, method="greet", where=lambda change: change.before is None),
)

#: When neighbours have heard of what is there.
RUN = (Step(DaemonDriver), Step(LinkDriver, where=is_plug))

#: A port goes before the flows that guard it: without them it would be open.
PRUNE = (
    Step(DaemonDriver),
    Step(PortDriver),
    Step(FlowDriver, where=lambda change: change.after is None),
    Step(FlowDriver, where=lambda change: change.after is not None),  # ways in that had to wait for the end of others
    Step(BridgeDriver),
    Step(RouteDriver),
    Step(LinkDriver),
    Step(ChainDriver),
    Step(IpsetDriver),
    Step(EthertypeDriver),
    Step(ZoneDriver),
    Step(FileDriver),
    Step(SysctlDriver),
    Step(NamespaceDriver),
    Step(ModuleDriver),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What was changed, or in check mode would be."""

    changes: tuple[Change, ...]
    missing: tuple[Change, ...] = ()  # what pruning alone found not to be built
    pending: bool = False  # there is something to do for the passes that were not asked for
    waits: bool = False  # some of it takes a place that something else must leave before, here or on another node
    interrupted: bool = False  # an earlier run was cut short; this one has converged the node

    @property
    def changed(self) -> bool:
        """Whether there was anything to change."""
        return bool(self.changes)

    @property
    def before(self) -> str:
        """The resources that change, as they were: text for Ansible's diff mode."""
        return text(change.before for change in self.changes)

    @property
    def after(self) -> str:
        """The same resources as they should be."""
        return text(change.after for change in self.changes)

    @property
    def counts(self) -> dict[str, int]:
        """Number of changes by kind of resource."""
        return counts(self.changes)


def load(context: Context) -> list[Driver]:
    """A driver for each kind of resource."""
    return [driver(context) for driver in dict.fromkeys(step.driver for step in PRUNE)]


def apply(
    state: NodeState,
    passes: typing.Collection[Pass] = PASSES,
    check: bool = False,
    slices: typing.Collection[str] = SLICES,
    drivers: typing.Callable[[Context], typing.Sequence[Driver]] = load,
) -> Result:
    """Make the given slices of this node what `state` says of them; `check` only finds out what that would change.

    Raises Refused, before any change, when things of others are in the way, and ApplyFailed, when a change could not be
    made and everything is as it was before.
    """
    with contextlib.nullcontext() if check else record.lock(), _context(state) as context:
        return apply_with(drivers(context), state, passes, check, slices)


def restore() -> tuple[NodeState, Result] | None:
    """Make this node what is recorded by then, when it is this run's turn; None when nothing is. Raises as `apply`.

    What had not arrived yet does not do so now: nobody knows whether it has left where it was.
    """
    with record.lock():
        if (state := record.load()) is None:
            return None
        with _context(state) as context:
            return state, apply_with(load(context), state, [name for name in PASSES if name != "arrive"])


def _context(state: NodeState) -> contextlib.closing[Context]:
    return contextlib.closing(Context(state.deployment, Ovsdb(), Netns()))


def apply_with(
    drivers: typing.Sequence[Driver],
    state: NodeState,
    passes: typing.Collection[Pass] = PASSES,
    check: bool = False,
    slices: typing.Collection[str] = SLICES,
) -> Result:
    """`apply` with the node locked, and its drivers at work already."""
    node = _Node(drivers, state.only(slices), slices)
    before = node.read(node.desired)
    if sentences := _other_deployment(state) or node.foreign():
        raise Refused("; ".join(sentences))
    changes = difference(before, node.desired, *passes)
    interrupted = record.interrupted(state.deployment)
    done: list[Change] = []
    if changes and not check:
        record.begin(changes, state.deployment)
        with _or_else(node, lambda: before, state.deployment):
            done = node.converge(before, node.desired, passes)
    missing = () if "build" in passes else tuple(difference(before, node.desired, "build"))
    rest = [name for name in PASSES if name not in passes]
    live = node.read(node.desired) if rest and changes and not check else before
    if not check:
        recorded = state.arrived() if "arrive" in passes else state
        record.save(recorded, node.slices, whole="prune" in passes)
        record.end(state.deployment)
        node.repeat(done, node.desired)
    left = [(change, name) for change, name in assigned(live, node.desired) if name in rest]
    return Result(merged(changes), missing, pending=bool(left), waits=waits(left), interrupted=interrupted)


@contextlib.contextmanager
def ready() -> typing.Iterator[dict[Pass, typing.Callable[[], list[Change]]]]:
    """Read and lock the node, and yield what carries out `leave` and `arrive` at once, as far as there is a need.

    The node becomes what is recorded. Whether it is that then is for the other passes to see. Raises as `apply`.
    """
    with record.lock():
        if (state := record.load()) is None:
            raise TenantnetError("nothing is recorded on this node")
        with _context(state) as context:
            node = _Node(load(context), state, SLICES)
            before = node.read(node.desired)
            leaving, arriving = (difference(before, node.desired, name) for name in HANDING_OVER)

            def not_arrived() -> Resources:  # and what has left stays away: it may have arrived elsewhere
                return _after(node.read(node.desired), (Change(change.after, change.before) for change in arriving))

            def leave() -> list[Change]:
                with _or_else(node, lambda: before, state.deployment):
                    node.prune(leaving)
                return leaving

            def arrive() -> list[Change]:
                with _or_else(node, not_arrived, state.deployment):
                    node.build(arriving, node.desired)
                return arriving

            steps: dict[Pass, typing.Callable[[], list[Change]]] = {"leave": leave} if leaving else {}
            steps |= {"arrive": arrive} if arriving else {}
            if steps:
                record.begin([*leaving, *arriving], state.deployment)
                node.greet(node.desired)
            yield steps
            if steps:
                record.save(state.arrived(), SLICES, whole=False)
                record.end(state.deployment)
                node.repeat([*leaving, *arriving], node.desired)


@contextlib.contextmanager
def _or_else(node: _Node, before: typing.Callable[[], Resources], deployment: str) -> typing.Iterator[None]:
    """When something fails, make the node what it was. The journal stays only where that could not be done either."""
    try:
        yield
    except Exception as cause:
        try:
            goal = before()
            node.converge(node.read(goal), goal, PASSES)
        except Exception as exc:
            raise ApplyFailed(
                f"{_said(cause)}. Nor could the node be brought back to what it was: {_said(exc)}"
            ) from cause
        record.end(deployment)
        raise ApplyFailed(f"{_said(cause)}. The node is as it was before") from cause


def _said(exc: Exception) -> str:
    """An error in words; of one that nobody foresaw its kind as well."""
    return str(exc) if isinstance(exc, TenantnetError) else repr(exc)


def _other_deployment(state: NodeState) -> list[str]:
    recorded = None if owner_name(state.deployment) else record.load()
    if recorded is None or recorded.deployment == state.deployment:
        return []
    return [f"this node has deployment {recorded.deployment}; a node carries one, and {state.deployment} is another"]


def _after(resources: Resources, changes: typing.Iterable[Change]) -> Resources:
    """What is live when the changes have been made."""
    live = {kind: dict(of_kind) for kind, of_kind in resources.items()}
    for change in changes:
        live[change.kind].pop(change.key, None)
        if change.after is not None:
            live[change.kind][change.key] = change.after
    return live


class _Node:
    """The live node as its drivers see it, limited to some slices, and what it should be."""

    def __init__(self, drivers: typing.Sequence[Driver], desired: NodeState, slices: typing.Collection[str]) -> None:
        self._drivers = {driver.kind: driver for driver in drivers}
        self.desired: Resources = {kind: desired.of(kind) for kind in KINDS.values()}
        self.slices = slices

    def read(self, goal: Resources) -> Resources:
        """What is live, of these slices or under a name that the goal has; the goal is the drivers' hint."""
        live: Resources = {kind: {} for kind in KINDS.values()}
        for kind, driver in self._drivers.items():
            found = driver.read(goal[kind]).items()
            live[kind] = {key: r for key, r in found if r.slice in self.slices or key in goal[kind]}
        return live

    def foreign(self) -> list[str]:
        return [sentence for kind, driver in self._drivers.items() for sentence in driver.foreign(self.desired[kind])]

    def converge(self, live: Resources, goal: Resources, passes: typing.Collection[Pass]) -> list[Change]:
        """Turn what is live into the goal, look whether that is so, and return what was done."""
        done = self._round(live, goal, passes)
        if self._left(goal, passes):
            # Making one thing anew may move another: a port that comes back has another number in its flows.
            done += self._round(self.read(goal), goal, passes)
            if left := self._left(goal, passes):
                raise TenantnetError("still to be done after all changes: " + "; ".join(c.describe() for c in left))
        return done

    def build(self, changes: typing.Sequence[Change], goal: Resources) -> None:
        """Make and change things, and let neighbours know before anything runs that asks them."""
        self._carry_out(BUILD, changes)
        self.announce(changes, goal)
        self._carry_out(RUN, changes)

    def prune(self, changes: typing.Sequence[Change]) -> None:
        """Remove things."""
        self._carry_out(PRUNE, changes)

    def _round(self, live: Resources, goal: Resources, passes: typing.Collection[Pass]) -> list[Change]:
        """Build, then look again and prune: what is built may take the place of what was to go."""
        built = difference(live, goal, *(name for name in passes if name not in REMOVING))
        self.build(built, goal)
        removing = [name for name in passes if name in REMOVING]
        if not removing:
            return built
        pruned = difference(self.read(goal) if built else live, goal, *removing)
        self.prune(pruned)
        return built + pruned

    def announce(self, changes: typing.Sequence[Change], goal: Resources) -> None:
        """Tell neighbours of new addresses, and of those behind ports that came to life: a link has its port's name."""
        alive = {change.after.name for change in changes if isinstance(change.after, Port)}
        changed = {change.key: change for change in merged(changes) if change.kind is Link}
        behind = (link for link in goal[Link].values() if isinstance(link, Link) and link.name in alive)
        changed |= {link.key: Change(None, link) for link in behind}
        if Link in self._drivers:
            self._carry_out([Step(LinkDriver, method="announce")], [*changed.values()])

    def repeat(self, changes: typing.Sequence[Change], goal: Resources) -> None:
        """Do once more what may have been in vain: tell neighbours, and forget what was learned before.

        All is there and recorded by then, so that nothing is undone when this fails.
        """
        self.announce(changes, goal)
        self._carry_out([Step(FlowDriver, method="forget")], changes)

    def greet(self, goal: Resources) -> None:
        """Have the other ends of all tunnels known, some of whom may be forgotten."""
        self._carry_out([Step(PortDriver, method="greet")], [Change(None, port) for port in goal[Port].values()])

    def _carry_out(self, steps: typing.Sequence[Step], changes: typing.Sequence[Change]) -> None:
        for step in steps:
            kind = step.driver.kind
            if mine := [change for change in changes if change.kind is kind and step.where(change)]:
                getattr(self._drivers[kind], step.method)(mine)

    def _left(self, goal: Resources, passes: typing.Collection[Pass]) -> list[Change]:
        """What still differs when the node has had time to settle."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (left := difference(self.read(goal), goal, *passes)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left
