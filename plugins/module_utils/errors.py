# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The errors that people see. Each is one sentence (or a list of them): what is wrong, where, what would be right."""

from __future__ import annotations


class TenantnetError(Exception):
    """Any failure that is told to a person; its text needs no traceback to be understood."""


class MissingProgram(TenantnetError):
    """A program that the node needs is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"{program} is not installed on this node (Debian package {package})")


class Refused(TenantnetError):
    """The thing exists and is not ours, so it is neither changed nor removed."""


class ApplyFailed(TenantnetError):
    """A change could not be made; its text tells whether the node is as it was before."""
