# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a person reads of a verification: a line a section while it runs, and every failure in full at the end.

Sections are the groups of checks, or the attacks that checks try.
"""

from __future__ import annotations

import collections
import dataclasses
import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence

from ..plan.attacks import ATTACKS
from ..plan.check import Check

Outcome = typing.Literal["passed", "failed", "skipped"]
By = typing.Literal["group", "attack"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a check ended. `message` says why it failed or was not measured; `diagnostics` are (command, output)."""

    check: Check
    outcome: Outcome
    seconds: float
    message: str = ""
    diagnostics: Sequence[Sequence[str]] = ()


class Summary:
    """Results so far. Checks come section by section, so that a section has ended when the next one begins."""

    def __init__(self, checks: Sequence[Check], by: By = "group") -> None:
        self.by = by
        self.expected = collections.Counter(self._section(c) for c in checks)
        self.results: list[Result] = []

    def _section(self, check: Check) -> str:
        return str(getattr(check, self.by))

    def add(self, result: Result) -> str | None:
        """Take in a result; the line of its section when it was the last one of it."""
        self.results.append(result)
        section = self._section(result.check)
        mine = self.of(section)
        return LINES[self.by](section, mine) if len(mine) == self.expected[section] else None

    def of(self, section: str) -> list[Result]:
        """Results of one section."""
        return [r for r in self.results if self._section(r.check) == section]

    @property
    def failed(self) -> list[Result]:
        """What is not as it must be."""
        return [r for r in self.results if r.outcome == "failed"]

    def counts(self) -> dict[str, dict[str, int]]:
        """Numbers by section, for machines."""
        return {section: _counts(self.of(section)) for section in self.expected}

    def failures(self) -> Iterator[str]:
        """Each failure in full; what failed for one reason stands together."""
        reasons: dict[str, list[str]] = {}
        for result in self.failed:
            reasons.setdefault(result.message.strip(), []).append(f"✗ {result.check.title}")
        for message, titles in reasons.items():
            yield "\n".join([*titles, textwrap.indent(message, "    ")])

    def not_measured(self) -> Iterator[str]:
        """Reasons for what could not be measured, with the number of checks that they struck."""
        reasons = collections.Counter(r.message.removeprefix("not measured: ") for r in self._skipped())
        for reason, number in reasons.items():
            yield f"{number} not measured: {reason}"

    def _skipped(self) -> Iterator[Result]:
        return (r for r in self.results if r.outcome == "skipped")

    def diagnostics(self) -> str:
        """What was seen on the nodes of failed checks, for a file."""
        parts = []
        for result in self.failed:
            parts.append(f"===== {result.check.title} ({result.check.id})\n{result.message}\n")
            parts += [f"--- {command}\n{output}\n" for command, output in result.diagnostics]
        return "\n".join(parts)


def line(group: str, results: Sequence[Result]) -> str:
    """One group, on one line."""
    counts, negative = _counts(results), sum(r.check.negative for r in results)
    parts = [f"{counts['passed']:>4} ok"]
    parts += [f"{counts[word]} {word.replace('_', ' ')}" for word in ("failed", "not_measured") if counts[word]]
    parts += [f"{negative} of {len(results)} about what must not work"] if negative else []
    return f"{group:<11}{sum(r.seconds for r in results):>6.1f} s {', '.join(parts)}"


def attack_line(attack: str, results: Sequence[Result]) -> str:
    """One attack, on one line: how often and where it was tried, how it ended, and its control."""
    counts, nodes = _counts(results), ", ".join(sorted({r.check.node for r in results}))
    mark, ended = "✓", "blocked"
    if counts["not_measured"]:
        mark, ended = "?", f"{counts['not_measured']} not measured"
    if counts["failed"]:
        mark, ended = "✗", f"{counts['failed']} NOT BLOCKED"
    return f"{mark} {attack:<37}{len(results):>3} on {nodes:<37} {ended}; control: {ATTACKS[attack]}"


LINES: typing.Final = {"group": line, "attack": attack_line}


def _counts(results: Sequence[Result]) -> dict[str, int]:
    by = collections.Counter(r.outcome for r in results)
    return {"passed": by["passed"], "failed": by["failed"], "not_measured": by["skipped"]}


def result(checks: Mapping[str, Check], data: Mapping[str, typing.Any]) -> Result:
    """A line of the report of tests/datapath."""
    unknown = Check(id=data["id"], title=data["id"], group="structure", node="", kind="")
    return Result(
        check=checks.get(data["id"], unknown),
        outcome=data["outcome"],
        seconds=data["seconds"],
        message=data["message"],
        diagnostics=data["diagnostics"],
    )
