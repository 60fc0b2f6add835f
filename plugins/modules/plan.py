#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Documentation of the action plugin of the same name, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Compile a topology into the state of each node
version_added: 0.1.0
description:
  - Reads the topology files, validates them as a whole, chooses what was left open through the lock file, and compiles
    for each node of the inventory everything that it must have.
  - Runs once, on the control host, for the whole inventory, also under C(--limit); no node is contacted. With any
    error, all of them are reported, each with file and line, and the play ends for every host.
  - Writes the lock file, unless in check mode or with O(write_lock=false).
author: tenantnet developers (@tenantnet)
options:
  topology:
    description: Directory that holds C(provider.yml) and C(projects/*.yml).
    type: path
    required: true
  lock:
    description:
      - The lock file, which keeps what was chosen.
      - By default C(topology.lock.yml) beside the directory O(topology).
    type: path
  write_lock:
    description: Whether the lock file is written.
    type: bool
    default: true
  hosts:
    description:
      - The hosts that the play applies the states to. When given, the plan fails if something moves away from a host
        that is not among them, because it may still run there; otherwise there could be two of it.
    type: list
    elements: str
  slices:
    description:
      - Slices to which the node states are limited, for one who uses some of the roles and not C(playbooks/site.yml).
      - They are called as in O(tenantnet.ovs.node#module:slices); all by default.
      - With fewer than all, the checks are those of the nodes' structure, as a part has nothing else to promise.
    type: list
    elements: str
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts run on the control host.
    support: full
  bypass_host_loop:
    description: Forces a global task that does not execute per host.
    support: none
  check_mode:
    description: Can run in check mode and return what would change without changing it.
    support: full
  diff_mode:
    description: Returns what changed in the lock file when in diff mode.
    support: full
  platform:
    description: Target operating systems.
    platforms: linux
    support: full
"""

EXAMPLES = r"""
- name: Plan once for all nodes
  tenantnet.ovs.plan:
    topology: "{{ inventory_dir }}/topology"
  run_once: true
  register: plan

- name: Apply to each node its own state
  tenantnet.ovs.node:
    state: "{{ plan.nodes[inventory_hostname] }}"
"""

RETURN = r"""
nodes:
  description: State of each node by its name, as M(tenantnet.ovs.node) takes it.
  returned: success
  type: dict
lock:
  description: Path of the lock file.
  returned: success
  type: str
guide:
  description: Who has which address, and of a lab what to look at next; empty where instances are virtual machines.
  returned: success
  type: str
machines:
  description: What libvirt must be told of each virtual machine, as part of a domain's XML, by the machine's name.
  returned: success
  type: dict
moves:
  description:
    - What moves from one node to another. All nodes that something moves from must have taken the step V(leave) of
      M(tenantnet.ovs.handover), or the pass V(prune) of M(tenantnet.ovs.node), before one that it moves to takes the
      step V(arrive), or the pass V(start), or else an address would answer at two places.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: The port or floating IP.
      type: str
    from:
      description: Nodes where it may still answer.
      type: list
      elements: str
    to:
      description: The node where it will be.
      type: str
  sample: [{what: "demo/instance1:private", from: [compute1], to: compute2}]
checks:
  description: What M(tenantnet.ovs.verify) measures to prove the deployment.
  returned: success
  type: list
  elements: dict
"""
