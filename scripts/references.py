# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Pages of docs/ that are generated: from the models, from the examples, from the golden pairs of errors.

`make golden` writes them, and a test compares.
"""

from __future__ import annotations

import json
import pathlib
import re
import typing

from ansible_collections.tenantnet.ovs.plugins.module_utils.printable import printable
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import inventory

ROOT = pathlib.Path(__file__).parents[1]
GOLDEN = ROOT / "tests/unit/golden"
ERRORS = GOLDEN / "errors"

#: Groups of the page of errors, and how the names of their cases begin; the rest is about projects.
GROUPS = {
    "Files": ("file_", "yaml_", "inventory_in_project", "project_file_name", "unknown_project", "missing", "types"),
    "hosts.yml": ("hosts_", "no_"),
    "provider.yml": ("provider", "ranges"),
    "What is chosen, and topology.lock.yml": ("exhausted_", "lock_", "taken_"),
    "Projects": ("",),
}
ERRORS_HEAD = """\
# Errors

<!-- Written by `make golden` from tests/unit/golden/errors. -->

A topology is checked as a whole before any node is touched, and everything that is wrong is told at once. A line says
where it is, what is wrong, and after a semicolon what would be right:

    file:line:column: path of keys: what is wrong; what would be right

What is not visible in a text is shown escaped, such as `\\x1b`. A project's file is never told who else has what it
wants. Below is every message with a place that brings it about.
"""


def errors_page() -> str:
    """docs/errors.md."""
    cases = sorted(path for path in ERRORS.iterdir() if path.is_dir())
    parts = [ERRORS_HEAD]
    for group, beginnings in GROUPS.items():
        members = [case for case in cases if case.name.startswith(beginnings)]
        cases = [case for case in cases if case not in members]
        parts += [f"\n## {group}\n", *map(_case, members)]
    return "".join(parts)


def _case(case: pathlib.Path) -> str:
    title = case.name.replace("_", " ").replace("yaml", "YAML").capitalize().replace("Yaml", "YAML")
    lines = (case / "errors.txt").read_text(encoding="utf-8").splitlines()
    return f"\n### {title}\n\n```text\n" + "\n".join(_example(case, line) for line in lines) + "\n```\n"


def _example(case: pathlib.Path, message: str) -> str:
    """A message, below it the line that it is about, with a mark at its column."""
    place = re.match(r"([^:]+):(\d+):(\d+): ", message)
    path = next((p for p in (case / place[1], GOLDEN / "base" / place[1]) if p.is_file()), None) if place else None
    if not place or not path:
        return message
    lines, column = path.read_bytes().decode("utf-8", "replace").split("\n"), int(place[3])
    if len(lines) < int(place[2]):
        return message
    line, begin = lines[int(place[2]) - 1], max(0, column - 60)
    return f"{message}\n    {printable(line[begin : begin + 110])}\n    {' ' * (column - 1 - begin)}^"


# ----------------------------------------------------------------------------------------------------------- topology


def field_tables(name: str) -> str:
    """Every part of a file and its fields, in the words of the published schema."""
    schema = json.loads((ROOT / f"schemas/{name}.json").read_text(encoding="utf-8"))
    parts = {"": schema, **schema.get("$defs", {})}
    return "\n".join(_table(title, part) for title, part in parts.items())


def _table(title: str, part: dict[str, typing.Any]) -> str:
    long = next((form for form in (part, *part.get("anyOf", ())) if "properties" in form), part)
    words = _words(title)
    head = [f"### {words[:1].upper()}{words[1:]}\n\n{long.get('description', '')}\n"] if title else []
    required = long.get("required", ())
    rows = [
        f"| `{field}` | {_type(of)} | {_default(of, field in required)} | {_cell(of.get('description', ''))} |"
        for field, of in long.get("properties", {}).items()
    ]
    return "\n".join([*head, "| key | value | left out | |", "| --- | --- | --- | --- |", *rows, ""])


def _words(name: str) -> str:
    """`port forwarding` for PortForwarding."""
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
    return re.sub(r"\b(ip|gre|vxlan)\b", lambda word: word[0].upper(), words)


def _type(of: dict[str, typing.Any]) -> str:
    """The form of a value in a few words."""
    if "$ref" in of:
        words = _words(of["$ref"].rpartition("/")[2])
        return f"[{words}](#{words.replace(' ', '-').lower()})"
    if "enum" in of or "const" in of:
        return ", ".join(f"`{word}`" for word in of.get("enum", [of.get("const")]))
    if of.get("type") == "array":
        return f"list of {_type(of['items'])}"
    if "patternProperties" in of:
        return f"names of {_type(next(iter(of['patternProperties'].values())))}"
    if choices := [choice for choice in of.get("anyOf", ()) if choice.get("type") != "null"]:
        return " or ".join(dict.fromkeys(map(_type, choices)))
    kind = {"integer": "number", "boolean": "`true` or `false`", "object": "mapping"}.get(of.get("type", ""), "text")
    if kind == "number" and "maximum" in of:
        kind += f" {of.get('minimum', 0)} to {of['maximum']}"
    example = next(iter(of.get("examples", ())), None)
    return f"{kind}, as `{example}`" if example is not None else kind


def _default(of: dict[str, typing.Any], required: bool) -> str:
    value = of.get("default")
    if required:
        return "**required**"
    return f"`{json.dumps(value)}`" if value not in (None, [], {}, "") and not isinstance(value, dict) else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def variables_table() -> str:
    """The variables of hosts.yml."""
    schema = json.loads((ROOT / "schemas/hosts.json").read_text(encoding="utf-8"))
    variables = schema["$defs"]["variables"]["properties"]
    plain = {name: of["anyOf"][0] | {k: v for k, v in of.items() if k != "anyOf"} for name, of in variables.items()}
    needed = [inventory.PREFIX + name for name, of in inventory.Settings.model_fields.items() if of.is_required()]
    return _table("", {"properties": plain, "required": needed})


def topology_page() -> str:
    """docs/topology.md with what stands between its marks written anew."""
    page = (ROOT / "docs/topology.md").read_text(encoding="utf-8")
    return re.sub(r"(<!-- (\w+)(?:: (\S+))? -->\n).*?(<!-- end -->)", _section, page, flags=re.DOTALL)


def _section(mark: re.Match[str]) -> str:
    kind, argument = mark[2], mark[3]
    if kind == "example":
        content = f"```yaml\n{(ROOT / argument).read_text(encoding='utf-8')}```\n"
    else:
        content = field_tables(argument) if kind == "fields" else variables_table()
    return f"{mark[1]}\n{content}\n{mark[4]}"
