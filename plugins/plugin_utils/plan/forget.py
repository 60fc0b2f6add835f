# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A node that left the inventory and is gone for good: nobody else can say that it carries nothing any more."""

from __future__ import annotations

import typing

from ...module_utils.errors import Refused
from .lock import Lock, confirmed


def forgotten(lock: Lock, node: str, inventory: typing.Collection[str]) -> Lock:
    """The lock after a person said that a node is gone for good; raises Refused for one that may not be."""
    if node in inventory:
        raise Refused(f"{node} is in the inventory: take it out first if it is gone for good, and run site.yml")
    waiting = {name for pin in (*lock.pins, *lock.retiring) for name in (*pin.nodes, *pin.leaving)}
    if node not in waiting:
        others = ", ".join(sorted(waiting - set(inventory))) or "none outside the inventory"
        raise Refused(f"no value of the lock file waits for a node '{node}'; nodes that one waits for: {others}")
    return confirmed(lock, [node])
