# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Network namespaces."""

from __future__ import annotations

import typing

from ..resources import Item, View
from ..state import Namespace, Resource
from . import words


def normal(item: Item, owner: str) -> Item:
    """Sysctls are texts with single spaces, as the kernel prints them."""
    words.label(item["name"], "namespace")
    texts = {name: " ".join(value.split()) for name, value in words.strings(item.get("sysctls", {})).items()}
    return {**item, **({"sysctls": texts} if "sysctls" in item else {})}


def build(item: Item) -> list[Resource]:
    """One namespace."""
    return [Namespace(slice=VIEW.name, **item)]


def show(resources: typing.Sequence[Resource]) -> list[Item]:
    """Name, and sysctls if there are any."""
    return [words.shown(namespace) for namespace in resources]


VIEW: typing.Final = View(name="namespaces", kinds=(Namespace,), key=("name",), normal=normal, build=build, show=show)
