# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What resource modules have in common: the states of the convention, as one pure function, and the way to the engine.

An item is what a person writes in `config`, and what `gathered` returns: plain data in the words of the module's
options. A view turns items into resources of a node state and back. Everything else is the engine's: the comparison,
the order, the look afterwards, the way back.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import typing

from . import engine, owned
from .errors import Refused, TenantnetError
from .ovsdb import SOCKET
from .state import NodeState, Resource, owner

State = typing.Literal["merged", "replaced", "overridden", "deleted", "gathered"]

Item = dict[str, typing.Any]

#: What the arguments of all resource modules have in common, and what they demand.
ARGUMENTS: typing.Final = {
    "state": {"type": "str", "choices": list(typing.get_args(State)), "default": "merged"},
    "owner": {"type": "str", "default": "local"},
}
#: Of those that are about Open vSwitch.
DATABASE: typing.Final = {"database_socket": {"type": "path", "default": str(SOCKET)}}
REQUIRED: typing.Final = [("state", state, ["config"]) for state in ("merged", "replaced", "overridden")]

_OWNER = re.compile(r"[a-z][a-z0-9]{0,11}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How one module sees its kinds of things. `name` is the module's, and the slice of all that it makes."""

    name: str
    kinds: tuple[type[Resource], ...]
    key: tuple[str, ...]  # options that name an item
    normal: typing.Callable[[Item, str], Item]  # an item in canonical form, of this owner; raises TenantnetError
    build: typing.Callable[[Item], list[Resource]]  # raises TenantnetError when something is missing
    show: typing.Callable[[typing.Sequence[Resource]], list[Item]]
    hint: typing.Callable[[Item], list[Resource]] | None = None  # what an incomplete item may mean, if not `build`
    inner: typing.Mapping[str, str] = dataclasses.field(default_factory=dict)  # lists of items inside one: their key
    values: tuple[str, ...] = ()  # lists and mappings that are one value, and not a collection
    #: Last touches to items that only the node can give.
    prepare: typing.Callable[[owned.Drivers, list[Item]], list[Item]] = lambda drivers, items: items
    #: Live items without what the given ones take from them.
    make_way: typing.Callable[[list[Item], list[Item]], list[Item]] = lambda live, given: live

    def name_of(self, item: Item) -> tuple[str, ...]:
        """What makes two items the same thing."""
        return tuple(str(item.get(option, "")) for option in self.key)

    def items(self, resources: typing.Iterable[Resource]) -> list[Item]:
        """Resources as items, in a stable order."""
        return self.show(NodeState(deployment="", node="", resources=tuple(resources)).resources)


def combine(state: State, view: View, live: typing.Sequence[Item], given: typing.Sequence[Item]) -> list[Item]:
    """The items that there should be. Both sides are in canonical form."""
    have = {view.name_of(item): item for item in live}
    named = {view.name_of(item): item for item in given}
    match state:
        case "merged":
            named = {key: merge(view, have.get(key, {}), item) for key, item in named.items()}
            return [*{**have, **named}.values()]
        case "replaced":
            return [*{**have, **named}.values()]
        case "overridden":
            return [*named.values()]
        case "deleted":
            return [item for key, item in have.items() if named and key not in named]
        case "gathered":
            return [*have.values()]


def merge(view: View, old: Item, new: Item) -> Item:
    """Values replace; mappings and collections only grow."""
    return {**old, **{option: _merged(view, option, old.get(option), value) for option, value in new.items()}}


def _merged(view: View, option: str, old: typing.Any, new: typing.Any) -> typing.Any:
    if option in view.values or not old:
        return new
    if option in view.inner:
        key = view.inner[option]
        inner = {item[key]: item for item in old}
        return [*{**inner, **{item[key]: merge(view, inner.get(item[key], {}), item) for item in new}}.values()]
    if isinstance(new, list):
        return [*old, *(value for value in new if value not in old)]
    return {**old, **new} if isinstance(new, dict) else new


def run(module: typing.Any, view: View) -> None:
    """Do what the arguments of an AnsibleModule ask for, and end it."""
    try:
        result = outcome(view, module.params, module.check_mode)
    except TenantnetError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


def outcome(view: View, params: typing.Mapping[str, typing.Any], check: bool) -> dict[str, typing.Any]:
    """What the module returns; raises TenantnetError."""
    name, state, socket = params["owner"], params["state"], pathlib.Path(params.get("database_socket") or SOCKET)
    if not _OWNER.fullmatch(name):
        raise TenantnetError(f"owner {name!r}: a name has 1 to 12 lower-case letters and digits, a letter first")
    if state == "gathered":
        found = owned.gather(owner(name), view.kinds, view.name, socket)
        return {"changed": False, "gathered": view.items(found)}
    given = normal(view, name, params["config"] or ())

    def wanted(drivers: owned.Drivers, live: typing.Sequence[Resource]) -> list[Resource]:
        mine = view.prepare(drivers, given)
        there = view.make_way(view.items(live), mine)
        if state == "deleted":
            _refuse_others(view, drivers, there, mine)
        return [resource for item in combine(state, view, there, mine) for resource in view.build(item)]

    mentioned = [resource for item in given for resource in _mentioned(view, item)]
    before, after, result = owned.change(owner(name), view.kinds, view.name, wanted, mentioned, check, socket)
    return {"before": view.items(before), "after": view.items(after), **_report(view, name, result)}


def normal(view: View, name: str, config: typing.Iterable[Item]) -> list[Item]:
    """Items of an owner in canonical form; raises TenantnetError when one is wrong or two are the same."""
    found: dict[tuple[str, ...], Item] = {}
    for item in (view.normal(_given(item), name) for item in config):
        key = view.name_of(item)
        if key in found:
            raise TenantnetError(f"config has {view.name} item {' '.join(filter(None, key))} twice")
        found[key] = item
    return [*found.values()]


def _given(value: typing.Any) -> typing.Any:
    """An item without the options that were not given: Ansible has None for them."""
    if isinstance(value, dict):
        return {option: _given(part) for option, part in value.items() if part is not None}
    return [_given(part) for part in value] if isinstance(value, list) else value


def _mentioned(view: View, item: Item) -> list[Resource]:
    """Resources that an item means; it may only name what is to be deleted, or changed a little."""
    try:
        return (view.hint or view.build)(item)
    except TenantnetError:
        return []


def _refuse_others(view: View, drivers: owned.Drivers, live: list[Item], given: list[Item]) -> None:
    """What a person wants to delete by its name, and others made, is not passed over in silence."""
    have = {view.name_of(item) for item in live}
    strange = [resource for item in given if view.name_of(item) not in have for resource in _mentioned(view, item)]
    for kind, driver in drivers.items():
        if sentences := driver.foreign({resource.key: resource for resource in strange if isinstance(resource, kind)}):
            raise Refused("; ".join(sentences))


def _report(view: View, name: str, result: engine.Result) -> dict[str, typing.Any]:
    header = f"{view.name} of owner {name}"
    return {
        "changed": result.changed,
        "changes": [change.describe() for change in result.changes],
        "diff": {
            "before": result.before,
            "after": result.after,
            "before_header": header,
            "after_header": header,
        },
    }
