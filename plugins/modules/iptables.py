#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Chains of iptables."""

from __future__ import annotations

DOCUMENTATION = r"""
module: iptables
short_description: Chains of iptables
version_added: 0.1.0
description:
  - Makes whole chains what they should be, rules and their order, in the node's own network namespace and in any other.
    All chains of a namespace change in one go.
  - Names of the owner's chains begin with C(tn-OWNER-), by which they are known; so by default with C(tn-local-). In a
    built-in chain the owner has nothing but jumps to such chains, at its top. Rules and chains of others are never
    touched.
  - Rules may be written in any way that C(iptables) understands.
options:
  config:
    description:
      - Chains, each as it should be. Required except with O(state=deleted) and O(state=gathered).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of a chain of the owner, at most 28 characters, or of a built-in one, like V(INPUT).
        type: str
        required: true
      namespace:
        description: Network namespace. By default the node's own.
        type: str
        default: ""
      family:
        description: V(ipv4) is C(iptables), V(ipv6) is C(ip6tables).
        type: str
        choices: [ipv4, ipv6]
        default: ipv4
      table:
        description: Table that the chain is in.
        type: str
        choices: [filter, nat, mangle, raw, security]
        default: filter
      rules:
        description:
          - The rules in their order, each as one writes it after C(iptables -A CHAIN).
          - Rules that O(state=merged) adds come after those that are there.
        type: list
        elements: str
extends_documentation_fragment:
  - tenantnet.ovs.resource
"""

EXAMPLES = r"""
- name: Have a namespace
  tenantnet.ovs.namespaces:
    config:
      - name: blue

- name: Let it answer to the web and to echo requests only
  tenantnet.ovs.iptables:
    config:
      - name: INPUT
        namespace: blue
        rules:
          - -j tn-local-input
      - name: tn-local-input
        namespace: blue
        rules:
          - -m state --state ESTABLISHED,RELATED -j ACCEPT
          - -p tcp --dport 80 -j ACCEPT
          - -p icmp --icmp-type echo-request -j ACCEPT
          - -j DROP

- name: Remove all chains and jumps
  tenantnet.ovs.iptables:
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
  sample: ["+ chain blue ipv4 filter INPUT: rules=[-j tn-local-input]"]
gathered:
  description: The items of the owner in the form of O(config). What has its default is left out.
  returned: when state is gathered
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.resources import ARGUMENTS, REQUIRED, run
from ..module_utils.views.iptables import VIEW

CHAIN = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": ""},
    "family": {"type": "str", "choices": ["ipv4", "ipv6"], "default": "ipv4"},
    "table": {"type": "str", "choices": ["filter", "nat", "mangle", "raw", "security"], "default": "filter"},
    "rules": {"type": "list", "elements": "str"},
}


def main() -> None:
    """Read the arguments, do what they ask for, report."""
    spec = {"config": {"type": "list", "elements": "dict", "options": CHAIN}, **ARGUMENTS}
    run(AnsibleModule(argument_spec=spec, required_if=REQUIRED, supports_check_mode=True), VIEW)


if __name__ == "__main__":
    main()
