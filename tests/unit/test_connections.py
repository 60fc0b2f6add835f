# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Which connections end with a NAT rule."""

from __future__ import annotations

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.connections import (
    Selection,
    translated,
    untranslated,
)


@pytest.mark.parametrize(
    ("rule", "selection"),
    [
        (
            "-d 203.0.113.9/32 -j DNAT --to-destination 10.0.0.5",
            Selection(destination="203.0.113.9", answers_from="10.0.0.5"),
        ),
        (
            "-d 203.0.113.9/32 -p udp -m udp --dport 5000:5009 -j DNAT --to-destination 10.0.0.5:6000-6009/5000",
            Selection(destination="203.0.113.9", protocol=17, ports=(5000, 5009), answers_from="10.0.0.5"),
        ),
        (
            "-s 10.0.0.5/32 -j SNAT --to-source 203.0.113.9 --random-fully",
            Selection(source="10.0.0.5", answers_to="203.0.113.9"),
        ),
        ("-o qg-1 -j SNAT --to-source 203.0.113.101 --random-fully", Selection(answers_to="203.0.113.101")),
        ("-m mark ! --mark 0x2/0xffff -j SNAT --to-source 203.0.113.101", None),
        ("-d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697", None),
        ("! -o qg-1 -m conntrack ! --ctstate DNAT -j ACCEPT", None),
    ],
)
def test_what_a_rule_translates(rule: str, selection: Selection | None) -> None:
    assert translated(rule) == selection


def test_what_a_rule_comes_too_late_for() -> None:
    rule = "-d 203.0.113.9/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 10.0.0.5:22"
    found = Selection(destination="203.0.113.9", protocol=6, ports=(22, 22), answers_from="203.0.113.9")
    assert untranslated(rule) == found
    assert untranslated("-s 10.0.0.5/32 -j SNAT --to-source 203.0.113.9") is None
