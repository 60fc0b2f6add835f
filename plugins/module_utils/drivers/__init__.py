# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Drivers: one for each kind of resource, all with the same three verbs.

A driver knows its kind of thing (bridges, links, rules) and nothing of networks, routers or projects. The engine alone
decides what is to be changed and in which order.
"""

from __future__ import annotations

import dataclasses
import typing

from ..changes import Change
from ..netns import Netns
from ..ovsdb import Ovsdb
from ..state import Key, Resource


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """What all drivers of one run share: whose node this is, and the open connections to it."""

    deployment: str
    ovsdb: Ovsdb
    netns: Netns

    def close(self) -> None:
        """Close the connections; the context is of no use afterwards."""
        self.ovsdb.close()
        self.netns.close()


class Driver(typing.Protocol):
    """What the engine asks of each kind of resource."""

    kind: type[Resource]

    def __init__(self, context: Context) -> None: ...

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """What is live and ours, in canonical form; a missing parent (no socket, no bridge) reads as empty.

        `desired` is a hint for what cannot carry a mark, and for the spelling of what can be written in several ways.
        """

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """Sentences about things of others that stand in the way of what is desired."""

    def apply(self, changes: typing.Sequence[Change]) -> None:
        """Carry out the changes in as few calls as possible; raises TenantnetError when one cannot be made."""
