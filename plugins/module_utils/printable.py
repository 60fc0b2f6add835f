# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Texts of others on their way to a terminal or a log."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text that does nothing to a terminal: what is not visible is shown as in Python's string literals."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def printable_lines(text: str) -> str:
    """The same of a text of several lines."""
    return "\n".join(map(printable, text.expandtabs().split("\n")))
