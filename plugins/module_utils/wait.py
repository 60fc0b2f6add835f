# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Waiting for a named condition."""

from __future__ import annotations

import time
import typing

from .errors import TenantnetError

T = typing.TypeVar("T")

INTERVAL = 0.01  # seconds between two looks


def until(condition: typing.Callable[[], T], what: str, seconds: float = 10.0) -> T:
    """Wait until a condition holds and return what it gave; raises TenantnetError, naming it, after so many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TenantnetError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(INTERVAL)
    return value
