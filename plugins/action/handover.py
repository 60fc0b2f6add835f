# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Action plugin `tenantnet.ovs.handover`: asks the node's own command, for a module would take too long to begin."""

from __future__ import annotations

import json
import typing

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.services.handover import STEPS
from ..module_utils.state import STATE_DIR


class ActionModule(ActionBase):  # type: ignore[misc]
    """The command is there from the role `runtime`."""

    def run(self, tmp: str | None = None, task_vars: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
        result: dict[str, typing.Any] = super().run(tmp, task_vars)
        spec = {"step": {"type": "str", "required": True, "choices": list(STEPS)}}
        args = self.validate_argument_spec(argument_spec=spec)[1]
        if self._task.check_mode:
            return result | {"skipped": True, "msg": "the module node tells what would change"}
        said = self._low_level_execute_command(f"{STATE_DIR}/bin/tenantnet-handover {args['step']}")
        # Where there is a terminal between, what sudo and ssh have to say comes the same way.
        lines = [line for line in said["stdout"].splitlines() if line.startswith("{")]
        words = (said["stderr"] or said["stdout"]).strip() or f"tenantnet-handover ended with {said['rc']}"
        answer = json.loads(lines[-1]) if lines else {"error": words}
        if "error" in answer:
            hint = "" if args["step"] == STEPS[0] else ". What moves may be nowhere until the playbook has run again"
            raise AnsibleActionFail(f"{answer['error']}{hint}")
        return result | answer | {"changed": bool(answer.get("changes"))}
