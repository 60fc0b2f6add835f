# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The view of one project that checks share."""

from __future__ import annotations

import functools
import typing

from ..errors import shown, suggest
from ..raw import Limits, Project, Raw
from ..relations import NetworkKey, limits, usable, ways_out
from ..source import Path, Report


class Scope:
    """One project of a topology, and where its problems go."""

    def __init__(self, raw: Raw, name: str, report: Report) -> None:
        self.raw = raw
        self.name = name
        self.report = report

    @property
    def project(self) -> Project:
        """What its members wrote."""
        return self.raw.projects[self.name]

    @property
    def limits(self) -> Limits:
        """What the administrators allow it."""
        return limits(self.raw, self.name)

    @functools.cached_property
    def ways_out(self) -> dict[str, dict[str, str]]:
        """See relations.ways_out."""
        return ways_out(self.raw, self.name)

    @functools.cached_property
    def usable(self) -> dict[str, NetworkKey]:
        """See relations.usable."""
        return usable(self.raw, self.name)

    def add(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        """Tell a problem of the project's file."""
        self.report.add(self.raw.project_file(self.name), path, message, hint, key=key)

    def known(self, path: Path, kind: str, name: str, known: typing.Iterable[str]) -> bool:
        """Whether a name is known; tells when it is not."""
        names = list(known)
        if name not in names:
            self.add(path, f"there is no {kind} {shown(name)}", suggest(name, names))
        return name in names
