# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The seed topology on machines that systemd runs, over SSH with become, and what a boot of them brings back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import cgroup
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import DISKS, RUNTIME
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from .deployment import ROOT, Deployment
from .names import lab_name

NODES = ("controller", "network", "compute1")
LAB = lab_name("systemd")
PROGRAMS = ("mmdebstrap", "systemd-nspawn", "ssh", "nc")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def systemd(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Deployment]:
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        pytest.skip(f"needs {', '.join(missing)} (bindep.txt, profile test)")
    wheels = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", f"--wheel-dir={wheels}"]
    subprocess.run([*pip, f"--requirement={ROOT}/roles/runtime/files/requirements.txt"], check=True)
    directory = tmp_path_factory.mktemp("systemd")
    deployment = Deployment(ROOT / "inventories/lab", directory, LAB, hosts="systemd/hosts.yml")
    deployment.edit("systemd/hosts.yml", "{{ inventory_dir }}/../../../build/wheels", str(wheels))
    deployment.succeed("lab")
    yield deployment
    deployment.succeed("destroy")
    assert not [path for path in (DISKS / LAB, RUNTIME / LAB) if path.exists()]
    assert not [node for node in NODES if cgroup.exists(f"{LAB}/{node}")]


def failed_units(deployment: Deployment) -> dict[str, str]:
    command = ("systemctl", "list-units", "--failed", "--plain", "--no-legend")
    return {name: said for name in NODES if (said := deployment.node(name, *command).stdout)}


def test_the_tests_of_daemons_pass_with_systemd(systemd: Deployment) -> None:
    enter = ["nsenter", f"--target={systemd.machine('controller').system_pid}", "--net", "--pid", "--"]
    options = ["-q", "-p", "no:cacheprovider", "--supervisor=systemd", "-k", "daemon or drift or service"]
    command = [*enter, sys.executable, "-m", "pytest", *options, "tests/node/test_daemons.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_is_deployed_over_ssh_and_measured(systemd: Deployment) -> None:
    systemd.succeed("site")
    output = systemd.succeed("site", "verify", args=("--diff",))
    assert not output.changed, output.text
    assert "checks passed" in output.text
    assert "not measured" not in output.text
    assert failed_units(systemd) == {}


def test_a_node_is_asked_to_hand_over_through_ssh_and_says_what_is_wrong(systemd: Deployment) -> None:
    for step, wrong in ({"ready": "", "leave": "this node is not ready"}).items():
        playbook = systemd.directory / f"{step}.yml"
        tasks = [
            {"tenantnet.ovs.handover": {"step": step}, "register": "said"},
            {"ansible.builtin.assert": {"that": "said.steps == []"}},
        ]
        playbook.write_text(json.dumps([{"hosts": "compute1", "gather_facts": False, "tasks": tasks}]))
        output = systemd.run(playbook)
        assert output.says(wrong) if wrong else output.code == 0, output.text


def test_a_node_that_cannot_be_restored_at_boot_is_restored_later(systemd: Deployment) -> None:
    """Here the metadata API of the controller has no address yet to listen on."""
    controller = systemd.machine("controller")
    address = ["address", "{}", "10.0.0.11/24", "dev", "eth0"]
    active = ["systemctl", "show", "--property=ActiveState,NRestarts", "tenantnet-restore"]
    controller.run(["systemctl", "stop", "tenantnet-restore", "tenantnet-metadata-api"])
    controller.run(["ip", *(word.format("delete") for word in address)])
    try:
        controller.run(["systemctl", "start", "--no-block", "tenantnet-restore"])
        until(lambda: "NRestarts=0" not in controller.run(active), "a second attempt", 60)
    finally:
        controller.run(["ip", *(word.format("add") for word in address)])
    until(lambda: "ActiveState=active" in controller.run(active), "the node to be restored", 60)
    assert controller.run(["systemctl", "is-active", "tenantnet-metadata-api"]) == "active\n"
    assert failed_units(systemd) == {}


def test_a_reboot_is_survived_without_a_deployment(systemd: Deployment) -> None:
    """One machine is told to boot again, another loses its power."""
    network, compute = systemd.machine("network"), systemd.machine("compute1")
    before = network.system_pid
    network.run(["systemctl", "reboot", "--no-block"])
    compute.kill()
    until(lambda: cgroup.systemd(str(network)) not in (None, before), "the network node to boot again", 60)
    systemd.succeed("lab", "verify")
    assert failed_units(systemd) == {}
