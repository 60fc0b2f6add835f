# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Waiting for a named condition."""

from __future__ import annotations

import time
import typing

from .errors import TenantnetError

INTERVAL = 0.02  # seconds between two looks


def wait_for(condition: typing.Callable[[], object], deadline: float, what: str) -> None:
    """Wait until a condition holds; raises TenantnetError, naming what was waited for, after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise TenantnetError(f"waited {deadline:g} s in vain for {what}")
        time.sleep(INTERVAL)
