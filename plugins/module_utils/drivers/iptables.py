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

from ..changes import Change, merged
from ..errors import MissingProgram
from ..run import run
from ..state import SLICES, Chain, Ipset, Key, Resource, chain_prefix, owner_name, owner_prefix
from . import Context
from .connections import cut, tracked, translated, untranslated
from .namespaces import LOOPBACK, marked_slice
from .rules import COMMANDS, Rules, Tables, canonical, parse, save

#: Slices that have chains, by the prefix of their names.
OWNERS = {chain_prefix(slice_): slice_ for slice_ in SLICES if slice_ != "guests"}

SET_TYPE = "hash:net family inet"
SET_LIMIT = "maxelem 65536"
#: So many changed members or more make a new set that takes the old one's place at once (Neutron's number).
BULK = 5


class ChainDriver:
    """Chains of each namespace that is wanted or ours: one save to read, one restore to change."""

    kind: type[Resource] = Chain

    def __init__(self, context: Context) -> None:
        self._netns = context.netns
        self._deployment = context.deployment
        self._marks = Marks(context.deployment)

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        mentioned = {chain.namespace for chain in desired.values() if isinstance(chain, Chain)}
        live: dict[Key, Resource] = {}
        for namespace in ["", *(n for n in self._netns.names() if n in mentioned or self._is_ours(n))]:
            for family in ("ipv4", "ipv6"):
                saved = save(namespace, family)
                live |= {c.key: c for c in _chains(self._marks, namespace, family, saved)}
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        groups: dict[tuple[str, str], list[Change]] = {}
        for change in merged(changes):
            chain = typing.cast(Chain, change.subject)
            if change.after is not None or self._netns.exists(chain.namespace):
                groups.setdefault((chain.namespace, chain.family), []).append(change)
        for (namespace, family), group in groups.items():
            tables = parse(run([f"{COMMANDS[family]}-save"], namespace=namespace))
            run([f"{COMMANDS[family]}-restore", "--noflush"], _restore(self._marks, tables, group), namespace)
            gone, new = _rules("nat", (c.before for c in group)), _rules("nat", (c.after for c in group))
            ended = [*map(translated, sorted(gone - new)), *map(untranslated, sorted(new - gone))]
            had, has = _rules("raw", (c.before for c in group)), _rules("raw", (c.after for c in group))
            ended += map(tracked, sorted(has - had))
            cut(self._netns, namespace, dict.fromkeys(selection for selection in ended if selection))

    def canonical(self, chains: typing.Sequence[Chain]) -> list[Chain]:
        """The same chains with their rules as they will be read; raises TenantnetError for what iptables refuses."""
        return canonical(self._netns, chains)

    def _is_ours(self, namespace: str) -> bool:
        """Whether chains of ours may be there: an owner's, in anybody's namespace."""
        if owner_name(self._deployment):
            return True
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
            if _SETS.owner(name):
                members = sets.setdefault(name, [])
                members += [rest] if verb == "add" else _odd(rest)
        found = (Ipset(slice=_SETS.owner(n), name=n, members=tuple(sorted(members))) for n, members in sets.items())
        return {ipset.key: ipset for ipset in found}

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        run(["ipset", "restore", "-exist"], "".join(f"{line}\n" for change in changes for line in _set_lines(change)))


class Marks:
    """Whose a chain is, by its name. An owner's jumps stand below those of a deployment, which is told apart too."""

    def __init__(self, deployment: str) -> None:
        name = owner_name(deployment)
        self._owners = {**OWNERS, owner_prefix(name): "iptables"} if name else OWNERS

    def owner(self, name: str) -> str:
        """Slice of a chain; "" when it is not ours."""
        return next((slice_ for prefix, slice_ in self._owners.items() if name.startswith(prefix)), "")

    def jumps_to(self, rule: str) -> str:
        """Slice of the chain that a rule jumps to; "" when it is not ours."""
        if not any(prefix in rule for prefix in self._owners):
            return ""
        words = shlex.split(rule)  # a comment may say anything, in quotes
        return next((self.owner(target) for word, target in itertools.pairwise(words) if word in ("-j", "-g")), "")


_SETS: typing.Final = Marks("")


def _chains(marks: Marks, namespace: str, family: str, tables: Tables) -> typing.Iterator[Chain]:
    """What is ours: whole chains, and the jumps of each slice in the built-in ones."""
    for table, chains in tables.items():
        for name, (built_in, rules) in chains.items():
            parts = {marks.owner(name): rules}
            if built_in:
                parts = {s: [r for r in rules if marks.jumps_to(r) == s] for s in map(marks.jumps_to, rules)}
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


def _rules(table: str, chains: typing.Iterable[Resource | None]) -> set[str]:
    return {rule for chain in chains if isinstance(chain, Chain) and chain.table == table for rule in chain.rules}


def _restore(marks: Marks, tables: Tables, changes: typing.Sequence[Change]) -> str:
    """Input of iptables-restore: a transaction for each table."""
    lines: list[str] = []
    for table in dict.fromkeys(typing.cast(Chain, change.subject).table for change in changes):
        mine = [c for c in changes if typing.cast(Chain, c.subject).table == table]
        lines += [f"*{table}", *_table_lines(marks, tables.get(table, {}), mine), "COMMIT"]
    return "".join(f"{line}\n" for line in lines)


def _table_lines(marks: Marks, live: dict[str, Rules], changes: typing.Sequence[Change]) -> list[str]:
    """Whole chains are declared, which empties them, before anything jumps to them, and removed when nothing does."""
    declared, jumps, filled, flushed, removed = [], [], [], [], []
    for change in changes:
        chain = typing.cast(Chain, change.subject)
        rules = chain.rules if change.after else ()
        if not marks.owner(chain.name):
            present = live.setdefault(chain.name, Rules(True, [])).rules
            jumps += _jump_lines(marks, chain.name, present, rules, chain.slice)
        elif change.after:
            declared.append(f":{chain.name} - [0:0]")
            filled += [f"-A {chain.name} {rule}" for rule in rules]
        elif chain.name in live:
            flushed.append(f"-F {chain.name}")
            removed.append(f"-X {chain.name}")
    return [*declared, *jumps, *filled, *flushed, *removed]


def _jump_lines(marks: Marks, chain: str, live: list[str], wanted: typing.Sequence[str], slice_: str) -> list[str]:
    """Make the jumps of a slice in a built-in chain the wanted ones; `live` follows.

    Those that stand in the right order stay where they are; new ones go to the top, below those of earlier slices.
    """
    ours = [rule for rule in live if marks.jumps_to(rule) == slice_]
    kept = [rule for rule in ours if rule in wanted]
    if kept != [rule for rule in wanted if rule in kept]:
        kept = []
    gone = [rule for rule in ours if rule not in kept]
    for rule in gone:
        live.remove(rule)
    earlier = SLICES[: SLICES.index(slice_)] if slice_ in SLICES else SLICES
    position = next((i for i, rule in enumerate(live) if marks.jumps_to(rule) not in earlier), len(live))
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
