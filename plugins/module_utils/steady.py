# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""When a process that was just started may be called up, whichever supervisor runs it."""

from __future__ import annotations

import time
import typing

from .errors import TenantnetError
from .wait import until

KILL_AFTER = 5.0  # seconds between SIGTERM and SIGKILL
DEADLINE = 15.0  # seconds for a process to end, or to be up
STEADY = 0.5  # seconds that a new process must live to be called up
LOOPING = (3, 10.0)  # so many deaths in so many seconds are a process that cannot run


class Status(typing.NamedTuple):
    """`pid` is None when it is not up; looping: it died so often of late that it cannot run."""

    pid: int | None
    looping: bool


def wait(
    names: typing.Sequence[str],
    statuses: typing.Callable[[typing.Sequence[str]], typing.Mapping[str, Status]],
    last_words: typing.Callable[[str], str],
) -> None:
    """Wait until each has been up for a while with one process; raises TenantnetError when one cannot run."""
    pids: dict[str, int | None] = {}
    due = dict.fromkeys(names, 0.0)  # when to ask for each again

    def settled() -> bool:
        now = time.monotonic()
        for name, status in statuses([name for name, when in due.items() if when <= now]).items():
            if status.looping:
                raise TenantnetError(f"{name} does not stay up: {last_words(name)}")
            if status.pid and status.pid == pids.get(name):
                del due[name]
            elif status.pid:
                pids[name], due[name] = status.pid, now + STEADY
        return not due

    until(settled, f"{', '.join(names)} to be up", DEADLINE)
