#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""OpenFlow rules of Open vSwitch bridges."""

from __future__ import annotations

DOCUMENTATION = r"""
module: flows
short_description: OpenFlow rules of Open vSwitch bridges
version_added: 0.1.0
description:
  - Adds, changes and removes flows in any bridge of the node, whoever made the bridge. All flows of a bridge change at
    once, or none does.
  - Flows name ports, not their numbers, and are compared by what they mean, not by how they are written.
  - A flow of the owner is known by its cookie. One that would overwrite a flow of others is refused.
options:
  config:
    description:
      - Flows, each as it should be. Required except with O(state=deleted) and O(state=gathered).
    type: list
    elements: dict
    suboptions:
      bridge:
        description: Bridge that the flow is in. It must speak OpenFlow 1.4, as it does by default.
        type: str
        required: true
      table:
        description: Table, from 0 to 254.
        type: int
        default: 0
      priority:
        description: Of two flows that match, the one of higher priority counts.
        type: int
        default: 32768
      match:
        description: What packets it is for, as C(ovs-ofctl) has it, like V(in_port=web,tcp,tp_dst=22). By default all.
        type: str
        default: ""
      actions:
        description: What happens to them, like V(drop) or V(output:web). Needed for a flow that does not exist yet.
        type: str
extends_documentation_fragment:
  - tenantnet.ovs.resource
  - tenantnet.ovs.resource.database
"""

EXAMPLES = r"""
- name: Have a bridge
  tenantnet.ovs.bridges:
    config:
      - name: br-lan
        datapath_type: netdev
        fail_mode: secure
        ports:
          - name: web
            type: internal

- name: Let it switch, but nobody reach SSH through one port
  tenantnet.ovs.flows:
    config:
      - bridge: br-lan
        priority: 0
        actions: NORMAL
      - bridge: br-lan
        priority: 100
        match: in_port=web,tcp,tp_dst=22
        actions: drop

- name: Remove one flow; its match may be written in another way
  tenantnet.ovs.flows:
    state: deleted
    config:
      - bridge: br-lan
        priority: 100
        match: tcp,tp_dst=22,in_port=web
"""

RETURN = r"""
before:
  description: The items of the owner as they were, in the form of O(config).
  returned: when state is not gathered
  type: list
  elements: dict
after:
  description: The same as they are now, or in check mode would be.
  returned: when state is not gathered
  type: list
  elements: dict
changes:
  description: What was changed, or in check mode would be, one line each.
  returned: when state is not gathered
  type: list
  elements: str
  sample: ["+ flow br-lan 0 100 in_port=\"web\",tcp,tp_dst=22: actions=drop"]
gathered:
  description: The items of the owner in the form of O(config). What has its default is left out.
  returned: when state is gathered
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.resources import ARGUMENTS, DATABASE, REQUIRED, run
from ..module_utils.views.flows import VIEW

FLOW = {
    "bridge": {"type": "str", "required": True},
    "table": {"type": "int", "default": 0},
    "priority": {"type": "int", "default": 32768},
    "match": {"type": "str", "default": ""},
    "actions": {"type": "str"},
}


def main() -> None:
    """Read the arguments, do what they ask for, report."""
    spec = {"config": {"type": "list", "elements": "dict", "options": FLOW}, **ARGUMENTS, **DATABASE}
    run(AnsibleModule(argument_spec=spec, required_if=REQUIRED, supports_check_mode=True), VIEW)


if __name__ == "__main__":
    main()
