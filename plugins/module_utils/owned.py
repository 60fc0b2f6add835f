# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""An owner's things of one module, with the engine: read, decide what there should be, apply, all under one lock."""

from __future__ import annotations

import contextlib
import pathlib
import typing

from . import engine, record
from .drivers import Context, Driver
from .netns import Netns
from .ovsdb import SOCKET, Ovsdb
from .state import NodeState, Port, Resource

Drivers = typing.Mapping[type[Resource], Driver]
Kinds = typing.Collection[type[Resource]]

#: What there should be, decided from what there is.
Wanted = typing.Callable[[Drivers, typing.Sequence[Resource]], typing.Sequence[Resource]]


def gather(deployment: str, kinds: Kinds, slice_: str, socket: pathlib.Path = SOCKET) -> tuple[Resource, ...]:
    """Things of some kinds as they are; `socket` is that of Open vSwitch's database."""
    with contextlib.closing(Context(deployment, Ovsdb(socket), Netns())) as context:
        return _live(_drivers(context, kinds), deployment, slice_, ())


def change(
    deployment: str,
    kinds: Kinds,
    slice_: str,
    wanted: Wanted,
    mentioned: typing.Sequence[Resource] = (),
    check: bool = False,
    socket: pathlib.Path = SOCKET,
) -> tuple[tuple[Resource, ...], tuple[Resource, ...], engine.Result]:
    """Make things of some kinds what a function of them wants; return what they were and are, and the result.

    `mentioned` is a hint, as the recorded state is one, of what cannot be told from the things themselves: how a person
    writes a flow, or which sysctls are meant. Raises what `engine.apply` raises.
    """
    context = Context(deployment, Ovsdb(socket), Netns())
    with contextlib.closing(context), contextlib.nullcontext() if check else record.lock():
        drivers = _drivers(context, kinds)
        live = _live(drivers, deployment, slice_, mentioned)
        state = NodeState(deployment=deployment, node="", resources=tuple(wanted(drivers, live)))
        return live, state.resources, engine.apply_with([*drivers.values()], state, check=check, slices=(slice_,))


def _drivers(context: Context, kinds: Kinds) -> Drivers:
    return {driver.kind: driver for driver in engine.load(context) if driver.kind in kinds}


def _live(drivers: Drivers, deployment: str, slice_: str, mentioned: typing.Sequence[Resource]) -> tuple[Resource, ...]:
    """Things of a slice. What is recorded tells more of a thing than a mention of it does, and so counts."""
    recorded = record.load(deployment)
    known = {(type(r), r.key): r for r in recorded.resources if r.slice == slice_} if recorded else {}
    hints = [*known.values(), *(r for r in mentioned if (type(r), r.key) not in known)]
    found: list[Resource] = []
    for kind, driver in drivers.items():
        # A port that does not work is one all the same, though to a driver that is to make it work it is none.
        hint = {r.key: r for r in hints if isinstance(r, kind) and kind is not Port}
        found += [resource for resource in driver.read(hint).values() if resource.slice == slice_]
    return tuple(found)
