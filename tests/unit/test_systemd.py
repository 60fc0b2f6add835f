# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Text of a unit. That systemd reads the command as it was meant is tested where systemd runs."""

from __future__ import annotations

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.systemd import unit


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ('two words, "quoted"', '"two words, \\"quoted\\""'),
        ("it's", '"it\'s"'),
        ("50%", '"50%%"'),
        ("$HOME", '"$HOME"'),
        ("back\\slash", '"back\\\\slash"'),
        ("a\nb", '"a\\x0ab"'),
        ("ü", '"ü"'),
    ],
)
def test_a_word_of_a_command(word: str, written: str) -> None:
    lines = unit("tenantnet-dhcp-x", "", ["/bin/echo", word, "end"]).splitlines()
    assert f'ExecStart=:"/bin/echo" {written} "end"' in lines


def test_a_unit_in_a_network_namespace() -> None:
    assert "NetworkNamespacePath=/run/netns/qdhcp-1\n" in unit("tenantnet-dhcp-x", "qdhcp-1", ["true"])
    assert "NetworkNamespacePath" not in unit("tenantnet-dhcp-x", "", ["true"])
