# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a person reads of a verification."""

from __future__ import annotations

from ansible_collections.tenantnet.ovs.plugins.action import verify
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.attacks import ATTACKS
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.check import Check, Group
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.diagnostics import LINES, trimmed
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.summary import Outcome, Result, Summary


def check(id_: str, group: Group, negative: bool = False, **more: str) -> Check:
    return Check(
        **{"id": id_, "title": f"title of {id_}", "node": "n", "kind": "k", **more}, group=group, negative=negative
    )


def result(one: Check, outcome: Outcome, message: str = "") -> Result:
    return Result(check=one, outcome=outcome, seconds=0.5, message=message, diagnostics=[("ip a", "lo")])


A, B = check("a", "routing"), check("b", "routing", negative=True)
C = check("c", "spoofing", negative=True)


def test_a_group_is_told_when_it_has_ended() -> None:
    summary = Summary([A, B, C])
    assert summary.add(result(A, "passed")) is None
    assert (
        summary.add(result(B, "failed", "why"))
        == "routing       1.0 s    1 ok, 1 failed, 1 of 2 about what must not work"
    )
    assert summary.add(result(C, "skipped", "not measured: no machine")) == (
        "spoofing      0.5 s    0 ok, 1 not measured, 1 of 1 about what must not work"
    )
    assert summary.counts() == {
        "routing": {"passed": 1, "failed": 1, "not_measured": 0},
        "spoofing": {"passed": 0, "failed": 0, "not_measured": 1},
    }
    assert list(summary.not_measured()) == ["1 not measured: no machine"]


def test_an_attack_is_told_with_its_control() -> None:
    ends: list[tuple[Outcome, str]] = [
        ("passed", "blocked"),
        ("skipped", "1 not measured"),
        ("failed", "1 NOT BLOCKED"),
    ]
    for outcome, ended in ends:
        first, second = (check(n, "spoofing", True, node=n, attack="MAC spoofing") for n in ("b", "a"))
        summary = Summary([first, second], "attack")
        assert summary.add(result(first, "passed")) is None
        line = summary.add(result(second, outcome))
        assert line is not None
        assert line.split() == f"{line[0]} MAC spoofing 2 on a, b {ended}; control: {ATTACKS['MAC spoofing']}".split()
        assert "✓?✗"[[e for _o, e in ends].index(ended)] == line[0]
        assert list(summary.counts()) == ["MAC spoofing"]


def test_what_is_measured() -> None:
    """What others may feel only when it is asked for; attacks one after another, as they are listed."""
    disturbing = check("d", "exhaustion", True, attack="DHCP starvation")
    all_ = [A, disturbing, check("c", "spoofing", True, attack="IP spoofing")]
    assert [c.id for c in verify.chosen(all_, None, attacks=False)] == ["a", "c"]
    assert [c.id for c in verify.chosen(all_, ["exhaustion"], attacks=False)] == ["d"]
    assert [c.id for c in verify.chosen(all_, None, attacks=True)] == ["c", "d"]
    assert [c.id for c in verify.chosen(all_, ["spoofing"], attacks=True)] == ["c"]


def test_failures_of_one_reason_stand_together() -> None:
    summary = Summary([A, B, C])
    for one, message in ((A, "down"), (B, "up"), (C, "down")):
        summary.add(result(one, "failed", message))
    assert list(summary.failures()) == ["✗ title of a\n✗ title of c\n    down", "✗ title of b\n    up"]
    assert summary.diagnostics().count("--- ip a\nlo") == 3


def test_long_output_is_trimmed() -> None:
    assert trimmed("a\nb") == "a\nb"
    assert trimmed("x\n" * (LINES + 2)).endswith("x\n… 2 more lines")
