# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Names of the labs of tests: each checkout has its own, so that the tests of two of them can run at the same time."""

from __future__ import annotations

import hashlib
import pathlib

ROOT = pathlib.Path(__file__).parents[2]

#: What the names of all labs of this checkout's tests begin with; no name begins another.
PREFIX = f"t{hashlib.sha256(bytes(ROOT)).hexdigest()[:5]}-"


def lab_name(purpose: str) -> str:
    """Name of the lab of one test module."""
    return PREFIX + purpose
