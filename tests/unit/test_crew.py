# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A crew: several checks at a time, one at a place, and none beside those that others may feel."""

from __future__ import annotations

import threading
import time

from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.check import Check
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.crew import Crew
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.outcome import Unmet


def check(number: int, *places: str, group: str = "node") -> Check:
    args = {"places": [{"node": place, "namespace": ""} for place in places]}
    return Check(id=str(number), title="", group=group, node="", kind="", args=args)


class Witness:
    """Sees which checks are measured at the same time."""

    def __init__(self) -> None:
        self.lock, self.now, self.together = threading.Lock(), set(), set()

    def measure(self, one: Check) -> None:
        with self.lock:
            self.together |= {frozenset({one.id, other}) for other in self.now}
            self.now.add(one.id)
        time.sleep(0.02)
        with self.lock:
            self.now.remove(one.id)


def test_no_two_are_measured_in_one_place() -> None:
    checks = [check(n, "abc"[n % 3], "d" if n % 4 == 0 else "abc"[n % 3]) for n in range(24)]
    witness = Witness()
    crew = Crew(checks, witness.measure)
    assert all(crew.outcome(one).error is None for one in checks)
    crew.dismiss()
    by_id = {one.id: {place["node"] for place in one.args["places"]} for one in checks}
    assert witness.together
    assert all(not by_id[a] & by_id[b] for a, b in map(sorted, witness.together))


def test_what_others_may_feel_is_measured_alone() -> None:
    checks = [check(n, str(n), group="exhaustion" if n in (3, 7) else "node") for n in range(10)]
    witness = Witness()
    crew = Crew(checks, witness.measure)
    for one in checks:
        crew.outcome(one)
    crew.dismiss()
    assert witness.together
    assert not [pair for pair in witness.together if pair & {"3", "7"}]


def test_what_was_raised_is_told_and_others_go_on() -> None:
    def measure(one: Check) -> None:
        if one.id == "1":
            raise Unmet("this", "that", "there")

    checks = [check(n, "a") for n in range(3)]
    crew = Crew(checks, measure)
    assert [type(crew.outcome(one).error) for one in checks] == [type(None), Unmet, type(None)]
    crew.dismiss()


def test_who_is_dismissed_begins_nothing_more() -> None:
    begun = []

    def measure(one: Check) -> None:
        begun.append(one.id)
        time.sleep(0.05)

    checks = [check(n, "a") for n in range(50)]
    crew = Crew(checks, measure)
    crew.outcome(checks[0])
    crew.dismiss()
    assert 1 <= len(begun) <= 3
