# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a measurement can end with besides success."""

from __future__ import annotations


class Unmet(AssertionError):
    """What was measured is not what must be: what was expected, what was seen, and where to look."""

    def __init__(self, expected: str, seen: str, look: str) -> None:
        super().__init__(f"expected: {expected}\nseen:     {seen}\nlook at:  {look}")


class NotMeasured(Exception):
    """It could not be asked, which is no success."""
