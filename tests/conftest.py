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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of a module, or of the lab `rich`, are a group, because their labs have one name."""
    for item in items if _is_worker(config) else ():
        group = "rich" if "rich" in getattr(item, "fixturenames", ()) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> typing.Generator[None, object, object]:
    """A test with its fixtures runs beside those of other workers, unless it is marked `alone`."""
    if not _is_worker(item.config):
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


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
