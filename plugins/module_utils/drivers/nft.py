# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Tables of nftables: one of a family is ours as a whole because of its name, and is written in one transaction."""

from __future__ import annotations

import json
import typing

from ..run import run
from ..state import chain_prefix

SLICE: typing.Final = "instances"
TABLE: typing.Final = chain_prefix(SLICE).rstrip("-")

Family = typing.Literal["ip", "bridge"]


def read(family: Family) -> list[dict[str, typing.Any]]:
    """What is in our table of a family, as nft tells it: table, chains, rules; nothing where there is no table."""
    tables = json.loads(run(["nft", "--json", "list", "tables", family]))["nftables"]
    if not any(item.get("table", {}).get("name") == TABLE for item in tables):
        return []
    found: list[dict[str, typing.Any]] = json.loads(run(["nft", "--json", "list", "table", family, TABLE]))["nftables"]
    return found[1:]  # the first one tells the version


def write(family: Family, priority: int, rule: str) -> None:
    """The table with one rule in its chain prerouting, in the place of the table that is there if any; or none."""
    lines = [f"add table {family} {TABLE}", f"delete table {family} {TABLE}"]
    if rule:
        lines += [
            f"add table {family} {TABLE}",
            f"add chain {family} {TABLE} prerouting {{ type filter hook prerouting priority {priority}; }}",
            f"add rule {family} {TABLE} prerouting {rule}",
        ]
    run(["nft", "--file", "-"], "".join(f"{line}\n" for line in lines))
