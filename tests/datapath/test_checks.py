# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""One test a check; conftest.py tells where they come from."""

from __future__ import annotations

import pytest
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.check import Check
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.crew import Crew
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.outcome import NotMeasured
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.session import Session


def test_check(machines: Session, crew: Crew, check: Check) -> None:
    error = crew.outcome(check).error
    if isinstance(error, NotMeasured):
        pytest.skip(f"not measured: {error}")
    if error:
        raise error
