#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Documentation of the action plugin of the same name, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: confirm
short_description: Free in the lock file what nodes have removed
version_added: 0.1.0
description:
  - A value that is not used any more (a VNI, a VLAN, an address) is given to nobody else as long as a node may still
    carry it, for example one that was unreachable when it went. This tells the lock file which nodes have pruned.
  - Runs on the control host; no node is contacted.
author: tenantnet developers (@tenantnet)
options:
  lock:
    description: The lock file, RV(tenantnet.ovs.plan#module:lock).
    type: path
    required: true
  nodes:
    description: Nodes that were pruned successfully. Either this or O(forget) is given.
    type: list
    elements: str
  forget:
    description: A node that left the inventory and is gone for good, so that it carries nothing any more.
    type: str
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
- name: Free what all nodes have removed
  tenantnet.ovs.confirm:
    lock: "{{ plan.lock }}"
    nodes: "{{ ansible_play_hosts }}"
  run_once: true
"""

RETURN = r""" # """
