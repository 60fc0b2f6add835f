# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Action plugin `tenantnet.ovs.node`: the module of that name, run by the Python that has the libraries it needs."""

from __future__ import annotations

import typing

from ansible.plugins.action import ActionBase

from ..module_utils import venv


class ActionModule(ActionBase):  # type: ignore[misc]
    """A real host has an environment of its own (role `runtime`); a lab node shares this host's interpreter."""

    def run(self, tmp: str | None = None, task_vars: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
        result: dict[str, typing.Any] = super().run(tmp, task_vars)
        variables = dict(task_vars or {})
        if self._templar.template(variables.get("tenantnet_install", True)):
            if self._task.check_mode and not self._is_there(str(venv.PYTHON)):
                said = f"{venv.PYTHON} is not there yet, and nobody else on this node could tell what would change"
                return result | {"skipped": True, "msg": said, "pending": False, "waits": False}
            variables["ansible_python_interpreter"] = str(venv.PYTHON)
        return result | self._execute_module(task_vars=variables)

    def _is_there(self, path: str) -> bool:
        return bool(self._low_level_execute_command(f"test -x {path}")["rc"] == 0)
