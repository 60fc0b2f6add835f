# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Action plugin `tenantnet.ovs.plan`: the inventory and the topology files in, the state of each node out."""

from __future__ import annotations

import pathlib
import typing

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.errors import TenantnetError
from ..module_utils.state import SLICES, to_json
from ..plugin_utils import plan, third_party
from ..plugin_utils.plan import allocate, checks, guide, libvirt, lock, moves, recorded
from ..plugin_utils.topology import inventory, load, model
from ..plugin_utils.topology.errors import TopologyErrors, from_here


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the control host only, for all hosts of the inventory at once."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
        result: dict[str, typing.Any] = super().run(tmp, task_vars)
        spec = {
            "topology": {"type": "path", "required": True},
            "lock": {"type": "path"},
            "write_lock": {"type": "bool", "default": True},
            "hosts": {"type": "list", "elements": "str"},
            "slices": {"type": "list", "elements": "str", "choices": list(SLICES), "default": list(SLICES)},
        }
        args = self.validate_argument_spec(argument_spec=spec)[1]
        variables = task_vars or {}
        topology = pathlib.Path(args["topology"])
        lock_file = pathlib.Path(args["lock"]) if args["lock"] else topology.parent / "topology.lock.yml"
        hosts_file = pathlib.Path(variables.get("inventory_file") or "")
        try:
            third_party.require()
            hosts = inventory.hosts(variables)
            raw = load.load(topology, hosts, hosts_file)
            with lock.held(lock_file):
                before = lock.load(lock_file)
                resolved, after = allocate.resolve(raw, before)
                if args["hosts"] is not None:
                    moves.check(resolved, args["hosts"])
                if args["write_lock"] and not self._task.check_mode:
                    lock.write(lock_file, after)
                    recorded.record(recorded.directory(lock_file), topology, raw, resolved, after)
            if args["write_lock"]:
                result.update(_difference(lock_file, lock.dump(before), lock.dump(after)))
            lab = any("tenantnet_lab" in host["vars"] for host in hosts)
            result.update(_planned(resolved, args["slices"], lab), lock=str(lock_file))
        except TopologyErrors as exc:
            elsewhere = {inventory.FILE: from_here(hosts_file.parent)}
            raise AnsibleActionFail(str(exc.below(from_here(topology.parent), elsewhere))) from None
        except TenantnetError as exc:
            raise AnsibleActionFail(str(exc)) from None
        return result


def _difference(lock_file: pathlib.Path, before: str, after: str) -> dict[str, typing.Any]:
    """What Ansible says of the lock file."""
    header = {"before_header": str(lock_file), "after_header": str(lock_file)}
    return {"changed": before != after, "diff": {"before": before, "after": after, **header}}


def _planned(topology: model.Topology, slices: list[str], lab: bool) -> dict[str, typing.Any]:
    """What is to be on each node, what is to be measured, and what to look at."""
    states = {name: state.only(slices) for name, state in plan.compile(topology).items()}
    return {
        "_ansible_verbose_override": True,  # -v would print the states, which hold what users gave their instances
        "nodes": {name: to_json(state) for name, state in states.items()},
        "guide": guide.guide(topology, lab),
        "machines": libvirt.machines(topology),
        "moves": moves.moves(topology),
        "checks": [checks.to_json(check) for check in checks.checks(topology, states, slices)],
    }
