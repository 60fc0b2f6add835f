# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas of the files that people write, from the very models that read them: for editors, and for other tools.

They know the shape of each file, not what files say together: an editor that is content is not yet a plan that is.
`make golden` writes them to schemas/, and a test compares.
"""

from __future__ import annotations

import json
import typing

from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import lock
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import inventory, raw

Json = dict[str, typing.Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEMPLATE = {"type": "string", "pattern": r"\{[{%]", "description": "A template, which Ansible evaluates."}


def schemas() -> dict[str, str]:
    """The text of each schema by the name of its file."""
    found = {
        "provider": raw.Provider.model_json_schema(),
        "project": raw.Project.model_json_schema(),
        "hosts": _hosts(),
        "lock": _lock(),
    }
    return {
        f"{name}.json": json.dumps({"$schema": DIALECT, **_tidy(schema)}, indent=1) + "\n"
        for name, schema in found.items()
    }


def _tidy(value: typing.Any) -> typing.Any:
    """Without the titles that pydantic makes of names; a mapping of names holds nothing but such names."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {k: _tidy(v) for k, v in value.items() if not (k == "title" and isinstance(v, str)) and k != "propertyNames"}
    return kept | {"additionalProperties": False} if "patternProperties" in kept else kept


def _hosts() -> Json:
    """An inventory in YAML: what it says with the prefix of our variables is ours, the rest is Ansible's."""
    properties, definitions = {}, {}
    for model in (inventory.Settings, inventory.Others):
        schema = model.model_json_schema()
        definitions |= schema.pop("$defs", {})
        for name, variable in schema["properties"].items():
            said = {key: variable.pop(key) for key in ("description", "default") if key in variable}
            properties[inventory.PREFIX + name] = {**said, "anyOf": [variable, TEMPLATE]}
    variables = {"type": ["object", "null"], "properties": properties}
    # A negative look-ahead, so that another variable may be anything and a misspelt one of ours is noticed.
    variables |= {"propertyNames": {"anyOf": [{"enum": list(properties)}, {"pattern": f"^(?!{inventory.PREFIX})"}]}}
    group = {
        "type": ["object", "null"],
        "properties": {
            "hosts": {"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/variables"}},
            "vars": {"$ref": "#/$defs/variables"},
            "children": {"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/group"}},
        },
        "additionalProperties": False,
    }
    return {
        "description": "hosts.yml: the nodes, as an Ansible inventory.",
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/group", "description": what} for name, what in _groups()},
        "additionalProperties": {"$ref": "#/$defs/group"},
        "$defs": {"group": group, "variables": variables, **definitions},
    }


def _groups() -> typing.Iterator[tuple[str, str]]:
    for group, role in inventory.GROUPS.items():
        yield group, f"Nodes that are a {role} node." if role != "controller" else "Nodes that serve metadata."


def _lock() -> Json:
    """What tenantnet writes itself: one list for each kind of value, and what is retiring."""
    text = {"type": "string"}
    sections: Json = {"version": {"const": lock.VERSION}}
    entries = []
    for kind, scope in lock.SCOPES.items():
        value = text if kind in ("address", "mac") else {"type": "integer"}
        fields = {"value": value, "name": text, "id": text, **({scope: text} if scope else {})}
        nodes = {"type": "array", "items": text, "minItems": 1}
        places = {"node": text, "leaving": nodes} if kind == "address" else {}
        sections[kind] = {"type": "array", "items": _exactly(fields, **places)}
        entries.append(_exactly({"kind": {"const": kind}, **fields, "nodes": nodes}))
    sections["retiring"] = {"type": "array", "items": {"anyOf": entries}}
    return {
        "description": "topology.lock.yml: what tenantnet chose, and what is in use. Never edited by hand.",
        "type": "object",
        "properties": sections,
        "required": ["version"],
        "additionalProperties": False,
    }


def _exactly(fields: Json, **optional: Json) -> Json:
    properties = {**fields, **optional}
    return {"type": "object", "properties": properties, "required": list(fields), "additionalProperties": False}
