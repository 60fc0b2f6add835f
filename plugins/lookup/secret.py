# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Lookup plugin: a secret that is made once and kept in a file of the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: A secret that is made once and kept in a file
version_added: 0.1.0
description:
  - Returns the content of a file of the control host. When there is no such file, it is made with 256 random bits,
    readable for its owner only. A run as root leaves it to whoever owns the directory.
  - In check mode no file is made; the value is another one each time then.
author: tenantnet developers (@tenantnet)
options:
  _terms:
    description: Path of the file; it should be ignored by version control.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Apply the state of this node
  tenantnet.ovs.node:
    state: "{{ tenantnet_plan.nodes[inventory_hostname] }}"
    secrets: {metadata: "{{ lookup('tenantnet.ovs.secret', inventory_dir ~ '/metadata.secret') }}"}
"""

RETURN = r"""
_raw:
  description: The secrets.
  type: list
  elements: str
"""

import os
import pathlib
import secrets
import typing

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils.plan import lock

BYTES = 32


class LookupModule(LookupBase):  # type: ignore[misc]
    """Where Ansible finds the lookup."""

    def run(
        self, terms: list[str], variables: dict[str, typing.Any] | None = None, **_options: typing.Any
    ) -> list[str]:
        check = bool((variables or {}).get("ansible_check_mode"))
        try:
            return [secret(pathlib.Path(term), check) for term in terms]
        except OSError as exc:
            raise AnsibleLookupError(f"the secret cannot be kept: {exc}") from None


def secret(path: pathlib.Path, check: bool = False) -> str:
    """What stands in the file, which is made if need be; `check` makes none."""
    with lock.held(path):  # each node's templates are evaluated in a process of its own
        if path.exists():
            return path.read_text(encoding="ascii").strip()
        made = secrets.token_hex(BYTES)
        if not check:
            _write(path, made)
        return made


def _write(path: pathlib.Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(new, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(f"{text}\n")
    new.rename(path)
