# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Security groups of projects."""

from __future__ import annotations

from .scope import Scope


def check(scope: Scope) -> None:
    """Groups that rules refer to, and rules that say the same."""
    groups = {"default", *scope.project.security_groups}
    for name, group in scope.project.security_groups.items():
        for index, rule in enumerate(group.rules):
            at = ("security_groups", name, "rules", index)
            if rule.remote_group:
                scope.known((*at, "remote_group"), "security group", rule.remote_group, sorted(groups))
            if rule in group.rules[:index]:
                scope.add(at, f"says the same as rules[{group.rules.index(rule)}]", "leave one of them out")
