# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Reads a whole topology: the inventory's hosts, provider.yml and the projects' files.

All problems of what one file says (its YAML, its fields) are told at once. Nothing is chosen here; what the files say
together is checked with what is there already (plan/allocate.py).
"""

from __future__ import annotations

import pathlib
import typing

from ..third_party import pydantic
from . import inventory
from .errors import suggest
from .messages import collect
from .raw import Project, Provider, Raw
from .source import Report, Sources, parse, read

T = typing.TypeVar("T", bound=pydantic.BaseModel)


def load(
    directory: pathlib.Path, hosts: typing.Sequence[inventory.Host], hosts_file: pathlib.Path | None = None
) -> Raw:
    """The topology in a directory for the hosts of an inventory; `hosts_file` is read only to tell lines.

    Raises TopologyErrors with everything that is wrong with any of them.
    """
    report = Report(Sources())
    _learn_lines(hosts_file, report)
    deployment, nodes = inventory.nodes(hosts, report)
    provider = part(directory / "provider.yml", f"{directory.name}/provider.yml", Provider, report)
    projects = _projects(directory, report)
    if provider:
        _known(projects, provider, f"{directory.name}/projects", report)
    report.stop()
    return Raw(
        deployment=deployment,
        nodes=nodes,
        provider=provider or Provider(),
        projects={name: project or Project() for name, project in projects.items()},
        sources=report.sources,
        directory=directory.name,
    )


def _learn_lines(hosts_file: pathlib.Path | None, report: Report) -> None:
    """Ansible has read this file already, and allows what a topology does not: its problems are none of ours."""
    if hosts_file and hosts_file.is_file():
        parse(hosts_file.read_text(encoding="utf-8", errors="replace"), inventory.FILE, Report(report.sources))


def _projects(directory: pathlib.Path, report: Report) -> dict[str, Project | None]:
    found: dict[str, Project | None] = {}
    folder = directory / "projects"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = f"{directory.name}/projects/{path.name}"
        if path.suffix == ".yml":
            found[path.stem] = part(path, name, Project, report)
        elif path.suffix in (".yaml", ".json"):
            report.add(name, (), "is not read: the file of a project is called <project>.yml")
    return found


def _known(projects: typing.Iterable[str], provider: Provider, folder: str, report: Report) -> None:
    for name in projects:
        if name not in provider.projects:
            hint = suggest(name, provider.projects)
            report.add(f"{folder}/{name}.yml", (), f"'{name}' is not a project of provider.yml", hint)


def part(path: pathlib.Path, name: str, model: type[T], report: Report) -> T | None:
    """One file as its model; None when it is not that, which is reported."""
    before = len(report.problems)
    data = read(path, name, report)
    if len(report.problems) > before:
        return None  # what an alias or a tag stood for is not there: more would be said about that
    try:
        return model.model_validate({} if data is None else data)
    except pydantic.ValidationError as error:
        collect(report, name, model, error)
        return None
