# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""iptables chains and the ipsets that their rules speak of.

A chain or set is ours because its name begins with the prefix of a slice; of a built-in chain, only jumps to such a
chain are. Nothing else is ever written, so rules of others keep their text, their order and their counters.
"""

from __future__ import annotations

import itertools
import shlex
import typing

from ..changes import Change
from ..errors import MissingProgram
from ..run import run
from ..state import SLICES, Chain, Ipset, Key, Resource, chain_prefix
from . import Context
from .namespaces import LOOPBACK, marked_slice

#: Slices that have chains, by the prefix of their names.
OWNERS = {chain_prefix(slice_): slice_ for slice_ in SLICES if slice_ != "guests"}

COMMANDS = {"ipv4": "iptables", "ipv6": "ip6tables"}

SET_TYPE = "hash:net family inet"
SET_LIMIT = "maxelem 65536"
#: So many changed members or more make a new set that takes the old one's place at once (Neutron's number).
BULK = 5

#: What iptables-save says, by table and chain.
Tables = dict[str, dict[str, "Rules"]]


class Rules(typing.NamedTuple):
    """A live chain."""

    built_in: bool
    rules: list[str]


class ChainDriver:
    """Chains of each namespace that is wanted or ours: one save to read, one restore to change."""

    kind: type[Resource] = Chain

    def __init__(self, context: Context) -> None:
        self._netns = context.netns
        self._deployment = context.deployment

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        mentioned = {chain.namespace for chain in desired.values() if isinstance(chain, Chain)}
        live: dict[Key, Resource] = {}
        for namespace in ["", *(n for n in self._netns.names() if n in mentioned or self._is_ours(n))]:
            for family in ("ipv4", "ipv6"):
                live |= {c.key: c for c in _chains(namespace, family, self._save(namespace, family))}
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        groups: dict[tuple[str, str], list[Change]] = {}
        for change in changes:
            chain = typing.cast(Chain, change.subject)
            if change.after is not None or self._netns.exists(chain.namespace):
                groups.setdefault((chain.namespace, chain.family), []).append(change)
        for (namespace, family), group in groups.items():
            tables = parse(run([f"{COMMANDS[family]}-save"], namespace=namespace))
            run([f"{COMMANDS[family]}-restore", "--noflush"], _restore(tables, group), namespace)

    def _save(self, namespace: str, family: str) -> Tables:
        try:
            return parse(run([f"{COMMANDS[family]}-save"], namespace=namespace))
        except MissingProgram:  # the first change tells the person, reading does not
            return {}

    def _is_ours(self, namespace: str) -> bool:
        loopback = self._netns.ipr(namespace).link("get", index=LOOPBACK)[0]
        return marked_slice(loopback.get("ifalias"), self._deployment) is not None


class IpsetDriver:
    """Sets of the node's own namespace."""

    kind: type[Resource] = Ipset

    def __init__(self, context: Context) -> None:
        pass

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        try:
            saved = run(["ipset", "save"])
        except MissingProgram:
            return {}
        sets: dict[str, list[str]] = {}
        for verb, name, rest in (line.split(" ", 2) for line in saved.splitlines()):
            if _owner(name):
                members = sets.setdefault(name, [])
                members += [rest] if verb == "add" else _odd(rest)
        found = (Ipset(slice=_owner(n), name=n, members=tuple(sorted(members))) for n, members in sets.items())
        return {ipset.key: ipset for ipset in found}

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        run(["ipset", "restore", "-exist"], "".join(f"{line}\n" for change in changes for line in _set_lines(change)))


def parse(saved: str) -> Tables:
    """Tables of an iptables-save."""
    tables: Tables = {}
    for line in saved.splitlines():
        mark, rest = line[:1], line[1:]
        if mark == "*":
            table = tables.setdefault(rest, {})
        elif mark == ":":
            name, policy, _counters = rest.split(" ", 2)
            table[name] = Rules(policy != "-", [])
        elif mark == "-":
            _verb, name, rule = line.split(" ", 2)
            table[name].rules.append(rule)
    return tables


def _owner(name: str) -> str:
    """Slice of a chain or set; "" when it is not ours."""
    return next((slice_ for prefix, slice_ in OWNERS.items() if name.startswith(prefix)), "")


def _jumps_to(rule: str) -> str:
    """Slice of the chain that a rule jumps to; "" when it is not ours."""
    if not any(prefix in rule for prefix in OWNERS):
        return ""
    words = shlex.split(rule)  # a comment may say anything, in quotes
    return next((_owner(target) for word, target in itertools.pairwise(words) if word in ("-j", "-g")), "")


def _chains(namespace: str, family: str, tables: Tables) -> typing.Iterator[Chain]:
    """What is ours: whole chains, and the jumps of each slice in the built-in ones."""
    for table, chains in tables.items():
        for name, (built_in, rules) in chains.items():
            parts = {_owner(name): rules}
            if built_in:
                parts = {s: [r for r in rules if _jumps_to(r) == s] for s in map(_jumps_to, rules)}
            for slice_, part in parts.items():
                if slice_:
                    yield Chain(
                        slice=slice_,
                        namespace=namespace,
                        family=typing.cast(typing.Literal["ipv4", "ipv6"], family),
                        table=table,
                        name=name,
                        rules=tuple(part),
                    )


def _restore(tables: Tables, changes: typing.Sequence[Change]) -> str:
    """Input of iptables-restore: a transaction for each table."""
    lines: list[str] = []
    for table in dict.fromkeys(typing.cast(Chain, change.subject).table for change in changes):
        mine = [c for c in changes if typing.cast(Chain, c.subject).table == table]
        lines += [f"*{table}", *_table_lines(tables.get(table, {}), mine), "COMMIT"]
    return "".join(f"{line}\n" for line in lines)


def _table_lines(live: dict[str, Rules], changes: typing.Sequence[Change]) -> list[str]:
    """Whole chains are declared, which empties them, before anything jumps to them, and removed when nothing does."""
    declared, jumps, filled, flushed, removed = [], [], [], [], []
    for change in changes:
        chain = typing.cast(Chain, change.subject)
        rules = chain.rules if change.after else ()
        if not _owner(chain.name):
            present = live.setdefault(chain.name, Rules(True, [])).rules
            jumps += _jump_lines(chain.name, present, rules, chain.slice)
        elif change.after:
            declared.append(f":{chain.name} - [0:0]")
            filled += [f"-A {chain.name} {rule}" for rule in rules]
        elif chain.name in live:
            flushed.append(f"-F {chain.name}")
            removed.append(f"-X {chain.name}")
    return [*declared, *jumps, *filled, *flushed, *removed]


def _jump_lines(chain: str, live: list[str], wanted: typing.Sequence[str], slice_: str) -> list[str]:
    """Make the jumps of a slice in a built-in chain the wanted ones; `live` follows.

    Those that stand in the right order stay where they are; new ones go to the top, below those of earlier slices.
    """
    ours = [rule for rule in live if _jumps_to(rule) == slice_]
    kept = [rule for rule in ours if rule in wanted]
    if kept != [rule for rule in wanted if rule in kept]:
        kept = []
    gone = [rule for rule in ours if rule not in kept]
    for rule in gone:
        live.remove(rule)
    earlier = SLICES[: SLICES.index(slice_)]
    position = next((i for i, rule in enumerate(live) if _jumps_to(rule) not in earlier), len(live))
    lines = [f"-D {chain} {rule}" for rule in gone]
    for rule in wanted:
        if rule in kept:
            position = live.index(rule)
        else:
            live.insert(position, rule)
            lines.append(f"-I {chain} {position + 1} {rule}")
        position += 1
    return lines


def _odd(options: str) -> list[str]:
    """A stand-in for a member when a set has another type or size than ours, so that it differs from any wanted one."""
    return [] if options.startswith(f"{SET_TYPE} ") and f"{SET_LIMIT} " in f"{options} " else [f"({options})"]


def _set_lines(change: Change) -> list[str]:
    """Lines of `ipset restore`. New members come before old ones go."""
    name = change.key[0]
    old, new = (set(s.members) if isinstance(s, Ipset) else set() for s in (change.before, change.after))
    if change.after is None:
        return [f"destroy {name}"]
    if change.before is None:
        return _creation(name, new)
    if len(old ^ new) >= BULK or any(member.startswith("(") for member in old):
        other = f"{chain_prefix(change.slice)}swap"
        return [*_creation(other, new), f"swap {other} {name}", f"destroy {other}"]
    return [f"add {name} {m}" for m in sorted(new - old)] + [f"del {name} {m}" for m in sorted(old - new)]


def _creation(name: str, members: typing.Collection[str]) -> list[str]:
    create = f"create {name} {SET_TYPE} {SET_LIMIT}"
    return [create, f"flush {name}", *(f"add {name} {member}" for member in sorted(members))]
