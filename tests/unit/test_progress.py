# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a deployment, from a real ansible-playbook."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

PLAYBOOK = r"""
- name: Try the screen output
  hosts: all
  any_errors_fatal: true
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Change one
      ansible.builtin.file:
        path: "{{ playbook_dir }}/{{ inventory_hostname }}"
        state: "{{ 'touch' if inventory_hostname == 'two' else 'absent' }}"
    - name: Skip
      ansible.builtin.debug:
        msg: not to be seen
      when: false
    - name: Tell
      ansible.builtin.debug:
        msg: "first line\nsecond line"
      run_once: true
    - name: Fail all
      ansible.builtin.fail:
        msg: "topology/demo.yml:3:5: no such network\ntopology/demo.yml:9:1: no such router"
      when: fail | default(false) | bool
"""


@pytest.fixture
def play(tmp_path: pathlib.Path):
    (tmp_path / "play.yml").write_text(PLAYBOOK)

    def run(*arguments: str) -> str:
        argv = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "--inventory=one,two,", *arguments]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
        }
        done = subprocess.run(
            [*argv, str(tmp_path / "play.yml")], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
        )
        assert not done.stderr
        return re.sub(r"\d+:\d\d |\d+\.\d s", "T", done.stdout)

    return run


def test_a_line_for_each_task_and_outcome(play):
    assert play().splitlines() == [
        "",
        "Try the screen output",
        "  T Change one                    changed       two",
        "                                      ok            one",
        "  T Tell                          ok            one",
        "        first line",
        "        second line",
    ]


def test_a_failure_of_all_is_told_once(play):
    assert play("--extra-vars=fail=true").splitlines()[-7:] == [
        "  T Fail all                      failed        one, two",
        "",
        "        one, two:",
        "        topology/demo.yml:3:5: no such network",
        "        topology/demo.yml:9:1: no such router",
        "",
        "Failed after T on one, two",
    ]


def test_check_mode_says_would(play):
    assert "would change  two" in play("--check")


def test_verbose_is_ansibles_own(play):
    assert "PLAY RECAP" in play("-v")
