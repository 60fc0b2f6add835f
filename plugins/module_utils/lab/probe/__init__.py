# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Probe: what verification runs inside a network namespace, with nothing but the standard library.

It is shipped to a machine (plugin_utils/verify/session.py) and run by the machine's own Python, so nothing here imports
from outside this directory.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which takes long to load for a program that runs so often
if TYPE_CHECKING:
    from typing import Any

Json = dict[str, "Any"]
