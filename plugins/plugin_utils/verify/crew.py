# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Several checks at a time: each spends most of its time waiting, for an answer or for a silence to be long enough."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

from ..plan.check import DISTURBING, Check
from .kinds import places

WORKERS = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How long a check took, in seconds, and what it raised."""

    seconds: float
    error: BaseException | None


#: In the place of places, for what others may feel.
EVERYWHERE = "everywhere"


class Crew:
    """Measures checks in about their order, none at a place where another one is being measured."""

    def __init__(self, checks: Sequence[Check], measure: Callable[[Check], None]) -> None:
        self._measure = measure
        self._waiting = list(checks)
        self._busy: list[frozenset[str]] = []
        self._changed = threading.Condition()
        self._outcomes: dict[str, Future[Outcome]] = {check.id: Future() for check in checks}
        self._threads = [threading.Thread(target=self._work, daemon=True) for _number in range(WORKERS)]
        for thread in self._threads:
            thread.start()

    def outcome(self, check: Check) -> Outcome:
        """Wait for the end of a check."""
        return self._outcomes[check.id].result()

    def dismiss(self) -> None:
        """Measure nothing more, and wait for what is under way."""
        with self._changed:
            self._waiting.clear()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while task := self._next():
            check, occupied = task
            began = time.monotonic()
            error: BaseException | None = None
            try:
                self._measure(check)
            except BaseException as exc:  # whatever it is, somebody waits for it
                error = exc
            self._outcomes[check.id].set_result(Outcome(time.monotonic() - began, error))
            with self._changed:
                self._busy.remove(occupied)
                self._changed.notify_all()

    def _next(self) -> tuple[Check, frozenset[str]] | None:
        """The first check whose places are free, and these places; None when nothing is left to begin."""
        with self._changed:
            while self._waiting:
                if check := next(self._possible(), None):
                    self._waiting.remove(check)
                    self._busy.append(occupied := _occupied(check))
                    return check, occupied
                self._changed.wait()
        return None

    def _possible(self) -> Iterator[Check]:
        taken: frozenset[str] = frozenset().union(*self._busy)
        for check in self._waiting:
            occupied = _occupied(check)
            if EVERYWHERE in occupied | taken:
                if not self._busy and check is self._waiting[0]:
                    yield check
                return
            if not taken & occupied:
                yield check


def _occupied(check: Check) -> frozenset[str]:
    if check.group in DISTURBING:
        return frozenset({EVERYWHERE})
    return frozenset(f"{place['node']} {place['namespace']}" for place in places(check))
