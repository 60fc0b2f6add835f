#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Documentation of the action plugin of the same name, which asks a command of the node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: handover
short_description: Let something go from one node to another within a moment
version_added: 0.1.0
description:
  - An instance or a router that moves answers at one place only, so it leaves the old node before it arrives at the new
    one; and all nodes change the way into a network whose type changes, or it would be cut in two. The passes of
    M(tenantnet.ovs.node) do both as well, but they take their time to read the node, and something is away meanwhile.
  - Here nodes are read before, by a process that stays. It has the node to itself until its last step is taken, and
    gives up when it is not asked for 60 seconds.
  - Needs the commands of M(tenantnet.ovs.runtime), and the pass V(build) of M(tenantnet.ovs.node) on all nodes. The
    passes V(prune) and V(start) follow and see to it that nothing is left.
options:
  step:
    description:
      - V(ready) leaves the process behind that takes the other steps, and returns which of them there are to take.
      - V(leave) takes away what goes elsewhere, and changes ways into networks. It must have been done on all nodes
        before V(arrive) is done on any.
      - V(arrive) brings to life what comes from elsewhere.
    type: str
    required: true
    choices: [ready, leave, arrive]
notes:
  - Where logind ends all processes of a session with it (C(KillUserProcesses=yes)), this one ends with the connection.
author: tenantnet developers (@tenantnet)
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts run on the control host.
    support: full
  bypass_host_loop:
    description: Forces a global task that does not execute per host.
    support: none
  check_mode:
    description: Can run in check mode and changes nothing then.
    support: full
  diff_mode:
    description: Has no diff.
    support: none
  platform:
    description: Target operating systems.
    platforms: linux
    support: full
"""

EXAMPLES = r"""
- name: Be ready
  tenantnet.ovs.handover:
    step: ready
  register: ready

- name: Leave the old places
  tenantnet.ovs.handover:
    step: leave
  when: "'leave' in ready.steps"

- name: Arrive at the new ones
  tenantnet.ovs.handover:
    step: arrive
  when: "'arrive' in ready.steps"
"""

RETURN = r"""
steps:
  description: The steps that this node has to take, in their order. Without any, no process is left behind.
  returned: after V(ready)
  type: list
  elements: str
  sample: [leave]
changes:
  description: What was changed, one line each.
  returned: after V(leave) and V(arrive)
  type: list
  elements: str
  sample:
    - "- port br-int qvo1c5f0d4e-9a: slice=instances tag=1"
counts:
  description: Number of changes by kind of resource.
  returned: after V(leave) and V(arrive)
  type: dict
  sample: {port: 1}
"""
