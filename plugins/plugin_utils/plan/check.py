# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A check: one sentence about the running network that can be measured."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping

Group = typing.Literal[
    "structure",
    "leases",
    "names",
    "metadata",
    "switching",
    "routing",
    "floating",
    "security",
    "spoofing",
    "node",
    "isolation",
    "exhaustion",
]

#: In the order in which people want to read them: what is there, what works, what must not.
GROUPS: typing.Final[tuple[Group, ...]] = typing.get_args(Group)

#: What takes so much of a node that others may feel it: measured only by who asks for it.
DISTURBING: typing.Final[tuple[Group, ...]] = ("exhaustion",)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to measure. `negative`: it is about what must not work; each such measurement has a control.

    `kind` names the function of plugin_utils/verify that measures it, `args` is all that this function needs. `attack`
    is one of attacks.py that it tries, if any.
    """

    id: str
    title: str
    group: Group
    node: str
    kind: str
    args: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    negative: bool = False
    requires_guest: bool = False
    attack: str = ""


def to_json(check: Check) -> dict[str, typing.Any]:
    """Plain data, for the file that tests/datapath reads."""
    return dataclasses.asdict(check)


def from_json(data: Mapping[str, typing.Any]) -> Check:
    """The inverse of `to_json`; raises TypeError for fields that this version does not know."""
    return Check(**data)
