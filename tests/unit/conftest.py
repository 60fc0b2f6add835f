# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Golden pairs: input and the exact text that comes out of it, which `pytest tests/unit --update-golden` writes."""

from __future__ import annotations

import pathlib
import typing

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected texts instead of comparing them")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> typing.Callable[[pathlib.Path, str], None]:
    """Compares a text with a file that holds the expected one, or writes it."""

    def check(path: pathlib.Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; write it with --update-golden and read it"
        assert text == path.read_text(encoding="utf-8")

    return check
