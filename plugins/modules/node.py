#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Make a node what its node state says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node
short_description: Make a node what its node state says
version_added: 0.1.0
description:
  - Applies a node state, as the plan computes it, to the node. Open vSwitch bridges, ports and flows, network
    namespaces, links, routes, iptables chains, ipsets, conntrack zones, rules of Linux bridges, files and daemons that
    are marked as belonging to the deployment are made, changed and removed until they are what the state says. Things
    without such a mark are never touched.
  - When a change cannot be made, the node is brought back to what it was before.
options:
  state:
    description:
      - The node state. It may hold secrets and is neither logged nor returned.
    type: dict
    required: true
  passes:
    description:
      - V(build) adds and changes things, V(prune) removes what is no longer wanted. Run V(build) on all nodes before
        V(prune) on any, so that what takes another's place is there before that one goes.
      - V(start) adds and changes guests of a lab. A guest asks for its address and its metadata as soon as it runs, so
        run V(build) on all nodes before V(start) on any.
      - What may be at one place only is taken away by V(prune) and comes to life by V(start). To have both at once, use
        M(tenantnet.ovs.handover) between V(build) and these.
    type: list
    elements: str
    choices: [build, prune, start]
    default: [build, prune, start]
  secrets:
    description:
      - Secrets by name, for the files of the state that consist of one. The plan knows only their names.
    type: dict
    default: {}
  slices:
    description:
      - The parts of the state to apply. What belongs to other parts is left as it is.
    type: list
    elements: str
    choices: [switching, routing, dhcp, metadata, instances, guests]
    default: [switching, routing, dhcp, metadata, instances, guests]
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: linux
requirements:
  - ovsdbapp
  - pyroute2
author:
  - tenantnet developers (@tenantnet)
"""

EXAMPLES = r"""
- name: Apply the state of this node
  tenantnet.ovs.node:
    state: "{{ tenantnet_state }}"

- name: Make everything new on all nodes, and remove nothing yet
  tenantnet.ovs.node:
    state: "{{ tenantnet_state }}"
    passes: [build]

- name: Start guests where everything that they need is there, and remove what is of no use any more
  tenantnet.ovs.node:
    state: "{{ tenantnet_state }}"
    passes: [prune, start]

- name: Show what is not as it should be in the routers
  tenantnet.ovs.node:
    state: "{{ tenantnet_state }}"
    slices: [routing]
  check_mode: true
  diff: true
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample:
    - "+ port br-int tap1c5f0d4e-9a: slice=dhcp tag=1"
counts:
  description: Number of changes by kind of resource.
  returned: always
  type: dict
  sample: {port: 1, flow: 4}
pending:
  description: Whether the passes that were not asked for have something to do.
  returned: always
  type: bool
  sample: true
waits:
  description:
    - Whether some of that takes a place that something else must leave before, on this node or another one, so that
      M(tenantnet.ovs.handover) has something to do.
  returned: always
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils import engine, netns, ovsdb
from ..module_utils.changes import Change
from ..module_utils.errors import TenantnetError
from ..module_utils.passes import Pass
from ..module_utils.state import SLICES, NodeState, from_json

#: Arguments that the result does not repeat.
HIDDEN = ("state", "secrets")

#: What a person asks for -> what the engine does, which can hand over for itself, too.
PASSES: dict[str, list[Pass]] = {"build": ["build"], "prune": ["leave", "prune"], "start": ["arrive", "start"]}


def main() -> None:
    """Read the arguments, apply the state, report."""
    spec = {
        "state": {"type": "dict", "required": True},
        "passes": {"type": "list", "elements": "str", "choices": list(PASSES), "default": list(PASSES)},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "slices": {"type": "list", "elements": "str", "choices": list(SLICES), "default": list(SLICES)},
    }
    # no_log keeps the arguments out of the system's log, and the result is spared: a state may hold secrets.
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, no_log=True)
    invocation = {"module_args": {name: value for name, value in module.params.items() if name not in HIDDEN}}
    for library, imported in (("ovsdbapp", ovsdb.ovs_idl), ("pyroute2", netns.IPRoute)):
        if imported is None:
            module.fail_json(msg=missing_required_lib(library), invocation=invocation)
    try:
        state = from_json(module.params["state"]).only(module.params["slices"]).filled(module.params["secrets"])
        passes = [part for name in module.params["passes"] for part in PASSES[name]]
        result = engine.apply(state, passes, module.check_mode, module.params["slices"])
    except (TenantnetError, ValueError) as exc:
        module.fail_json(msg=str(exc), invocation=invocation)
    warn(module, result)
    module.exit_json(invocation=invocation, **report(state, result))


def warn(module: AnsibleModule, result: engine.Result) -> None:
    """Tell what a person should know although nothing failed."""
    if result.interrupted:
        module.warn("an earlier run on this node was cut short; this run found what it left and went on from there")
    if result.missing and not module.check_mode:  # then the pass that builds has not built either
        named = [change.describe() for change in result.missing[:3]]
        rest = f" and {len(result.missing) - 3} more" if len(result.missing) > 3 else ""
        module.warn(f"things that should be there are missing, and this run only removes: {'; '.join(named)}{rest}")


def report(state: NodeState, result: engine.Result) -> dict[str, object]:
    """What the module returns."""
    header = f"node {state.node}"
    return {
        "changed": result.changed,
        "changes": lines(result.changes),
        "counts": result.counts,
        "pending": result.pending,
        "waits": result.waits,
        "diff": {
            "before": result.before,
            "after": result.after,
            "before_header": header,
            "after_header": header,
        },
    }


def lines(changes: tuple[Change, ...]) -> list[str]:
    """Changes for people, one line each."""
    return [change.describe() for change in changes]


if __name__ == "__main__":
    main()
