#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Network namespaces."""

from __future__ import annotations

DOCUMENTATION = r"""
module: namespaces
short_description: Network namespaces
version_added: 0.1.0
description:
  - Makes, changes and removes named network namespaces, as C(ip netns) does, with their sysctls. In each of them the
    loopback device is up.
  - A namespace of the owner is known by the alias of its loopback device.
options:
  config:
    description:
      - Namespaces, each as it should be. Required except with O(state=deleted) and O(state=gathered).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the namespace.
        type: str
        required: true
      sysctls:
        description: Kernel settings of the namespace by their names in C(sysctl). One that is given up keeps its value.
        type: dict
extends_documentation_fragment:
  - tenantnet.ovs.resource
"""

EXAMPLES = r"""
- name: Have two namespaces, one of which forwards packets
  tenantnet.ovs.namespaces:
    config:
      - name: blue
      - name: router
        sysctls:
          net.ipv4.ip_forward: 1

- name: Have no others
  tenantnet.ovs.namespaces:
    state: overridden
    config:
      - name: router
        sysctls:
          net.ipv4.ip_forward: 1

- name: See what there is
  tenantnet.ovs.namespaces:
    state: gathered

- name: Remove all of them
  tenantnet.ovs.namespaces:
    state: deleted
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
  sample: ["+ namespace blue", "+ namespace router: sysctls={net.ipv4.ip_forward=1}"]
gathered:
  description: The items of the owner in the form of O(config). What has its default is left out.
  returned: when state is gathered
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.resources import ARGUMENTS, REQUIRED, run
from ..module_utils.views.namespaces import VIEW

OPTIONS = {"name": {"type": "str", "required": True}, "sysctls": {"type": "dict"}}


def main() -> None:
    """Read the arguments, do what they ask for, report."""
    spec = {"config": {"type": "list", "elements": "dict", "options": OPTIONS}, **ARGUMENTS}
    run(AnsibleModule(argument_spec=spec, required_if=REQUIRED, supports_check_mode=True), VIEW)


if __name__ == "__main__":
    main()
