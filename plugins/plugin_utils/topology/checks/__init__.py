# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What the files of a topology say together: checked on what was written, before anything is chosen.

One module a resource. Each check tells what it finds and goes on; a reference that leads nowhere is told once, where it
stands, and whatever else depends on it is passed over.
"""

from __future__ import annotations

from ..raw import Raw
from ..source import Report
from . import external, instances, networks, nodes, provider, quotas, routers, security_groups
from .scope import Scope


def check(raw: Raw) -> Report:
    """All that is wrong with a topology."""
    report = Report(raw.sources)
    nodes.check(raw, report)
    provider.check(raw, report)
    for name in raw.projects:
        scope = Scope(raw, name, report)
        quotas.check(scope)
        networks.check(scope)
        routers.check(scope)
        security_groups.check(scope)
        instances.check(scope)
    networks.check_wiring(raw, report)
    external.check(raw, report)
    return report
