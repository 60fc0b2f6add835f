#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Network devices, with their addresses and routes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: links
short_description: Network devices, with their addresses and routes
version_added: 0.1.0
description:
  - Makes, changes and removes veth pairs, Linux bridges and internal ports of Open vSwitch, in the node's own network
    namespace and in any other.
  - A link of the owner is known by its link group. Whatever others change about it is set right, but for addresses that
    have a lifetime, which belong to a DHCP client.
options:
  config:
    description:
      - Links, each as it should be. Required except with O(state=deleted) and O(state=gathered).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the device, at most 15 characters.
        type: str
        required: true
      namespace:
        description: Network namespace of the device. By default the node's own.
        type: str
        default: ""
      kind:
        description:
          - V(veth) is one end of a pair. An end that is no item of its own is made with the other and then left alone.
          - V(bridge) is a Linux bridge.
          - V(internal) is an internal port of Open vSwitch, which M(tenantnet.ovs.bridges) makes and which moves here.
          - V(tap) is a persistent tap that a virtual machine is plugged into.
          - Needed for a link that does not exist yet.
        type: str
        choices: [veth, bridge, internal, tap]
      peer:
        description: The other end of a veth.
        type: dict
        suboptions:
          name:
            description: Name of the other end.
            type: str
            required: true
          namespace:
            description: Network namespace of the other end. By default the node's own.
            type: str
            default: ""
      alias:
        description: Text for people, shown by C(ip link).
        type: str
      mac:
        description: MAC address. By default the kernel chooses one.
        type: str
      mtu:
        description: Largest packet in bytes. By default 1500.
        type: int
      master:
        description: Linux bridge that the device is a port of.
        type: str
      addresses:
        description: IPv4 addresses with their prefix lengths, like V(192.0.2.1/24).
        type: list
        elements: str
      routes:
        description: Static IPv4 routes through this device.
        type: list
        elements: dict
        suboptions:
          destination:
            description: Prefix like V(198.51.100.0/24), or V(default).
            type: str
            required: true
          via:
            description: Next hop. By default the destination is on the link itself.
            type: str
      up:
        description: Whether the device is up. By default it is.
        type: bool
      promiscuous:
        description: Whether it takes frames that are not for its own MAC address. By default it does not.
        type: bool
      tx_checksum:
        description:
          - Whether checksums are left to the device, as they are by default. They must not be, or TCP never connects,
            where the other end of a veth is in a bridge with
            O(tenantnet.ovs.bridges#module:config[].datapath_type=netdev).
        type: bool
      owner:
        description: User who may open a tap. Required for one.
        type: str
      multi_queue:
        description: Whether a tap has several queues. By default it has one.
        type: bool
      bridge:
        description: Options of a Linux bridge by their names in C(ip link), like C(stp_state). Numbers.
        type: dict
      sysctls:
        description: Settings of the device, like C(ipv4.arp_ignore) for C(net.ipv4.conf.DEVICE.arp_ignore).
        type: dict
extends_documentation_fragment:
  - tenantnet.ovs.resource
"""

EXAMPLES = r"""
- name: Have a namespace
  tenantnet.ovs.namespaces:
    config:
      - name: blue

- name: Connect it with the node
  tenantnet.ovs.links:
    config:
      - name: to-blue
        kind: veth
        peer: {namespace: blue, name: eth0}
        addresses: [192.0.2.1/30]
      - name: eth0
        namespace: blue
        kind: veth
        peer: {name: to-blue}
        addresses: [192.0.2.2/30]
        routes:
          - destination: default
            via: 192.0.2.1

- name: Give one end another MTU and leave the rest
  tenantnet.ovs.links:
    config:
      - name: to-blue
        mtu: 1400

- name: Remove both ends
  tenantnet.ovs.links:
    state: deleted
    config:
      - name: to-blue
      - name: eth0
        namespace: blue
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
  sample: ["~ link to-blue: mtu=1500 -> 1400"]
gathered:
  description: The items of the owner in the form of O(config). What has its default is left out.
  returned: when state is gathered
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.resources import ARGUMENTS, REQUIRED, run
from ..module_utils.views.links import VIEW

PEER = {"name": {"type": "str", "required": True}, "namespace": {"type": "str", "default": ""}}
ROUTE = {"destination": {"type": "str", "required": True}, "via": {"type": "str"}}
LINK = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": ""},
    "kind": {"type": "str", "choices": ["veth", "bridge", "internal", "tap"]},
    "peer": {"type": "dict", "options": PEER},
    "alias": {"type": "str"},
    "mac": {"type": "str"},
    "mtu": {"type": "int"},
    "master": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "routes": {"type": "list", "elements": "dict", "options": ROUTE},
    "up": {"type": "bool"},
    "promiscuous": {"type": "bool"},
    "tx_checksum": {"type": "bool"},
    "owner": {"type": "str"},
    "multi_queue": {"type": "bool"},
    "bridge": {"type": "dict"},
    "sysctls": {"type": "dict"},
}


def main() -> None:
    """Read the arguments, do what they ask for, report."""
    spec = {"config": {"type": "list", "elements": "dict", "options": LINK}, **ARGUMENTS}
    run(AnsibleModule(argument_spec=spec, required_if=REQUIRED, supports_check_mode=True), VIEW)


if __name__ == "__main__":
    main()
