# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A deployment of a test's own: a copy of an inventory, a lab of its own name, and the playbooks that people run."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import machine

ROOT = pathlib.Path(__file__).parents[2]
PREPARED = ("--skip-tags=prepare",)  # arguments of site.yml for nodes that have all that is installed
SECONDS = 600  # no playbook of a test takes longer: the rich topology has more than 300 checks


@dataclasses.dataclass(frozen=True)
class Output:
    """What a playbook said."""

    code: int
    text: str

    @property
    def changes(self) -> list[str]:
        """The lines of `--diff`, without their order."""
        return sorted(line.strip() for line in self.text.splitlines() if re.match(r"\s*[+~-] ?\S", line))

    @property
    def changed(self) -> bool:
        """Whether any task changed something."""
        return bool(re.search(r"^ .* changed ", self.text, re.MULTILINE))

    def says(self, sentence: str) -> bool:
        """Whether it failed with a sentence, and not with a traceback."""
        return self.code != 0 and sentence in self.text and "Traceback" not in self.text


class Deployment:
    """`source` is a directory with an inventory and topology/; the copy may be edited by the test."""

    def __init__(self, source: pathlib.Path, directory: pathlib.Path, lab: str, hosts: str = "hosts.yml") -> None:
        self.directory, self.lab, self.hosts = directory, lab, directory / hosts
        shutil.copytree(source, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.lock.yml", "rich"))
        text, count = re.subn(r"tenantnet_lab: \w+", f"tenantnet_lab: {lab}", self.hosts.read_text())
        assert count == 1, "hosts.yml names no lab"
        self.hosts.write_text(text)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text that must be there in a file of the copy."""
        file = self.directory / path
        text = file.read_text()
        assert old in text, f"{path} does not contain {old!r}"
        file.write_text(text.replace(old, new))

    def start(self, *playbooks: str | pathlib.Path, args: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """ansible-playbook as people run it, from the checkout, with its playbooks by name or another one by path."""
        paths = [str(p) if isinstance(p, pathlib.Path) else str(ROOT / "playbooks" / f"{p}.yml") for p in playbooks]
        return subprocess.Popen(
            [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.hosts), *paths, *args],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *playbooks: str | pathlib.Path, args: tuple[str, ...] = ()) -> Output:
        """Run to the end, whatever it is."""
        process = self.start(*playbooks, args=args)
        try:
            text = process.communicate(timeout=SECONDS)[0]
        except BaseException:  # nothing of it goes on while what follows cleans up
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        return Output(process.returncode, text)

    def succeed(self, *playbooks: str | pathlib.Path, args: tuple[str, ...] = ()) -> Output:
        output = self.run(*playbooks, args=args)
        assert output.code == 0, output.text
        return output

    def node(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program on a node."""
        return subprocess.run(self.machine(name).enter(argv), capture_output=True, text=True, check=False)

    def machine(self, name: str) -> machine.Machine:
        return machine.Machine(self.lab, name)
