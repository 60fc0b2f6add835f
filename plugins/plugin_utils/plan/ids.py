# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Identities: the same names give the same UUID and MAC on every machine and at any time.

What belongs to something takes its identity from that thing's id and not from its name, so that an `id:` written on a
network or an instance keeps the identities of everything below it through a rename.
"""

from __future__ import annotations

import hashlib
import typing
import uuid

#: Namespace of every id that tenantnet derives. Never change it: it is part of every name on every node.
NAMESPACE: typing.Final = uuid.UUID("6d1f5c1e-7a0b-4f43-9a55-0c1d2e5b8a37")

#: Neutron's base_mac: three bytes that are fixed, three that tell ports apart.
BASE_MAC: typing.Final = "fa:16:3e"

Kind = typing.Literal["network", "router", "security_group", "instance"]


def of(deployment: str, project: str, kind: Kind, name: str) -> str:
    """Id of an object; the project of an administrator's object is ""."""
    return str(uuid.uuid5(NAMESPACE, f"{deployment}/{project}/{kind}/{name}"))


def within(
    parent: str, kind: Kind | typing.Literal["subnet", "port", "floating_ip", "port_forwarding"], *key: str
) -> str:
    """Id of something that belongs to an object: a subnet by its name, a port by what it is for."""
    return str(uuid.uuid5(NAMESPACE, "/".join((parent, kind, *key))))


def mac(port: str, attempt: int = 0) -> str:
    """MAC of a port; another attempt is another MAC, for a network where the first one is taken."""
    digest = hashlib.sha256(f"{port}/{attempt}".encode()).digest()
    return ":".join((BASE_MAC, *(f"{byte:02x}" for byte in digest[:3])))
