# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""pydantic, or a stand-in with which our files can at least be read where it is not installed.

Without it, `ansible-test sanity`, which installs nothing, could not import them, and a person whose Ansible runs on
another Python would see a traceback instead of a sentence.
"""

from __future__ import annotations

import sys
import typing

from ..module_utils.errors import TenantnetError

if typing.TYPE_CHECKING:
    import pydantic
    import pydantic_core
else:
    try:
        import pydantic
        import pydantic_core
    except ImportError:

        class Absent:
            """Is whatever a class body or a decorator line asks of pydantic."""

            def __init__(self, *args, **kwargs):
                pass

            def __call__(self, *args, **kwargs):
                return self

        class AbsentPackage:
            """Has every name."""

            def __getattr__(self, name):
                return Absent

        pydantic = pydantic_core = AbsentPackage()

__all__ = ["pydantic", "pydantic_core", "require"]


def require() -> None:
    """Raise TenantnetError, saying where it is missing, unless pydantic is installed."""
    if "pydantic" not in sys.modules:
        raise TenantnetError(f"pydantic is not installed for {sys.executable}, the Python that Ansible runs on")
