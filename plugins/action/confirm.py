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
from ..plugin_utils.plan.forget import forgotten


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the control host only."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
        result: dict[str, typing.Any] = super().run(tmp, task_vars)
        spec = {
            "lock": {"type": "path", "required": True},
            "nodes": {"type": "list", "elements": "str"},
            "forget": {"type": "str"},
        }
        one_of = {"required_one_of": [["nodes", "forget"]], "mutually_exclusive": [["nodes", "forget"]]}
        args = self.validate_argument_spec(argument_spec=spec, **one_of)[1]
        path = pathlib.Path(args["lock"])
        try:
            with lock.held(path):
                before = lock.load(path)
                if args["forget"]:
                    after = forgotten(before, args["forget"], list((task_vars or {})["groups"]["all"]))
                else:
                    after = lock.confirmed(before, args["nodes"])
                if not self._task.check_mode:
                    result["changed"] = lock.write(path, after)
        except TenantnetError as exc:
            raise AnsibleActionFail(str(exc)) from None
        return result
