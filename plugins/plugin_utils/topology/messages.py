# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Turns what the validator says into what a person can act on, with none of its own jargon."""

from __future__ import annotations

import types
import typing

from ..third_party import pydantic, pydantic_core
from .errors import shown, suggest
from .raw import Project
from .source import Path, Report

#: What a type of error expected.
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a mapping of names",
    "model_type": "a mapping",
    "tuple_type": "a list",
}
#: What a word of a field is called.
_NOUNS = {"network_type": "a network type", "network_types": "a network type", "ethertype": "an ethertype"}

#: Keys that people from elsewhere expect here, and where they are.
_PROVIDERS = "is the administrators' to say"
_STRANGERS = {
    "segmentation_id": f"{_PROVIDERS}: it is chosen from the ranges in provider.yml",
    "physical_network": f"{_PROVIDERS}: it is chosen from those with vlan_ranges in provider.yml",
    "external": f"{_PROVIDERS}: external networks are declared in provider.yml",
    "router:external": f"{_PROVIDERS}: external networks are declared in provider.yml",
    "provider:network_type": "is an attribute of the API's provider extension; here it is called network_type",
    "provider:segmentation_id": f"{_PROVIDERS}: it is chosen from the ranges in provider.yml",
    "provider:physical_network": f"{_PROVIDERS}: it is chosen from those with vlan_ranges in provider.yml",
    "shared": "is written 'shared_with: [project]' here",
    "port_range_min": "is written 'port_range: \"first:last\"' here",
    "port_range_max": "is written 'port_range: \"first:last\"' here",
    "remote_group_id": "is written 'remote_group: name' here",
}
_INVENTORY = ("hosts", "vars", "children", "plugin", "all")


def collect(report: Report, file: str, model: type[pydantic.BaseModel], error: pydantic.ValidationError) -> None:
    """Report all that a validation found, each with its place in the file."""
    for found in error.errors(include_url=False):
        at = [step for step in found["loc"] if step != "[key]"]
        is_key = len(at) < len(found["loc"]) or found["type"] == "extra_forbidden"
        message, hint = _say(found, tuple(at), model)
        report.add(file, tuple(at), message, hint, key=is_key)


def _say(found: pydantic_core.ErrorDetails, at: Path, model: type[pydantic.BaseModel]) -> tuple[str, str]:
    kind, value, context = found["type"], found["input"], found.get("ctx", {})
    if kind == "wrong":
        return str(context["message"]), str(context["hint"])
    if kind == "missing":
        return f"'{at[-1]}' is missing", ""
    if kind == "extra_forbidden":
        return _unknown_key(at, model)
    if kind == "literal_error":
        words = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        field = next(step for step in reversed(at) if isinstance(step, str))
        return f"{shown(value)} is not {_NOUNS.get(field, f'a {field}')}", suggest(str(value), words)
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return f"must be {bound}, not {value}", ""
    if kind == "too_long":
        return f"holds {context['actual_length']} items, at most {context['max_length']} are allowed", ""
    if kind == "too_short":
        return "must not be empty", ""
    hint = "put it in quotes" if kind == "string_type" and isinstance(value, int | float) else ""
    return f"must be {_EXPECTED.get(kind, 'something else')}, not {shown(value)}", hint


def _unknown_key(at: Path, model: type[pydantic.BaseModel]) -> tuple[str, str]:
    key = str(at[-1])
    if len(at) == 1 and (key in _INVENTORY or key.startswith("ansible_")):
        return f"{shown(key)} belongs in an inventory, and this file is never read as one", "hosts are in hosts.yml"
    if model is Project and key in _STRANGERS:
        return f"'{key}' {_STRANGERS[key]}", ""
    return f"{shown(key)} is not a key here", suggest(key, _keys(at[:-1], model))


def _keys(at: Path, model: type[pydantic.BaseModel]) -> list[str]:
    """The keys that may stand at a path of a file: follow the types from the top."""
    annotation: typing.Any = model
    for step in at:
        if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
            annotation = _plain(annotation.model_fields[str(step)].annotation)
        else:
            annotation = _plain(next(a for a in reversed(typing.get_args(annotation)) if a is not Ellipsis))
    return list(annotation.model_fields)


def _plain(annotation: typing.Any) -> typing.Any:
    """A type without Annotated and None."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if origin in (types.UnionType, typing.Union):
        return _plain(next(a for a in typing.get_args(annotation) if a is not type(None)))
    return annotation
