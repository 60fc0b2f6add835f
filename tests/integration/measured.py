# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of a deployment, and what becomes of them: measured as playbooks/verify.yml does it, without a playbook."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import yaml
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import allocate, lock
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.check import Check, to_json
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import inventory, load, model

from .deployment import ROOT, Deployment


def topology(deployed: Deployment) -> model.Topology:
    """What is deployed, with all that the lock file says was chosen."""
    listed = yaml.safe_load(deployed.hosts.read_text())
    shared = listed.pop("all")["vars"]

    def ours(variables: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in variables.items() if name.startswith(inventory.PREFIX)}

    hosts: list[inventory.Host] = [
        {"name": name, "groups": [group], "vars": ours(shared | mine)}
        for group, members in listed.items()
        for name, mine in members["hosts"].items()
    ]
    raw = load.load(deployed.directory / "topology", hosts, deployed.hosts)
    return allocate.resolve(raw, lock.load(deployed.directory / "topology.lock.yml"))[0]


def failures(deployed: Deployment, checks: list[Check], directory: pathlib.Path) -> dict[str, str]:
    """Titles and messages of those that fail."""
    (directory / "checks.json").write_text(json.dumps([to_json(check) for check in checks]))
    options = [f"--checks={directory / 'checks.json'}", f"--report={directory / 'report'}", f"--lab={deployed.lab}"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib", *options]
    said = subprocess.run([*command, str(ROOT / "tests/datapath")], capture_output=True, text=True, check=False)
    results = [json.loads(line) for line in (directory / "report").read_text().splitlines()]
    assert [result["outcome"] in ("passed", "failed") for result in results] == [True] * len(checks), said.stdout
    titles = {check.id: check.title for check in checks}
    return {titles[result["id"]]: result["message"] for result in results if result["outcome"] == "failed"}
