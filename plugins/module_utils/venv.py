# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The node's own Python: a virtual environment with the packages that were asked for, and what they need.

It stands beside what the distribution has, which is too old, and is made anew when its packages or the distribution's
Python change. What it is made of is written beside it last, by whoever has it made: where that is, the rest is.
"""

from __future__ import annotations

import pathlib
import sys
import typing

from .run import run
from .state import STATE_DIR

DIRECTORY = pathlib.Path(STATE_DIR, "venv")
PYTHON = DIRECTORY / "bin/python"


def made_of(requirements: typing.Sequence[str]) -> str:
    """What an environment with these packages is made of: text for a comparison, one thing a line."""
    return "\n".join([f"# Python {'.'.join(map(str, sys.version_info[:2]))}", *sorted(requirements), ""])


def make(requirements: typing.Sequence[str], wheels: str = "") -> None:
    """Make it anew, without any index when there is a directory of wheels; raises TenantnetError."""
    run([sys.executable, "-m", "venv", "--clear", str(DIRECTORY)])
    pip = [str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-cache-dir"]
    source = ["--no-index", f"--find-links={wheels}"] if wheels else []
    run([*pip, *source, *requirements])
