#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Documentation of the action plugin of the same name, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preview
short_description: Tell what a project's file, or the whole topology, would change
version_added: 0.1.0
description:
  - Validates the files and compares what they ask for with the plan that M(tenantnet.ovs.plan) recorded last.
  - With O(project), it needs that project's file and its recorded plan, and nothing else; neither they nor what is
    returned tell anything of other projects. An address that depends on these is said to be chosen when deployed.
  - Contacts no node, and writes nothing but O(dest).
author: tenantnet developers (@tenantnet)
options:
  topology:
    description: Directory that holds C(provider.yml) and C(projects/*.yml).
    type: path
    required: true
  lock:
    description:
      - The lock file, beside which plans are recorded.
      - By default C(topology.lock.yml) beside the directory O(topology).
    type: path
  project:
    description: The project whose file is to be previewed; all of the topology by default.
    type: str
  dest:
    description: File to which RV(changes) are written as JSON, for machines.
    type: path
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
    description: Returns what would change when in diff mode.
    support: full
  platform:
    description: Target operating systems.
    platforms: linux
    support: full
"""

EXAMPLES = r"""
- name: What would the file of project demo change?
  tenantnet.ovs.preview:
    topology: "{{ inventory_dir }}/topology"
    project: demo
  register: preview

- name: Show it
  ansible.builtin.debug:
    msg: "{{ preview.lines | join('\n') }}"
"""

RETURN = r"""
lines:
  description: A line for each object that is added (C(+)), changed (C(~)) or removed (C(-)).
  returned: success
  type: list
  elements: str
  sample: ["+ instance web: node=compute1 ports=[web:private]"]
changes:
  description: The same for machines.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: What happens to the object.
      type: str
      sample: add
    before:
      description: Its fields in the recorded plan, C(kind) and C(name) among them.
      type: dict
    after:
      description: Its fields according to the files.
      type: dict
"""
