# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""One test a check; conftest.py tells where they come from."""

from __future__ import annotations

import pytest
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.check import Check
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.kinds import measure
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.outcome import NotMeasured
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.session import Session


def test_check(machines: Session, check: Check) -> None:
    try:
        measure(machines, check)
    except NotMeasured as reason:
        pytest.skip(f"not measured: {reason}")
