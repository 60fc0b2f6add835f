# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The generated pages of docs/ are up to date, and the golden pairs hold every sentence that is said of a topology."""

from __future__ import annotations

import ast
import pathlib
import re
import sys
import typing

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from references import ERRORS, errors_page, topology_page  # noqa: E402

PLUGINS = ROOT / "plugins/plugin_utils"
SOURCES = [
    *sorted((PLUGINS / "topology").rglob("*.py")),
    *(PLUGINS / f"plan/{name}.py" for name in ("addressing", "allocate", "floating", "lock", "pins", "segments")),
]
#: What no pair of files can bring about, and where it is tested; what is no sentence about a topology.
ELSEWHERE = {
    "it is larger than {} MiB",  # test_source.py
    "it is not a regular file",  # test_source.py: a FIFO
    "holds over {} values",  # test_source.py
    "something else",  # what a type of error expects that pydantic does not have yet
    "conntrack zone",  # a noun: 61,439 ports of one node would exhaust them
    "next token",  # what the YAML parser says
    "Short form: the {} alone.",  # the schema
}


@pytest.mark.parametrize(("name", "page"), [("errors", errors_page), ("topology", topology_page)])
def test_a_page_is_up_to_date(
    name: str, page: typing.Callable[[], str], golden: typing.Callable[[pathlib.Path, str], None]
) -> None:
    golden(ROOT / f"docs/{name}.md", page())


def test_every_sentence_has_a_pair() -> None:
    said = "".join(path.read_text(encoding="utf-8") for path in sorted(ERRORS.rglob("errors.txt")))
    missing = {}
    for path in SOURCES:
        for line, template in _sentences(ast.parse(path.read_text(encoding="utf-8"))):
            pattern = ".*".join(map(re.escape, template.split("{}")))
            if template not in ELSEWHERE and not re.search(pattern, said):
                missing[f"{path.relative_to(ROOT)}:{line}"] = template
    assert missing == {}, "write a case in golden/errors for each"


def _sentences(tree: ast.AST) -> typing.Iterator[tuple[int, str]]:
    """Literals of two words or more outside of docstrings and descriptions, with {} for what is filled in."""
    children = list(ast.iter_child_nodes(tree))
    if isinstance(tree, ast.keyword) and tree.arg in ("description", "pattern"):
        return
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return
    if isinstance(tree, ast.Call) and getattr(tree.func, "id", "") == "_quota":
        return
    if isinstance(tree, ast.Constant | ast.JoinedStr):
        parts = tree.values if isinstance(tree, ast.JoinedStr) else [tree]
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
        if re.search(r"[a-z]{2,}[ ,;:]+[a-z]{2,}", text) and not text.startswith("#"):
            yield tree.lineno, text
        children = [part for part in parts if isinstance(part, ast.FormattedValue)]
    for child in children:
        yield from _sentences(child)
