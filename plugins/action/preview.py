# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Action plugin `tenantnet.ovs.preview`: what a project's file, or the whole topology, would change."""

from __future__ import annotations

import json
import pathlib
import typing

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.errors import TenantnetError
from ..plugin_utils import third_party
from ..plugin_utils.plan import allocate, lock, outline, recorded
from ..plugin_utils.topology import inventory, load, words
from ..plugin_utils.topology.errors import TopologyErrors, from_here


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the control host only, and writes nothing but what is asked for."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
        result: dict[str, typing.Any] = super().run(tmp, task_vars)
        spec = {
            "topology": {"type": "path", "required": True},
            "lock": {"type": "path"},
            "project": {"type": "str"},
            "dest": {"type": "path"},
        }
        args = self.validate_argument_spec(argument_spec=spec)[1]
        topology = pathlib.Path(args["topology"])
        lock_file = pathlib.Path(args["lock"]) if args["lock"] else topology.parent / "topology.lock.yml"
        folder = recorded.directory(lock_file)
        try:
            third_party.require()
            if args["project"] is not None:
                before, after = recorded.preview(folder, topology, words.name(args["project"]))
            else:
                before, after = recorded.whole(folder), _whole(topology, lock_file, task_vars or {})
            result.update(_said(before, after))
            if args["dest"]:
                pathlib.Path(args["dest"]).write_text(json.dumps(result["changes"], indent=1) + "\n", encoding="utf-8")
        except TopologyErrors as exc:
            raise AnsibleActionFail(str(exc.below(from_here(topology.parent)))) from None
        except (TenantnetError, OSError) as exc:
            raise AnsibleActionFail(str(exc)) from None
        return result


def _whole(topology: pathlib.Path, lock_file: pathlib.Path, variables: dict[str, typing.Any]) -> outline.Outline:
    hosts_file = pathlib.Path(variables.get("inventory_file") or "")
    of = load.load(topology, inventory.hosts(variables), hosts_file)
    return outline.outline(allocate.resolve(of, lock.load(lock_file))[0])


def _said(before: outline.Outline, after: outline.Outline) -> dict[str, typing.Any]:
    """The difference for people, for `--diff` and for machines."""
    found = outline.changes(before, after)
    header = {"before_header": "recorded plan", "after_header": "files"}
    return {
        "changed": bool(found),
        "lines": [change.describe() for change in found],
        "changes": [change.to_json() for change in found],
        "diff": {"before": outline.text(before), "after": outline.text(after), **header},
    }
