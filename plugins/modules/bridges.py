#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Open vSwitch bridges and their ports."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bridges
short_description: Open vSwitch bridges and their ports
version_added: 0.1.0
description:
  - Makes, changes and removes whole bridges with their ports. What is the owner's is known by its external_ids.
  - All ports work afterwards, or it has failed, with Open vSwitch's own words.
options:
  config:
    description:
      - Bridges, each as it should be. Required except with O(state=deleted) and O(state=gathered).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the bridge.
        type: str
        required: true
      adopt:
        description: Use a bridge of others, which stays as it is. Only its O(config[].ports) can be given.
        type: bool
      datapath_type:
        description: V(system) is the kernel's datapath, V(netdev) runs in user space. By default V(system).
        type: str
        choices: [system, netdev]
      fail_mode:
        description: V(standalone) switches like any switch, V(secure) needs flows. By default V(standalone).
        type: str
        choices: [standalone, secure]
      protocols:
        description: Versions of OpenFlow that it speaks. By default all. M(tenantnet.ovs.flows) needs V(OpenFlow14).
        type: list
        elements: str
        choices: [OpenFlow10, OpenFlow11, OpenFlow12, OpenFlow13, OpenFlow14, OpenFlow15]
      mcast_snooping:
        description: Whether multicast goes only where somebody listens. By default it does not.
        type: bool
      controllers:
        description:
          - Controllers of OpenFlow, like C(tcp:192.0.2.1:6653), as ovs-vsctl takes them. By default there are none.
          - Open vSwitch forgets all flows of a bridge that gets its first one to connect to, or loses its last one.
        type: list
        elements: str
      other_config:
        description: Column other_config of the bridge.
        type: dict
      external_ids:
        description: Column external_ids of the bridge, without the owner's mark.
        type: dict
      ports:
        description: The owner's ports in the bridge. The port of the bridge itself is not among them.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - Name of the port and of its interface. A port that is in another bridge moves.
              - A bond has any name that no device has.
            type: str
            required: true
          type:
            description: Type of the interface. By default V(""), a device of the kernel that exists already.
            type: str
            choices: ["", internal, patch, vxlan, gre, geneve]
          tag:
            description: VLAN of an access port, or the native VLAN.
            type: int
          trunks:
            description: VLANs that the port carries. By default all, unless O(config[].ports[].tag) is given.
            type: list
            elements: int
          vlan_mode:
            description: What the port does with VLANs. By default V(access) with a tag and V(trunk) without.
            type: str
            choices: [access, trunk, native-tagged, native-untagged, dot1q-tunnel]
          members:
            description:
              - Devices of a bond, which exist already. By default the port is no bond.
              - A device that is a port of the owner, or in another bond of his, moves.
            type: list
            elements: str
          bond_mode:
            description: Which members of a bond carry what. By default V(active-backup). V(balance-tcp) needs LACP.
            type: str
            choices: [active-backup, balance-slb, balance-tcp]
          lacp:
            description: What the port does with LACP. By default V(off).
            type: str
            choices: [active, passive, "off"]
          bond_updelay:
            description: Milliseconds that a member of a bond has had a carrier before it is used. By default 0.
            type: int
          bond_downdelay:
            description: Milliseconds that a member of a bond has had none before it is not used any more. By default 0.
            type: int
          ofport_request:
            description: The port's number in OpenFlow. By default Open vSwitch chooses one.
            type: int
          options:
            description: Column options of the interface, like C(peer) of a patch port and C(remote_ip) of a tunnel.
            type: dict
          other_config:
            description: Column other_config of the port itself, like C(lacp-time) of a bond.
            type: dict
          external_ids:
            description: Column external_ids of the interface.
            type: dict
extends_documentation_fragment:
  - tenantnet.ovs.resource
  - tenantnet.ovs.resource.database
"""

EXAMPLES = r"""
- name: Have two bridges that are connected
  tenantnet.ovs.bridges:
    config:
      - name: br-lan
        datapath_type: netdev # leave this out where the kernel has the module of Open vSwitch
        mcast_snooping: true
        other_config: {mac-aging-time: 600}
        ports:
          - name: web
            type: internal
            tag: 10
          - name: to-wan
            type: patch
            trunks: [10, 20]
            options: {peer: to-lan}
      - name: br-wan
        datapath_type: netdev
        ports:
          - name: to-lan
            type: patch
            options: {peer: to-wan}
          - name: vx-branch
            type: vxlan
            options: {remote_ip: 192.0.2.7, key: 42}

- name: Connect a bridge to the network by two cards at once, and let a controller fill it with flows
  tenantnet.ovs.bridges:
    config:
      - name: br-up
        datapath_type: netdev
        fail_mode: secure
        controllers: ["tcp:127.0.0.1:6653"]
        ports:
          - name: bond0
            members: [eth8, eth9]
            bond_mode: balance-slb
            lacp: active
            other_config: {lacp-time: fast}

- name: Make one bridge exactly this, and leave the other
  tenantnet.ovs.bridges:
    state: replaced
    config:
      - name: br-lan
        datapath_type: netdev
        ports:
          - name: web
            type: internal

- name: Keep what there is, to give it to this module again
  tenantnet.ovs.bridges:
    state: gathered
  register: kept

- name: Remove a bridge with its ports
  tenantnet.ovs.bridges:
    state: deleted
    config:
      - name: br-wan
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
  sample: ["+ bridge br-lan: datapath_type=netdev fail_mode=standalone", "+ port br-lan web: type=internal tag=10"]
gathered:
  description: The items of the owner in the form of O(config). What has its default is left out.
  returned: when state is gathered
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.resources import ARGUMENTS, DATABASE, REQUIRED, run
from ..module_utils.views.bridges import VIEW

PORT = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["", "internal", "patch", "vxlan", "gre", "geneve"]},
    "tag": {"type": "int"},
    "trunks": {"type": "list", "elements": "int"},
    "vlan_mode": {"type": "str", "choices": ["access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel"]},
    "members": {"type": "list", "elements": "str"},
    "bond_mode": {"type": "str", "choices": ["active-backup", "balance-slb", "balance-tcp"]},
    "lacp": {"type": "str", "choices": ["active", "passive", "off"]},
    "bond_updelay": {"type": "int"},
    "bond_downdelay": {"type": "int"},
    "ofport_request": {"type": "int"},
    "options": {"type": "dict"},
    "other_config": {"type": "dict"},
    "external_ids": {"type": "dict"},
}
BRIDGE = {
    "name": {"type": "str", "required": True},
    "adopt": {"type": "bool"},
    "datapath_type": {"type": "str", "choices": ["system", "netdev"]},
    "fail_mode": {"type": "str", "choices": ["standalone", "secure"]},
    "protocols": {"type": "list", "elements": "str", "choices": [f"OpenFlow1{minor}" for minor in range(6)]},
    "mcast_snooping": {"type": "bool"},
    "controllers": {"type": "list", "elements": "str"},
    "other_config": {"type": "dict"},
    "external_ids": {"type": "dict"},
    "ports": {"type": "list", "elements": "dict", "options": PORT},
}


def main() -> None:
    """Read the arguments, do what they ask for, report."""
    spec = {"config": {"type": "list", "elements": "dict", "options": BRIDGE}, **ARGUMENTS, **DATABASE}
    run(AnsibleModule(argument_spec=spec, required_if=REQUIRED, supports_check_mode=True), VIEW)


if __name__ == "__main__":
    main()
