# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Each directory of golden/ is one case: the files in which it differs from golden/base, and what comes of them.

valid/<case>: resolved.yml and topology.lock.yml; before.lock.yml, where there is one, is the lock that goes in.
errors/<case>: errors.txt.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import sys

import pytest
import yaml
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import lock
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.allocate import resolve
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.errors import TopologyErrors

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import inventories

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


def cases(kind):
    return [pytest.param(path, id=path.name) for path in sorted((GOLDEN / kind).iterdir())]


@pytest.fixture
def laid_out(tmp_path):
    def lay(case):
        shutil.copytree(GOLDEN / "base", tmp_path, dirs_exist_ok=True)
        shutil.copytree(case, tmp_path, dirs_exist_ok=True, symlinks=True)
        return tmp_path

    return lay


@pytest.mark.parametrize("case", cases("valid"))
def test_resolves(case, laid_out, golden):
    directory = laid_out(case)
    resolved, after = resolve(inventories.read(directory), lock.load(directory / "before.lock.yml"))
    golden(case / "resolved.yml", yaml.safe_dump(dataclasses.asdict(resolved), sort_keys=False, width=120))
    golden(case / "topology.lock.yml", lock.dump(after))


@pytest.mark.parametrize("case", cases("errors"))
def test_tells_what_is_wrong(case, laid_out, golden):
    directory = laid_out(case)
    with pytest.raises(TopologyErrors) as caught:
        resolve(inventories.read(directory), lock.load(directory / "before.lock.yml"))
    golden(case / "errors.txt", f"{caught.value}\n")
