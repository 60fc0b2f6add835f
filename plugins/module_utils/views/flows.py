# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""OpenFlow rules."""

from __future__ import annotations

import re
import typing

from ..errors import TenantnetError
from ..resources import Item, View
from ..state import Flow, Resource
from . import words

#: What has an option of its own, or is not supported.
_ELSEWHERE = re.compile(r"\b(table|priority|cookie|idle_timeout|hard_timeout|actions)=")
_PORT = re.compile(r"\b(in_port=|output:)([^\s\",()]+)")
_KEYWORD = re.compile(r"[A-Z_]+|(NXM|OXM|reg)\S*")  # LOCAL, IN_PORT, NXM_NX_REG0[]


def normal(item: Item, owner: str) -> Item:
    """Ports by name, in double quotes."""
    what = f"flow of bridge {words.device(item['bridge'], 'bridge')}"
    words.number(item["table"], 0, 254, f"{what}, table")
    words.number(item["priority"], 0, 65535, f"{what}, priority")
    match = "".join(item["match"].split())
    if found := _ELSEWHERE.search(match):
        raise TenantnetError(f"{what}: {found[0]} cannot be part of match {item['match']!r}")
    actions = {"actions": _quoted(item["actions"].strip(), what)} if "actions" in item else {}
    return {**item, "match": _quoted(match, what), **actions}


def _quoted(text: str, what: str) -> str:
    def quote(found: re.Match[str]) -> str:
        if found[2].isdecimal():
            raise TenantnetError(f"{what}: {found[0]} is a port by its number, which may change; give its name")
        return found[0] if _KEYWORD.fullmatch(found[2]) else f'{found[1]}"{found[2]}"'

    return _PORT.sub(quote, text)


def build(item: Item) -> list[Resource]:
    """One flow."""
    if not item.get("actions"):
        raise TenantnetError(f"flow of bridge {item['bridge']}, match {item['match']!r}: actions are missing")
    return [Flow(slice=VIEW.name, **item)]


def hint(item: Item) -> list[Resource]:
    """A flow is known by its match alone."""
    return build({"actions": "drop", **item})


def show(resources: typing.Sequence[Resource]) -> list[Item]:
    """All options of each flow."""
    return [words.shown(flow) for flow in resources]


VIEW: typing.Final = View(
    name="flows",
    kinds=(Flow,),
    key=("bridge", "table", "priority", "match"),
    normal=normal,
    build=build,
    hint=hint,
    show=show,
)
