# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Golden pairs: a topology, and the state of each node that it compiles to, one resource a line."""

from __future__ import annotations

import pathlib
import typing

import pytest
import yaml
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import line
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import File, from_json, to_json
from ansible_collections.tenantnet.ovs.plugins.plugin_utils import plan
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import allocate, lock
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import inventory, load, model

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = pathlib.Path(__file__).parent / "golden" / "states"
CASES = {
    "seed": ROOT / "inventories" / "lab",
    "rich": ROOT / "inventories" / "lab" / "rich",
}


def hosts(file: pathlib.Path) -> list[inventory.Host]:
    """Hosts of an inventory file without templates and nested groups."""
    groups: dict[str, typing.Any] = yaml.safe_load(file.read_text())
    common = groups.pop("all")["vars"]
    return [
        {"name": name, "groups": [group], "vars": {**common, **(own or {})}}
        for group, content in groups.items()
        for name, own in content["hosts"].items()
    ]


def resolved(case: pathlib.Path) -> model.Topology:
    raw = load.load(case / "topology", hosts(case / "hosts.yml"), case / "hosts.yml")
    return allocate.resolve(raw, lock.Lock())[0]


@pytest.mark.parametrize("case", CASES)
def test_compiles_to_what_it_did(case: str, golden: typing.Callable[[pathlib.Path, str], None]) -> None:
    for name, state in plan.compile(resolved(CASES[case])).items():
        texts = [f"{line(r)}\n{_content(r)}" if isinstance(r, File) else f"{line(r)}\n" for r in state.resources]
        golden(GOLDEN / case / f"{name}.txt", "".join(texts))


def _content(file: File) -> str:
    return "".join(f"    {text}\n" for text in file.content.splitlines())


@pytest.mark.parametrize("case", CASES)
def test_state_survives_its_journey_to_the_node(case: str) -> None:
    for state in plan.compile(resolved(CASES[case])).values():
        assert from_json(to_json(state)) == state


@pytest.mark.parametrize("case", CASES)
def test_no_two_slices_want_the_same_thing(case: str) -> None:
    for state in plan.compile(resolved(CASES[case])).values():
        keys = [(type(r), r.key) for r in state.resources]
        assert len(keys) == len(set(keys))
