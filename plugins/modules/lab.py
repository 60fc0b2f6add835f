#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Build and remove a lab: machines and wires made of the namespaces of this host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab
short_description: Build or remove a lab of machines made of network namespaces
version_added: 0.1.0
description:
  - Makes machines out of namespaces of this host, each with its own network, processes, host name, Open vSwitch and
    disk, and wires their interfaces together, one bridge for each physical network. No link exists outside the lab's
    namespaces, and nothing that is sent leaves them.
  - Looks at what there is and does the rest, so that a lab which was interrupted, or lost a machine, becomes whole. A
    machine that is no longer named is removed.
  - A machine is ended like by a power failure, and started again with the disk that it had.
author: tenantnet developers (@tenantnet)
options:
  name:
    description: Name of the lab. Labs of different names stand side by side.
    type: str
    required: true
  state:
    description:
      - V(present) makes the lab be as described.
      - V(absent) ends it and removes its disks, however much of it there is.
    type: str
    choices: [present, absent]
    default: present
  machines:
    description: The machines. The name V(fabric) is taken by the one that holds the wires.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the machine, also its host name.
        type: str
        required: true
      interfaces:
        description: Its network interfaces.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the device.
            type: str
            required: true
          network:
            description: Physical network that it is plugged into; interfaces that name the same one see each other.
            type: str
            required: true
          address:
            description: IPv4 address with its prefix length.
            type: str
          underlay:
            description:
              - Whether the address is on C(br-underlay), a bridge of Open vSwitch's userspace datapath that holds the
                interface, as tunnels of that datapath need it.
            type: bool
            default: false
          vlan:
            description: VLAN of the address; it needs O(machines[].interfaces[].underlay).
            type: int
          mtu:
            description: MTU in bytes.
            type: int
            default: 1500
      loopback:
        description: Further addresses of its loopback device, each with its prefix length.
        type: list
        elements: str
        default: []
      ovs:
        description: Whether Open vSwitch runs on it.
        type: bool
        default: false
      web:
        description: Whether a web server runs on it, which answers with the address that it saw the client come from.
        type: bool
        default: false
      systemd:
        description:
          - Whether it is a machine whose init is systemd, with a root of its own, in which the packages are installed
            that roles install. The first of them takes a minute, to make that root in C(/var/cache/tenantnet).
          - It is reached by SSH.
        type: bool
        default: false
      ssh:
        description:
          - Whether SSH connections to the other machines begin here. C(/run/tenantnet/LAB/ssh_config) tells C(ssh) how.
        type: bool
        default: false
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
  - pyroute2 >= 0.9
"""

EXAMPLES = r"""
- name: Build two machines that see each other
  tenantnet.ovs.lab:
    name: lab
    machines:
      - name: compute1
        ovs: true
        interfaces:
          - {name: eth0, network: management, address: 10.0.0.31/24}
          - {name: eth1, network: tunnel, address: 10.0.1.31/24, underlay: true}
      - name: controller
        interfaces:
          - {name: eth0, network: management, address: 10.0.0.11/24}

- name: Remove the lab
  tenantnet.ovs.lab:
    name: lab
    state: absent
"""

RETURN = r"""
steps:
  description: What was done, in order; in check mode, what would be done.
  type: list
  elements: str
  returned: success
  sample: [start compute1, plug eth0 of compute1 into management]
"""

import os
import typing

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import TenantnetError
from ..module_utils.lab import lab, spec

INTERFACE = {
    "name": {"type": "str", "required": True},
    "network": {"type": "str", "required": True},
    "address": {"type": "str"},
    "underlay": {"type": "bool", "default": False},
    "vlan": {"type": "int"},
    "mtu": {"type": "int", "default": 1500},
}
MACHINE = {
    "name": {"type": "str", "required": True},
    "interfaces": {"type": "list", "elements": "dict", "default": [], "options": INTERFACE},
    "loopback": {"type": "list", "elements": "str", "default": []},
    "ovs": {"type": "bool", "default": False},
    "web": {"type": "bool", "default": False},
    "systemd": {"type": "bool", "default": False},
    "ssh": {"type": "bool", "default": False},
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "machines": {"type": "list", "elements": "dict", "default": [], "options": MACHINE},
}


def _spec(machine: dict[str, typing.Any]) -> spec.Spec:
    others = {key: value for key, value in machine.items() if key not in ("interfaces", "loopback")}
    nics = tuple(spec.Nic(**interface) for interface in machine["interfaces"])
    return spec.Spec(nics=nics, loopback=tuple(machine["loopback"]), **others)


def _text(facts: lab.Facts) -> str:
    """Facts in YAML, as a diff shows them best."""
    lines = []
    for machine in sorted(facts):
        lines += [f"{machine}:", *(f"  {thing}: {state}" for thing, state in sorted(facts[machine].items()))]
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Read arguments, make the lab be so, report."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="a lab is made of namespaces, which only root can make: use `become: true`")
    try:
        this = lab.Lab(module.params["name"])
        if module.params["state"] == "absent":
            plan = lab.absent(this, module.check_mode)
        else:
            plan = lab.present(this, [_spec(machine) for machine in module.params["machines"]], module.check_mode)
    except (TenantnetError, OSError) as exc:
        module.fail_json(msg=f"lab {module.params['name']}: {exc}")
    module.exit_json(
        changed=bool(plan.steps),
        steps=[step.text for step in plan.steps],
        diff={"before": _text(plan.before), "after": _text(plan.after), "before_header": "lab", "after_header": "lab"},
    )


if __name__ == "__main__":
    main()
