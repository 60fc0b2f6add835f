#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Documentation of the action plugin of the same name, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Measure that a deployment does what its topology says, and nothing else
version_added: 0.1.0
description:
  - Measures the checks that M(tenantnet.ovs.plan) derived from the topology, positive and negative ones. Structure of
    each node, leases, metadata, reachability, floating IPs, security groups, spoofing, and isolation of nodes and
    projects.
  - Runs once, on the control host, and reaches all nodes by testinfra. Nothing of the deployment is changed.
  - Prints a line for each group of checks. The task fails when any check failed, with what was expected, what was seen
    and where to look; flows, ports and tables of the nodes concerned are left in a file.
  - What can't be asked, such as a virtual machine in which no probe can be run, is reported as not measured, never as
    passed.
author: tenantnet developers (@tenantnet)
options:
  checks:
    description: The checks, as M(tenantnet.ovs.plan) returns them.
    type: list
    elements: dict
    required: true
  groups:
    description:
      - Only the checks of these groups are measured. By default all but C(exhaustion), which takes so much of a node
        that others may feel it; with O(attacks=true) all.
    type: list
    elements: str
    choices:
      - structure
      - leases
      - names
      - metadata
      - switching
      - routing
      - floating
      - security
      - spoofing
      - node
      - isolation
      - exhaustion
  attacks:
    description:
      - Only the checks that try an attack are measured, and there is a line for each attack instead of one for each
        group. It tells how often and where it was tried, whether it was blocked, and what else was done at the same
        time that had to work.
      - Attacks come from guests that tenantnet runs, from its own namespaces and nodes, and from the machine
        C(outside).
    type: bool
    default: false
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts run on the control host.
    support: full
  bypass_host_loop:
    description: Forces a global task that does not execute per host.
    support: none
  check_mode:
    description: Can run in check mode and return what would change without changing it.
    details: Nothing is measured in check mode.
    support: full
  diff_mode:
    description: Returns details on what has changed, or possibly needs changing, when in diff mode.
    details: Nothing is ever changed.
    support: none
  platform:
    description: Target operating systems.
    platforms: linux
    support: full
requirements:
  - pytest and pytest-testinfra on the control host
  - Python 3.10 or later as /usr/bin/python3 on each node
"""

EXAMPLES = r"""
- name: Plan once for all nodes
  tenantnet.ovs.plan:
    topology: "{{ inventory_dir }}/topology"
    write_lock: false
  run_once: true
  register: plan

- name: Try all attacks
  tenantnet.ovs.verify:
    checks: "{{ plan.checks }}"
    attacks: true
  run_once: true

- name: Measure everything
  tenantnet.ovs.verify:
    checks: "{{ plan.checks }}"
  run_once: true
"""

RETURN = r"""
summary:
  description: For each group, or attack, the number of checks that C(passed), C(failed) and were C(not_measured).
  returned: always
  type: dict
  sample: {floating: {passed: 1, failed: 0, not_measured: 0}}
"""
