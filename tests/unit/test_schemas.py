# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The published JSON Schemas: up to date, content with what the plan accepts, and not with what has the wrong shape."""

from __future__ import annotations

import functools
import json
import pathlib
import sys
import typing

import jsonschema
import pytest
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.third_party import pydantic
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import raw, source

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from schemas import schemas  # noqa: E402

GOLDEN = ROOT / "tests/unit/golden"
MODELS = {"provider": raw.Provider, "project": raw.Project}

#: What only a program can tell: the end of the sentence that the plan has for it.
BEYOND_A_SCHEMA = (
    "begins after its end",
    "is out of bounds",
    "is too small for a subnet",
    "is not a range of unicast addresses for a subnet",
    "is not the MAC address of one interface",
    "is tenantnet's own bridge",
    "is not an IPv4 prefix such as 192.168.1.0/24",  # bits after the prefix
    "is not a protocol",
    "is not an SSH public key: one line such as 'ssh-ed25519 AAAA… me@example'",
    "needs a protocol that has ports",
    "icmp_type needs 'protocol: icmp'",
    "icmp_code needs an icmp_type",
    "exclude each other",
)


@functools.cache
def validator(name: str) -> typing.Any:
    schema = json.loads(schemas()[f"{name}.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def data(path: pathlib.Path) -> typing.Any:
    """What a file says, as the plan reads it; a file that is no such data has been refused already."""
    report = source.Report(source.Sources())
    found = source.read(path, path.name, report, times=100)
    return None if report.problems else found


def files(*patterns: str) -> list[typing.Any]:
    places = (ROOT / "inventories", GOLDEN)
    found = [path for folder in places for pattern in patterns for path in sorted(folder.rglob(pattern))]
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in found if path.is_file()]


@pytest.mark.parametrize("name", sorted(schemas()))
def test_is_up_to_date(name: str, golden: typing.Callable[[pathlib.Path, str], None]) -> None:
    golden(ROOT / "schemas" / name, schemas()[name])


@pytest.mark.parametrize("name", ["provider.json", "project.json", "hosts.json"])
def test_explains_every_field(name: str) -> None:
    assert list(_unexplained(json.loads(schemas()[name]))) == [], "write pydantic.Field(description=…) in the model"


def _unexplained(value: typing.Any) -> typing.Iterator[str]:
    """Fields of models, which refuse other keys, without a description."""
    if isinstance(value, dict):
        fields = value.get("properties", {}) if "description" in value else {}
        yield from (field for field, of in fields.items() if "description" not in of)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _unexplained(item)


@pytest.mark.parametrize("path", files("provider.yml", "projects/*.yml"))
def test_says_of_a_file_what_the_plan_says(path: pathlib.Path) -> None:
    if (content := data(path)) is None:
        return
    kind = "project" if path.parent.name == "projects" else "provider"
    objections = list(validator(kind).iter_errors(content))
    try:
        MODELS[kind].model_validate(content)
    except pydantic.ValidationError as error:
        messages = [found["ctx"]["message"] if found["type"] == "wrong" else "" for found in error.errors()]
        if not all(message.endswith(BEYOND_A_SCHEMA) for message in messages):
            assert objections
    else:
        assert objections == []


@pytest.mark.parametrize("path", files("hosts.yml"))
def test_says_of_an_inventory_what_the_plan_says(path: pathlib.Path) -> None:
    refused = path.parent.name in ("hosts_datapath", "hosts_variables")
    assert validator("hosts").is_valid(data(path)) != refused


@pytest.mark.parametrize("path", files("*.lock.yml"))
def test_says_of_a_lock_what_the_plan_says(path: pathlib.Path) -> None:
    if content := data(path):
        refused = path.parent.name in ("lock_entry", "lock_version")
        assert validator("lock").is_valid(content) != refused
