# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What people may write, for all views: checks that say in one sentence what is wrong and what would be right."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing

from ..errors import TenantnetError
from ..state import Resource

_DEVICE = re.compile(r"[^\s/:]{1,15}")
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


def device(name: str, what: str) -> str:
    """A name that the kernel and Open vSwitch take for a device."""
    if not _DEVICE.fullmatch(name) or name in (".", ".."):
        raise TenantnetError(f"{what} {name!r}: a name has 1 to 15 characters, and no space, slash or colon")
    return name


def label(name: str, what: str) -> str:
    """A name of a namespace or daemon."""
    if not _LABEL.fullmatch(name):
        raise TenantnetError(f"{what} {name!r}: a name has 1 to 63 letters, digits, dots, hyphens and underscores")
    return name


def number(value: typing.Any, low: int, high: int, what: str) -> int:
    """A number between two others, both included."""
    if not str(value).isdecimal() or not low <= int(value) <= high:
        raise TenantnetError(f"{what}: {value!r} is not a number from {low} to {high}")
    return int(value)


def interface(text: str, what: str) -> str:
    """An IPv4 address with its prefix length."""
    try:
        if "/" not in text:
            raise ValueError("it has no prefix length")
        return str(ipaddress.IPv4Interface(text))
    except ValueError as exc:
        raise TenantnetError(f"{what}: {text!r} is not an IPv4 address like 192.0.2.1/24: {exc}") from exc


def network(text: str, what: str) -> str:
    """An IPv4 prefix; `default` stands for all addresses."""
    try:
        return str(ipaddress.IPv4Network("0.0.0.0/0" if text == "default" else text))
    except ValueError as exc:
        raise TenantnetError(f"{what}: {text!r} is not an IPv4 prefix like 192.0.2.0/24: {exc}") from exc


def host(text: str, what: str) -> str:
    """An IPv4 address."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as exc:
        raise TenantnetError(f"{what}: {text!r} is not an IPv4 address: {exc}") from exc


def mac(text: str, what: str) -> str:
    """A MAC address, in lower case."""
    if not _MAC.fullmatch(text.lower()):
        raise TenantnetError(f"{what}: {text!r} is not a MAC address like 02:00:00:00:00:01")
    return text.lower()


def strings(values: typing.Mapping[str, typing.Any]) -> dict[str, str]:
    """A map as Open vSwitch and the kernel have it: YAML's numbers and truth values become text."""
    return {str(key): str(value).lower() if isinstance(value, bool) else str(value) for key, value in values.items()}


def unique(names: typing.Sequence[str], what: str) -> None:
    """No name stands there twice; raises TenantnetError."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TenantnetError(f"{what} {', '.join(twice)} twice")


def shown(
    resource: Resource, leave_out: typing.Collection[str] = (), defaults: typing.Mapping[str, typing.Any] | None = None
) -> dict[str, typing.Any]:
    """Fields that are not at their default, as plain data; `defaults` are a view's own, where they differ."""
    found: dict[str, typing.Any] = {}
    for field in dataclasses.fields(resource):
        default = field.default_factory() if callable(field.default_factory) else field.default
        value = getattr(resource, field.name)
        if field.name not in ("slice", *leave_out) and value != (defaults or {}).get(field.name, default):
            found[field.name] = list(value) if isinstance(value, tuple) else value
    return found


def fields(item: typing.Mapping[str, typing.Any], *leave_out: str) -> dict[str, typing.Any]:
    """An item's values as those of a resource."""
    return {
        option: tuple(value) if isinstance(value, list) else value
        for option, value in item.items()
        if option not in leave_out
    }
