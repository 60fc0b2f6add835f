# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Reads hosts.yml as Ansible would, as far as these tests need it: groups, their hosts and variables."""

from __future__ import annotations

import pathlib

import yaml
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import raw
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.inventory import Host
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.load import load


def hosts(path: pathlib.Path) -> list[Host]:
    """The hosts of a file whose groups are flat."""
    groups = {name: group or {} for name, group in yaml.safe_load(path.read_text(encoding="utf-8")).items()}
    names = dict.fromkeys(host for group in groups.values() for host in group.get("hosts", {}))
    found: list[Host] = []
    for name in names:
        member = [group for group in groups if name in groups[group].get("hosts", {})]
        variables = dict(groups.get("all", {}).get("vars", {}))
        for group in member:
            variables |= groups[group].get("vars", {})
        for group in member:
            variables |= groups[group]["hosts"][name] or {}
        found.append({"name": name, "groups": member, "vars": variables})
    return found


def read(directory: pathlib.Path) -> raw.Raw:
    """The topology beside a hosts.yml."""
    return load(directory / "topology", hosts(directory / "hosts.yml"), directory / "hosts.yml")
