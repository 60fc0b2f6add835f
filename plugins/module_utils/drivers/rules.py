# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The words of iptables-save, and how what people write is turned into them.

Only iptables itself knows that `-p tcp --dport 80` is `-p tcp -m tcp --dport 80`. It is asked in a network namespace
that nobody else sees and that ends with the question, so that nothing on the node changes.
"""

from __future__ import annotations

import dataclasses
import re
import typing

from ..errors import MissingProgram, TenantnetError
from ..netns import Netns
from ..run import run
from ..state import Chain, Key

COMMANDS = {"ipv4": "iptables", "ipv6": "ip6tables"}

#: What iptables-save says, by table and chain.
Tables = dict[str, dict[str, "Rules"]]


class Rules(typing.NamedTuple):
    """A live chain."""

    built_in: bool
    rules: list[str]


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


def save(namespace: str, family: str) -> Tables:
    """All chains of a namespace; none where iptables is not installed: the first change tells the person."""
    try:
        return parse(run([f"{COMMANDS[family]}-save"], namespace=namespace))
    except MissingProgram:
        return {}


def canonical(netns: Netns, chains: typing.Sequence[Chain]) -> list[Chain]:
    """The same chains, in the same order, with their rules as iptables-save prints them; raises TenantnetError."""
    rules: dict[Key, tuple[str, ...]] = {}
    for namespace, family in dict.fromkeys((chain.namespace, chain.family) for chain in chains):
        mine = [chain for chain in chains if (chain.namespace, chain.family) == (namespace, family)]
        tables = _tried(netns, _lines(mine, save(namespace, family)), family, _sets(mine))
        rules |= {chain.key: tuple(tables[chain.table][chain.name].rules) for chain in mine if chain.rules}
    return [dataclasses.replace(chain, rules=rules.get(chain.key, ())) for chain in chains]


class _Line(typing.NamedTuple):
    """A line for iptables-restore, and what it comes from, in words."""

    text: str
    origin: str = ""


_NUMBER = re.compile(r"line:? (\d+)")
_NOISE = re.compile(r"\S+-restore(?: failed:| v\S+ \(\S+\):)|Error occurred at line.*|Try `.*")


def _lines(chains: typing.Sequence[Chain], live: Tables) -> list[_Line]:
    """The chains, and empty ones of the names that their rules may jump to."""
    lines: list[_Line] = []
    for table in dict.fromkeys(chain.table for chain in chains):
        mine = [chain for chain in chains if chain.table == table]
        names = {name for name, rules in live.get(table, {}).items() if not rules.built_in}
        names |= {chain.name for chain in mine if not chain.name.isupper()}
        lines += [_Line(f"*{table}"), *(_Line(f":{name} - [0:0]") for name in sorted(names))]
        for chain in mine:
            lines += [_Line(f"-A {chain.name} {rule}", f"chain {chain.name}, rule {rule!r}") for rule in chain.rules]
        lines.append(_Line("COMMIT"))
    return lines


def _sets(chains: typing.Sequence[Chain]) -> str:
    """The sets of the chains' namespace, where a rule speaks of one."""
    speaking = [chain for chain in chains if any("--match-set" in rule for rule in chain.rules)]
    return run(["ipset", "save"], namespace=speaking[0].namespace) if speaking else ""


def _tried(netns: Netns, lines: typing.Sequence[_Line], family: str, sets: str) -> Tables:
    """What is read when these lines have been carried out."""
    with netns.scratch():
        if sets:
            run(["ipset", "restore"], sets)
        try:
            run([f"{COMMANDS[family]}-restore"], "".join(f"{line.text}\n" for line in lines))
        except TenantnetError as exc:
            number = _NUMBER.search(str(exc))
            origin = lines[int(number[1]) - 1].origin if number else ""
            if not origin:
                raise
            raise TenantnetError(f"{origin}: {' '.join(_NOISE.sub('', str(exc)).split())}") from exc
        return parse(run([f"{COMMANDS[family]}-save"]))
