# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Text of a project's members in every field: refused in a sentence, or found on a node where it is declared, only.

The fields are those of golden/valid/every_field, which a test holds against the models, so a new one is tried, too.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import pathlib
import shutil
import sys

import pytest
import yaml
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import File
from ansible_collections.tenantnet.ovs.plugins.plugin_utils import plan
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import lock
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.allocate import resolve
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.third_party import pydantic
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import messages, raw, source
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.errors import TopologyErrors

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import inventories

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
EXAMPLE = GOLDEN / "valid/every_field"
DEMO = yaml.safe_load((EXAMPLE / "topology/projects/demo.yml").read_text(encoding="utf-8"))

HOSTILE = {
    "newline": "a\ndhcp-script=/bin/sh",
    "carriage return": "a\rb",
    "single quote": "a'b",
    "double quote": 'a"b',
    "template": "{{ lookup('pipe', 'id') }}",
    "statement": "{% for x in y %}",
    "substitution": "$(touch /tmp/x)",
    "backquotes": "`id`",
    "format": "%n%s%x",
    "python format": "{0.__class__}",
    "escape sequence": "\x1b[2J\x1b]0;x\x07",
    "NUL": "a\x00b",
    "right to left": "a\u202eb",
    "homoglyph": "\u0440rivate",  # Cyrillic
    "line separator": "a\u2028b",
    "commas": "a,b;c d",
    "comment": "a#b",
    "path": "../../etc/passwd",
    "option": "--conf-file=/etc/shadow",
    "yaml": "!!python/object/apply:os.system",
    "long": "x" * 10_000,
    "empty": "",
}
#: What may be any text at all, and the only files of a node in which it may be found.
FREE = {"user_data"}


def leaves(value, path=()):
    """Paths of all texts of the example, keys that people choose among them (as a path that ends with a 1-tuple)."""
    if isinstance(value, str):
        yield path
    for step, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(step, str):
            yield (*path, (step,))
        yield from leaves(item, (*path, step))


def changed(path, text):
    """The example with another text at a path."""
    data = copy.deepcopy(DEMO)
    *steps, last = path
    inner = functools.reduce(lambda value, step: value[step], steps, data)
    if isinstance(last, tuple):
        inner[text] = inner.pop(last[0])
    else:
        inner[last] = text
    return data


@pytest.fixture
def directory(tmp_path):
    shutil.copytree(GOLDEN / "base", tmp_path, dirs_exist_ok=True)
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    return tmp_path


def refusal(data):
    """What is said of a file's fields; where they stand, and what files say together, is told by `compiled`."""
    report = source.Report(source.Sources())
    try:
        raw.Project.model_validate(data)
    except pydantic.ValidationError as error:
        messages.collect(report, "topology/projects/demo.yml", raw.Project, error)
    return [str(problem) for problem in report.problems]


def compiled(directory, data):
    """Each text of each node's state, with its resource; or what is said of the topology."""
    path = directory / "topology/projects/demo.yml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    topology = resolve(inventories.read(directory), lock.Lock())[0]
    return [
        (r, text) for s in plan.compile(topology).values() for r in s.resources for text in texts(dataclasses.asdict(r))
    ]


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (*texts(key), *texts(item))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def check_said(problems, hostile):
    for problem in problems:
        assert problem.isprintable(), problem
        assert problem.startswith("topology/projects/demo.yml:"), problem
        assert len(problem) < 1000
        assert hostile.isprintable() or hostile not in problem


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_in_every_field(directory, kind):
    hostile, passed = HOSTILE[kind], set()
    for path in leaves(DEMO):
        data = changed(path, hostile)
        if problems := refusal(data):
            check_said(problems, hostile)
            continue
        try:
            found = compiled(directory, data)
        except TopologyErrors as error:
            check_said(str(error).splitlines(), hostile)
            continue
        passed.add(path[-1])
        for resource, text in found if hostile else ():
            assert hostile not in text or _is_declared(resource, path), (path, resource)
    assert passed <= FREE | ({"floating_ip"} if not hostile else set())


def _is_declared(resource, path):
    """Whether a resource is the file in which metadata keeps what its owner wrote, as JSON."""
    return path[-1] in FREE and isinstance(resource, File) and resource.path.startswith("instances/")


def test_free_text_arrives_as_it_was_written(directory):
    text = "\n".join(value for value in HOSTILE.values())
    data = changed(("instances", "instance1", "user_data"), text)
    files = {r for r, _text in compiled(directory, data) if isinstance(r, File) and r.path.startswith("instances/")}
    assert text in [json.loads(file.content)["user_data"] for file in files]


def test_the_example_uses_every_field():
    written, known = set(), set()
    for name, model in (("provider", raw.Provider), ("projects/demo", raw.Project)):
        data = yaml.safe_load((EXAMPLE / f"topology/{name}.yml").read_text(encoding="utf-8"))
        _collect(model.model_validate(data), written)
        _declare(model, known)
    assert {f"{model}.{field}" for model, field in known - written} == set(), "write them in golden/valid/every_field"


def _collect(value, written):
    if isinstance(value, pydantic.BaseModel):
        written |= {(type(value).__name__, field) for field in value.model_fields_set}
        value = {field: getattr(value, field) for field in value.model_fields_set}
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ():
        _collect(item, written)


def _declare(model, known):
    for name, definition in {
        **model.model_json_schema().get("$defs", {}),
        model.__name__: model.model_json_schema(),
    }.items():
        long = next(form for form in (definition, *definition.get("anyOf", ())) if "properties" in form)
        known |= {(name, field) for field in long["properties"]}
