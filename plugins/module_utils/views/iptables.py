# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""iptables chains: whole ones that are ours, and our jumps in built-in ones."""

from __future__ import annotations

import re
import typing

from ..drivers.iptables import ChainDriver
from ..errors import TenantnetError
from ..owned import Drivers
from ..resources import Item, View
from ..state import Chain, Resource, owner_prefix
from . import words

DEFAULTS: typing.Final = {"namespace": "", "family": "ipv4", "table": "filter", "rules": ()}

_CHAIN = re.compile(r"[A-Za-z0-9_.-]{1,28}")
_TARGET = re.compile(r"(?:^|\s)(?:-j|-g|--jump|--goto)\s+(\S+)")


def normal(item: Item, owner: str) -> Item:
    """A chain bears its owner's prefix; in a built-in one (upper case) only jumps to such chains are the owner's."""
    name, prefix = item["name"], owner_prefix(owner)
    if not _CHAIN.fullmatch(name):
        raise TenantnetError(f"chain {name!r}: a name has 1 to 28 letters, digits, dots, hyphens and underscores")
    if not name.isupper() and not name.startswith(prefix):
        raise TenantnetError(f"chain {name}: names of chains of owner {owner} begin with {prefix}")
    if item.get("namespace"):
        words.label(item["namespace"], "namespace")
    for rule in item.get("rules", ()) if name.isupper() else ():
        target = _TARGET.search(rule)
        if not target or not target[1].startswith(prefix):
            raise TenantnetError(
                f"chain {name}, rule {rule!r}: a built-in chain is everybody's, so all that owner {owner} can have "
                f"there are jumps to his chains, like -j {prefix}{name.lower()}"
            )
    return {"namespace": "", **item}


def build(item: Item) -> list[Resource]:
    """One chain; a built-in one without jumps is nothing of ours."""
    chain = Chain(slice=VIEW.name, **{**DEFAULTS, **words.fields(item)})
    return [chain] if chain.rules or not chain.name.isupper() else []


def show(resources: typing.Sequence[Resource]) -> list[Item]:
    """All options of each chain; the node's own namespace goes without saying."""
    return [words.shown(chain, defaults={"namespace": ""}) for chain in resources]


def prepare(drivers: Drivers, items: list[Item]) -> list[Item]:
    """Rules in the words of iptables-save."""
    chains = [Chain(slice=VIEW.name, **{**DEFAULTS, **words.fields(item)}) for item in items]
    canonical = typing.cast(ChainDriver, drivers[Chain]).canonical(chains)
    return [
        {**item, "rules": list(chain.rules)} if "rules" in item else item
        for item, chain in zip(items, canonical, strict=True)
    ]


VIEW: typing.Final = View(
    name="iptables",
    kinds=(Chain,),
    key=("namespace", "family", "table", "name"),
    normal=normal,
    build=build,
    show=show,
    prepare=prepare,
)
