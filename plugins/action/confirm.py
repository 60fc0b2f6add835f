# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Action plugin `tenantnet.ovs.confirm`: what only these nodes still carried is free again in the lock file."""

from __future__ import annotations

import pathlib
import typing

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.errors import TenantnetError
from ..plugin_utils.plan import lock


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the control host only."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
        result: dict[str, typing.Any] = super().run(tmp, task_vars)
        spec = {
            "lock": {"type": "path", "required": True},
            "nodes": {"type": "list", "elements": "str", "required": True},
        }
        args = self.validate_argument_spec(argument_spec=spec)[1]
        if not self._task.check_mode:
            try:
                with lock.held(path := pathlib.Path(args["lock"])):
                    result["changed"] = lock.write(path, lock.confirmed(lock.load(path), args["nodes"]))
            except TenantnetError as exc:
                raise AnsibleActionFail(str(exc)) from None
        return result
