# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Reads YAML that others wrote into plain data, and remembers where each part of it stands.

The files are untrusted. They are read from the parser's events, so that nothing is ever built for a tag, no alias is
ever followed, and a file that is too large or too deep costs no more than noticing it. Scalars are those of YAML 1.2's
core schema: `yes`, `22:23` and `2026-01-01` are text, as they look. Jinja is text like any other.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import re
import stat
import typing

import yaml

from .errors import Problem, TopologyErrors, shortened

Path = tuple[str | int, ...]
Mark = tuple[int, int]  # line, column; from 1

MAX_BYTES: typing.Final = 1 << 20
MAX_DEPTH: typing.Final = 32
MAX_VALUES: typing.Final = 200_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: value for value in (True, False) for word in (str(value), str(value).lower(), str(value).upper())
}


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: its key (or itself, in a list) and, of a scalar, the value."""

    key: Mark
    value: Mark


class Sources:
    """The origins of all files that were read, by the name that people see."""

    def __init__(self) -> None:
        self.origins: dict[str, dict[Path, Origin]] = {}
        self.groups: dict[str, set[str]] = {}  # of each host: where else in hosts.yml its variables may stand

    def problem(self, file: str, path: Path, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """A problem with the value at a path, or with its key. A path that is not there is its nearest parent."""
        origins = self.origins.get(file, {})
        while path and path not in origins:
            path = path[:-1]
        origin = origins.get(path)
        line, column = (origin.key if key else origin.value) if origin and path else (0, 0)
        return Problem(file=file, line=line, column=column, path=dotted(path), message=message, hint=hint)


class Report:
    """Collects the problems of a phase, which `stop` then raises together."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.problems: list[Problem] = []

    def add(self, file: str, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        """Tell a problem; see Sources.problem."""
        self.problems.append(self.sources.problem(file, path, message, hint, key=key))

    def stop(self) -> None:
        """Raise TopologyErrors when anything is wrong."""
        if self.problems:
            raise TopologyErrors(self.problems)


def dotted(path: Path) -> str:
    """A path as people write it: "ports[0].network"."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{shortened(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def read(path: pathlib.Path, name: str, report: Report, times: int = 1) -> typing.Any:
    """The data of a YAML file, whose problems go to the report; what cannot be read is None.

    `times` widens the limits for a file that tenantnet itself wrote.
    """
    try:
        text = _text(path, MAX_BYTES * times)
    except (OSError, ValueError) as exc:
        reason = (exc.strerror or "").lower() if isinstance(exc, OSError) else str(exc)
        if isinstance(exc, OSError) and exc.errno == errno.ELOOP:
            reason = "it is a symbolic link"
        report.problems.append(Problem(file=name, message=f"cannot be read: {reason}"))
        return None
    return parse(text, name, report, times)


def parse(text: str, name: str, report: Report, times: int = 1) -> typing.Any:
    """The data of a YAML text; `report.sources` learns where each part of it stands."""
    reader = _Reader(name, text, MAX_VALUES * times)
    report.sources.origins[name] = reader.origins
    data = reader.document()
    report.problems.extend(reader.problems)
    return data


def _text(path: pathlib.Path, limit: int) -> str:
    # O_NOFOLLOW, O_NONBLOCK: a member could lay a link to a secret, or a FIFO, where the file is expected.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it is larger than {limit >> 20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None


class _Stop(Exception):
    """Reading on makes no sense."""


class _Reader:
    """One pass over the events of one file."""

    def __init__(self, name: str, text: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.origins: dict[Path, Origin] = {}
        self.problems: list[Problem] = []
        self._events: typing.Iterator[typing.Any] = yaml.parse(text, Loader=_LOADER)
        self._text = text
        self._values = 0

    def document(self) -> typing.Any:
        """The data of the file's one document."""
        data = None
        try:
            event = self._next(yaml.StreamStartEvent, yaml.DocumentStartEvent)
            if not isinstance(event, yaml.StreamEndEvent):
                data = self._value(event, ())
                event = self._next(yaml.DocumentEndEvent)
            if isinstance(event, yaml.DocumentStartEvent):
                self._add(event, (), "a second document begins here; a file holds one")
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            message, hint = f"is not valid YAML: {exc.problem}", _context(exc)
            if self._text.split("\n")[line - 1][column - 1 : column] == "\t":
                hint = "this is a tab; YAML is indented with spaces"
            self.problems.append(Problem(file=self.name, line=line, column=column, message=message, hint=hint))
        except yaml.YAMLError:
            self.problems.append(Problem(file=self.name, message="is not valid YAML: it holds control characters"))
        except _Stop:
            pass
        return data

    def _next(self, *skipped: type[yaml.Event]) -> typing.Any:
        return next(event for event in self._events if not isinstance(event, skipped))

    def _value(self, event: typing.Any, path: Path) -> typing.Any:
        self._values += 1
        if self._values > self.limit or len(path) > MAX_DEPTH:
            much = (
                f"nests deeper than {MAX_DEPTH} levels" if len(path) > MAX_DEPTH else f"holds over {self.limit} values"
            )
            self._add(event, (), f"the file {much}")
            raise _Stop
        if isinstance(event, yaml.AliasEvent):
            self._add(event, path, f"aliases (*{event.anchor}) are not allowed; write the value again")
            return None
        self._refuse_magic(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return _scalar(event)

    def _refuse_magic(self, event: typing.Any, path: Path) -> None:
        if event.anchor is not None:
            self._add(event, path, f"anchors (&{event.anchor}) are not allowed; write the value where it is needed")
        if event.tag is not None:
            self._add(event, path, f"tags ({event.tag}) are not allowed; write the plain value")

    def _mapping(self, path: Path) -> dict[str, typing.Any]:
        data: dict[str, typing.Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            value_event = next(self._events)
            value_path = (*path, key)
            if key in data:
                line = self.origins[value_path].key[0]
                self._add(event, value_path, f"'{key}' is written twice; the first is in line {line}")
            scalar = isinstance(value_event, yaml.ScalarEvent) and value_event.value != ""
            self.origins[value_path] = Origin(_mark(event), _mark(value_event if scalar else event))
            data[key] = self._value(value_event, value_path)
        return data

    def _key(self, event: typing.Any, path: Path) -> str:
        if isinstance(event, yaml.AliasEvent) or not isinstance(event, yaml.ScalarEvent):
            self._add(event, path, "a key must be text")
            raise _Stop
        self._refuse_magic(event, path)
        if not event.style and event.value == "<<":
            self._add(event, path, "merge keys (<<) are not allowed; write the keys where they are needed")
        elif not isinstance(_scalar(event), str):
            self._add(event, path, f"the key {event.value or 'null'} must be text", f"write '{event.value}' in quotes")
        return str(event.value)

    def _sequence(self, path: Path) -> list[typing.Any]:
        items: list[typing.Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item_path = (*path, len(items))
            self.origins[item_path] = Origin(_mark(event), _mark(event))
            items.append(self._value(event, item_path))
        return items

    def _add(self, event: typing.Any, path: Path, message: str, hint: str = "") -> None:
        line, column = _mark(event)
        self.problems.append(
            Problem(file=self.name, line=line, column=column, path=dotted(path), message=message, hint=hint)
        )


def _mark(event: typing.Any) -> Mark:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _scalar(event: typing.Any) -> typing.Any:
    text = event.value
    if event.style:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    return float(text) if _FLOAT.fullmatch(text) else text


def _context(error: yaml.MarkedYAMLError) -> str:
    """Where that began in which the parser met the mistake: a bracket that was never closed."""
    mark = error.context_mark
    if not mark or not error.context or "next token" in error.context:
        return ""
    return f"{error.context} that begins at {mark.line + 1}:{mark.column + 1}"
