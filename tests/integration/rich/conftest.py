# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The rich topology, deployed once for all tests that only look at it, or put right what they break."""

from __future__ import annotations

import typing

import pytest

from ..deployment import ROOT, Deployment
from ..names import lab_name


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Deployment]:
    deployment = Deployment(ROOT / "inventories/lab/rich", tmp_path_factory.mktemp("rich"), lab_name("rich"))
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("failures")))  # what failed verifications leave behind
    try:
        deployment.succeed("lab", "site")
        yield deployment
    finally:
        monkeypatch.undo()
        deployment.succeed("destroy")
