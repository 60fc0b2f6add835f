# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A bare machine of a lab that tasks of Ansible are run on, as people run them: nothing of a topology is there."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import typing

import yaml
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import ovs
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine

ROOT = pathlib.Path(__file__).parents[2]
SECONDS = 120

Result = dict[str, typing.Any]


class AnsibleNode:
    """`directory` is for playbooks."""

    def __init__(self, machine: Machine, directory: pathlib.Path) -> None:
        self.machine = machine
        self._directory = directory

    def run(self, *argv: str) -> str:
        """Run a program on the node."""
        return self.machine.run(argv)

    def tasks(self, *tasks: Result) -> list[Result]:
        """Run tasks in one playbook, also after one that failed; what each returned."""
        numbered = [
            {**task, "register": f"result_{number}", "ignore_errors": True} for number, task in enumerate(tasks)
        ]
        out = self._directory / "results.json"
        content = "[" + ",".join(f"{{{{ result_{number} | to_json }}}}" for number in range(len(tasks))) + "]"
        copy = {"ansible.builtin.copy": {"content": content, "dest": str(out)}, "delegate_to": "localhost"}
        self.play([*numbered, {**copy, "check_mode": False}])
        return typing.cast("list[Result]", json.loads(out.read_text()))

    def play(self, tasks: typing.Sequence[Result], *arguments: str) -> str:
        """Run a playbook of these tasks that must succeed; what it said."""
        playbook, hosts = self._directory / "play.yml", self._directory / "hosts.yml"
        playbook.write_text(yaml.safe_dump([{"hosts": "node", "gather_facts": False, "tasks": list(tasks)}]))
        variables = {
            "ansible_connection": "tenantnet.ovs.netns",
            "ansible_python_interpreter": sys.executable,
            "tenantnet_lab": self.machine.lab,
            "tenantnet_lab_machine": self.machine.name,
        }
        hosts.write_text(yaml.safe_dump({"all": {"hosts": {"node": variables}}}))
        command = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "-i", str(hosts), str(playbook)]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        }
        done = subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextlib.contextmanager
def bare(lab: str, directory: pathlib.Path) -> typing.Iterator[AnsibleNode]:
    """A machine with Open vSwitch and without NICs."""
    machine = Machine(lab, "bare")
    machine.remove()
    try:
        machine.start(ovs.services(machine))
        ovs.wait(machine)
        yield AnsibleNode(machine, directory)
    finally:
        machine.remove()
