# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Files that no golden pair should hold: missing, too large, not files at all."""

from __future__ import annotations

import os

import pytest
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import source
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.errors import TopologyErrors
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.load import load


def problems(path):
    report = source.Report(source.Sources())
    source.read(path, "file.yml", report)
    return [str(problem) for problem in report.problems]


def test_a_missing_file(tmp_path):
    with pytest.raises(TopologyErrors, match=r"topology/provider\.yml: cannot be read: no such file or directory"):
        load(tmp_path / "topology", [])


def test_a_file_that_is_too_large(tmp_path):
    (tmp_path / "large.yml").write_text("a: " + "x" * source.MAX_BYTES, encoding="utf-8")
    assert problems(tmp_path / "large.yml") == ["file.yml: cannot be read: it is larger than 1 MiB"]


def test_a_file_of_too_many_values(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_VALUES", 100)
    (tmp_path / "many.yml").write_text("[" + "1," * 100 + "]", encoding="utf-8")
    (problem,) = problems(tmp_path / "many.yml")
    assert problem.endswith("the file holds over 100 values")


def test_a_fifo_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "fifo.yml")
    assert problems(tmp_path / "fifo.yml") == ["file.yml: cannot be read: it is not a regular file"]


@pytest.mark.parametrize("text", ["", "# a comment\n", "---\n", "null\n"])
def test_an_empty_file_has_no_problem(tmp_path, text):
    (tmp_path / "empty.yml").write_text(text, encoding="utf-8")
    assert problems(tmp_path / "empty.yml") == []


def test_where_a_value_stands():
    report = source.Report(source.Sources())
    data = source.parse("a:\n  - b: c\n  - [d]\n", "file.yml", report)
    assert data == {"a": [{"b": "c"}, ["d"]]}
    for path, place in {("a", 0, "b"): (2, 8), ("a", 1, 0): (3, 6), ("a", 7, "x"): (1, 1)}.items():
        problem = report.sources.problem("file.yml", path, "")
        assert (problem.line, problem.column) == place
