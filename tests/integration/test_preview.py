# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""playbooks/plan.yml as the member of a project runs it: an ordinary user who may read the project's files, no others.

No lab is needed: the plan is recorded as site.yml records it, before it touches a node.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
RICH = ROOT / "inventories/lab/rich"
PLAYBOOK = pathlib.Path(sys.executable).parent / "ansible-playbook"
RECORD = """\
- hosts: controllers
  gather_facts: false
  tasks: [{run_once: true, tenantnet.ovs.plan: {topology: "{{ tenantnet_topology }}"}}]
"""
#: What project demo must not learn: see projects/other.yml.
THEIRS = ("other", "instance-of-theirs", "203.0.113.120")


class Site:
    """A copy of the rich topology, whose owner is root, with one member."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.home = directory, directory / "home"
        self.member = ROOT.stat().st_uid or 65534  # who can read the checkout, wherever it is
        shutil.copytree(RICH, directory, dirs_exist_ok=True)
        directory.chmod(0o755)
        self.home.mkdir()
        os.chown(self.home, self.member, self.member)
        os.chown(self.file, self.member, self.member)
        (directory / "metadata.secret").write_text("hush")
        (directory / "record.yml").write_text(RECORD)
        other = directory / "topology/projects/other.yml"
        other.write_text(other.read_text() + "  instance-of-theirs: {node: compute1, ports: [{network: private, ")
        with other.open("a") as file:
            file.write("floating_ip: 203.0.113.120}]}\n")

    @property
    def file(self) -> pathlib.Path:
        return self.directory / "topology/projects/demo.yml"

    def close(self) -> None:
        """Take from the member what belongs to others."""
        secret = ("topology/provider.yml", "topology/projects/other.yml", "metadata.secret")
        for path in (self.directory / name for name in secret):
            path.chmod(0o600)

    def run(self, playbook: pathlib.Path, *args: str, member: bool = False) -> subprocess.CompletedProcess[str]:
        user = ["setpriv", f"--reuid={self.member}", f"--regid={self.member}", "--clear-groups"] if member else []
        command = [*user, str(PLAYBOOK), "-i", str(self.directory / "hosts.yml"), str(playbook), *args]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        home = str(self.home if member else self.directory)  # nothing of whoever runs the tests, nor of its Ansible
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**environment, "HOME": home, "ANSIBLE_HOME": f"{home}/.ansible"},
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )

    def plan(self, *args: str, member: bool = True) -> subprocess.CompletedProcess[str]:
        """What plan.yml says of project demo."""
        return self.run(ROOT / "playbooks/plan.yml", *args, member=member)


@pytest.fixture(scope="module")
def site():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="tenantnet-preview-"))
    site = Site(directory)
    site.close()
    recorded = site.run(directory / "record.yml")
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    (directory / "topology.lock.yml").chmod(0o600)
    yield site
    shutil.rmtree(directory)


def test_a_member_sees_what_would_change_and_nothing_of_others(site):
    before = site.file.read_text()
    site.file.write_text(
        before.replace("fixed_ip: 192.168.1.12", "fixed_ip: 192.168.1.14") + "    user_data: '{{ 7*7 }}'\n"
    )
    said = site.plan("-e", "project=demo", "-e", f"json={site.home}/plan.json", "--diff")
    site.file.write_text(before)
    assert said.returncode == 0, said.stdout + said.stderr
    assert (
        "~ port instance2:private: fixed_ips=[private/private/192.168.1.12] -> [private/private/192.168.1.14]"
        in said.stdout
    )
    assert "+port instance2:private:" in said.stdout
    changes = json.loads((site.home / "plan.json").read_text())
    assert {(change["verb"], change["after"]["name"]) for change in changes} == {
        ("change", "instance2:private"),
        ("change", "instance6"),  # the last of the file
    }
    text = said.stdout + said.stderr + (site.home / "plan.json").read_text()
    assert [word for word in (*THEIRS, "hush", "=49") if word in text] == []


def test_a_member_learns_nothing_by_mistakes(site):
    before = site.file.read_text()
    site.file.write_text(
        before.replace("network: second,", "network: other/private,").replace("203.0.113.102", "203.0.113.120")
    )
    said = site.plan("-e", "project=demo")
    site.file.write_text(before)
    assert said.returncode != 0
    assert f"{site.directory}/topology/projects/demo.yml:" in said.stdout
    assert "there is no network 'other/private'; did you mean 'private'?" in said.stdout
    assert [word for word in ("instance-of-theirs", "taken", "Traceback") if word in said.stdout] == []


@pytest.mark.parametrize("args", [(), ("-e", "project=other")])
def test_a_member_is_told_so_in_a_sentence(site, args):
    said = site.plan(*args)
    assert said.returncode != 0
    assert "Traceback" not in said.stdout + said.stderr
    assert "instance-of-theirs" not in said.stdout + said.stderr


def test_an_administrator_sees_the_whole(site):
    before = site.file.read_text()
    site.file.write_text(before.replace("fixed_ip: 192.168.1.12", "fixed_ip: 192.168.1.14"))
    said = site.plan(member=False)
    site.file.write_text(before)
    assert said.returncode == 0, said.stdout
    assert "~ port demo/instance2:private: fixed_ips=[demo/private/private/192.168.1.12]" in said.stdout
