# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What the collection says of itself agrees with pyproject.toml, where versions and dependencies have their home."""

from __future__ import annotations

import pathlib
import tomllib
import typing
from collections.abc import Iterator

import yaml

ROOT = pathlib.Path(__file__).parents[2]
PINS = """\
# Written by `pytest tests/unit --update-golden` from the group "node" of pyproject.toml, which tells why.
"""
HEADER = """\
# Written by `pytest tests/unit --update-golden` from the group "control" of pyproject.toml, which tells why.
# At least what the test suite ran with: an execution environment has other collections, too.
"""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def group(name: str) -> Iterator[str]:
    """The requirements of a dependency group and of those that it includes."""
    for entry in PROJECT["dependency-groups"][name]:
        yield from [entry] if isinstance(entry, str) else group(entry["include-group"])


def test_an_execution_environment_gets_the_dependencies_of_a_control_host(
    golden: typing.Callable[[pathlib.Path, str], None],
) -> None:
    names = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())["dependencies"]
    assert (ROOT / names["system"]).exists()
    needed = sorted(entry for entry in group("control") if not entry.startswith("ansible-core"))  # it is there already
    golden(ROOT / names["python"], HEADER + "".join(f"{entry.replace('==', '>=')}\n" for entry in needed))


def test_a_node_gets_exactly_what_the_test_suite_ran_with(golden: typing.Callable[[pathlib.Path, str], None]) -> None:
    golden(ROOT / "roles/runtime/files/requirements.txt", PINS + "".join(f"{entry}\n" for entry in group("node")))


def test_there_is_one_version() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == PROJECT["project"]["version"]
