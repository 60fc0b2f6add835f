# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Several workers at once: what shares a lab stays with one of them, and what measures time has the machine alone."""

from __future__ import annotations

import contextlib
import fcntl
import pathlib
import typing

import pytest

#: Two files of the checkout that all workers can lock: the one who waits for the other, and the one who runs.
GATE, FLOOR = pathlib.Path(__file__), pathlib.Path(__file__).parents[1] / "conftest.py"


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: typing.Any) -> object:
    """A worker gets all tests of a file, or of a directory below tests/integration: their labs have one name."""
    from xdist.scheduler import LoadScopeScheduling  # verification, which also reads this, needs no xdist

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "/".join(nodeid.split("::")[0].split("/")[:3])

    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> typing.Generator[None, object, object]:
    """A test with its fixtures runs beside those of other workers, unless it is marked `alone`."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    with _floor(fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH):
        return (yield)


@contextlib.contextmanager
def _floor(kind: int) -> typing.Iterator[None]:
    """Who waits to be alone lets nobody else begin meanwhile."""
    with GATE.open() as gate, FLOOR.open() as floor:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(floor, kind)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield
        finally:  # not left to a child that has the file open as well
            fcntl.flock(floor, fcntl.LOCK_UN)
