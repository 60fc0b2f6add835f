# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Action plugin `tenantnet.ovs.plan`: the inventory and the topology files in, the state of each node out."""

from __future__ import annotations

import json
import pathlib
import typing

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.errors import TenantnetError
from ..module_utils.state import to_json
from ..plugin_utils import plan
from ..plugin_utils.plan import allocate, checks, lock
from ..plugin_utils.topology import load

#: Groups of the inventory that make a host a node.
GROUPS = ("controllers", "network_nodes", "compute_nodes")


class ActionModule(ActionBase):
    """Runs on the control host only."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"topology", "lock", "write_lock"})

    def run(self, tmp: str | None = None, task_vars: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
        result: dict[str, typing.Any] = super().run(tmp, task_vars)
        _, args = self.validate_argument_spec(
            argument_spec={
                "topology": {"type": "path", "required": True},
                "lock": {"type": "path"},
                "write_lock": {"type": "bool", "default": True},
            }
        )
        directory = pathlib.Path(args["topology"])
        lock_file = pathlib.Path(args["lock"]) if args["lock"] else directory.parent / "topology.lock.yml"
        write = args["write_lock"] and not self._task.check_mode
        try:
            result.update(_plan(directory, lock_file, hosts(task_vars or {}), write))
        except TenantnetError as exc:
            raise AnsibleActionFail(str(exc)) from None
        return result
