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
from ..plugin_utils import plan, third_party
from ..plugin_utils.plan import allocate, checks, guide, lock
from ..plugin_utils.topology import inventory, load

Vars = typing.Mapping[str, typing.Any]


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the control host only, for all hosts of the inventory at once."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
        result: dict[str, typing.Any] = super().run(tmp, task_vars)
        spec = {
            "topology": {"type": "path", "required": True},
            "lock": {"type": "path"},
            "write_lock": {"type": "bool", "default": True},
        }
        args = self.validate_argument_spec(argument_spec=spec)[1]
        variables = task_vars or {}
        topology = pathlib.Path(args["topology"])
        lock_file = pathlib.Path(args["lock"]) if args["lock"] else topology.parent / "topology.lock.yml"
        hosts_file = pathlib.Path(variables.get("inventory_file") or "")
        write = args["write_lock"] and not self._task.check_mode
        try:
            third_party.require()
            result.update(_plan(topology, lock_file, hosts_file, _hosts(variables), write))
        except TenantnetError as exc:
            raise AnsibleActionFail(str(exc)) from None
        return result


def _hosts(variables: Vars) -> list[inventory.Host]:
    """Every host of the inventory with its groups and variables, as plain data: Ansible's own types stay outside."""
    return [
        {
            "name": str(name),
            "groups": [str(group) for group in host["group_names"]],
            "vars": json.loads(json.dumps({k: host[k] for k in host if k.startswith(inventory.PREFIX)}, default=str)),
        }
        for name, host in ((name, variables["hostvars"][name]) for name in variables["groups"]["all"])
    ]


def _plan(
    directory: pathlib.Path, lock_file: pathlib.Path, hosts_file: pathlib.Path, hosts: list[inventory.Host], write: bool
) -> dict[str, typing.Any]:
    raw = load.load(directory, hosts, hosts_file)
    with lock.held(lock_file):
        before = lock.load(lock_file)
        topology, after = allocate.resolve(raw, before)
        changed = lock.write(lock_file, after) if write else lock.dump(before) != lock.dump(after)
    states = plan.compile(topology)
    return {
        "changed": changed,
        "_ansible_verbose_override": True,  # -v would print the states, which hold what users gave their instances
        "lock": str(lock_file),
        "diff": {"before": lock.dump(before), "after": lock.dump(after), "before_header": str(lock_file)},
        "nodes": {name: to_json(state) for name, state in states.items()},
        "guide": guide.guide(topology),
        "checks": [checks.to_json(check) for check in checks.checks(topology, states)],
    }
