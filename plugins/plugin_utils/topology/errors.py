# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a topology: all of it at once, each thing with its place, in the style of a good compiler."""

from __future__ import annotations

import dataclasses
import difflib
import os
import pathlib
import typing

from ...module_utils.errors import TenantnetError
from ...module_utils.printable import printable


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing that is wrong, where it stands and what would be right. Line 0: no line of the file is to blame."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""  # of keys, in the file: "instances.web.ports[0].fixed_ip"
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        said = f"{self.message}; {self.hint}" if self.hint else self.message
        return printable(": ".join(part for part in (place, self.path, said) if part))


class TopologyErrors(TenantnetError):
    """Everything that is wrong, sorted by place; a problem that several readers met is told once."""

    def __init__(self, problems: typing.Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))

    def below(self, directory: str, elsewhere: typing.Mapping[str, str] | None = None) -> TopologyErrors:
        """The same, with files named as they are found: below a directory, or below that which `elsewhere` names."""
        return TopologyErrors(
            dataclasses.replace(p, file=f"{(elsewhere or {}).get(p.file, directory)}/{p.file}") for p in self.problems
        )


def from_here(directory: pathlib.Path) -> str:
    """A path that an editor opens from where the program was called."""
    relative = os.path.relpath(directory)
    return str(directory) if relative.startswith("..") else relative


def suggest(word: str, known: typing.Iterable[str]) -> str:
    """A hint for a word that is not among the known ones: the one that was probably meant, else what there is."""
    words = list(dict.fromkeys(known))
    if close := difflib.get_close_matches(word, words, n=1):
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(words)}" if 0 < len(words) <= 10 else ""


def shortened(text: str) -> str:
    """As much of a text as people want to read of it."""
    return text if len(text) <= 80 else text[:79] + "…"


def shown(value: object) -> str:
    """A value as people would call it."""
    if isinstance(value, str):
        return f"'{shortened(value)}'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    return "nothing" if value is None else "a list" if isinstance(value, list | tuple) else "a mapping"
