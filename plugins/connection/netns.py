# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Connection to a machine of a lab, by entering the namespaces of its init."""

from __future__ import annotations

DOCUMENTATION = r"""
name: netns
short_description: Run on a machine of a lab, by entering its namespaces
version_added: 0.1.0
description:
  - Runs commands and moves files into and out of a machine that M(tenantnet.ovs.lab) made on this host.
  - Everything runs there as root. Who is not root must be allowed C(nsenter) by C(sudo) without being asked for a
    password.
author: tenantnet developers (@tenantnet)
options:
  lab:
    description: Name of the lab.
    type: str
    required: true
    vars:
      - name: tenantnet_lab
  machine:
    description: Name of the machine.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: tenantnet_lab_machine
  become_success_timeout:
    description: Number of seconds to wait for become to succeed when enabled.
    type: int
    default: 10
  become_strip_preamble:
    description: Strip what become says itself before the command runs.
    type: bool
    default: true
extends_documentation_fragment:
  - connection_pipelining
"""

import os
import pathlib
import shlex

from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
from ansible.plugins.connection.local import Connection as LocalConnection
from ansible.utils.display import Display
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine

display = Display()


class Connection(LocalConnection):
    """The local connection, with every command run inside the machine."""

    transport = "tenantnet.ovs.netns"
    has_pipelining = True

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        try:
            enter = self._machine().enter(["/bin/sh", "-c", cmd])
        except TenantnetError as exc:
            raise AnsibleConnectionFailure(str(exc)) from exc
        if os.geteuid() == 0:
            return super().exec_command(shlex.join(enter), in_data=in_data, sudoable=sudoable)
        result = super().exec_command(shlex.join(["sudo", "-n", *enter]), in_data=in_data, sudoable=sudoable)
        if result[0] == 1 and result[2].startswith(b"sudo: "):
            raise AnsibleConnectionFailure(f"only root can enter a lab node, and {result[2].decode().strip()}")
        return result

    def put_file(self, in_path: str, out_path: str) -> None:
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._play_context.remote_addr)
        try:
            content = pathlib.Path(in_path).read_bytes()
        except FileNotFoundError as exc:
            raise AnsibleFileNotFound(f"file {in_path} does not exist on the control host") from exc
        self._transfer(f"of={out_path}", content)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._play_context.remote_addr)
        pathlib.Path(out_path).write_bytes(self._transfer(f"if={in_path}", None))

    def _transfer(self, operand: str, content: bytes | None) -> bytes:
        """A file's way in and out is dd's standard input and output, which needs no right to the file out here."""
        status, output, error = self.exec_command(shlex.join(["dd", "status=none", "bs=1M", operand]), content)
        if status != 0:
            raise AnsibleConnectionFailure(f"{self._machine()}: {error.decode(errors='replace').strip()}")
        return output

    def _machine(self) -> Machine:
        return Machine(self.get_option("lab"), self.get_option("machine"))
