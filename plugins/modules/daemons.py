#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Supervised processes and the files they read."""

from __future__ import annotations

DOCUMENTATION = r"""
module: daemons
short_description: Supervised processes and the files they read
version_added: 0.1.0
description:
  - Starts programs under the node's supervisor, in any network namespace, with the files that they read. A daemon that
    ends is started again. It is restarted when its command, its namespace or its files change.
  - The files of a daemon are in C(/var/lib/tenantnet/owner-OWNER/NAME), so by default in
    C(/var/lib/tenantnet/owner-local/NAME). Whatever else is there is removed.
  - A daemon must not go to the background by itself.
  - Where systemd runs, it is the supervisor, and what a daemon says is in the journal of its unit,
    C(tenantnet-owner-OWNER-NAME.service). Elsewhere that is s6, whose C(s6-svscan) looks at C(/run/service), and what a
    daemon says is in C(/var/log/tenantnet/tenantnet-owner-OWNER-NAME.log).
options:
  config:
    description:
      - Daemons, each as it should be. Required except with O(state=deleted) and O(state=gathered).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the daemon.
        type: str
        required: true
      namespace:
        description: Network namespace that it runs in. By default the node's own.
        type: str
      command:
        description: The program and its arguments. No shell reads them. Needed for a daemon that does not exist yet.
        type: list
        elements: str
      on_change:
        description: Whether a changed file needs a restart, which is the default, or a V(reload), which is a SIGHUP.
        type: str
        choices: [restart, reload]
      files:
        description: Files in the daemon's directory.
        type: list
        elements: dict
        suboptions:
          path:
            description: Path relative to the daemon's directory.
            type: str
            required: true
          content:
            description:
              - The text. Where it is a secret, give the task C(no_log), for it is part of what the module returns.
            type: str
          mode:
            description: Permissions, in octal and in quotes. By default V(0644).
            type: str
extends_documentation_fragment:
  - tenantnet.ovs.resource
"""

EXAMPLES = r"""
- name: Have a namespace
  tenantnet.ovs.namespaces:
    config:
      - name: blue

- name: Have a DNS server in it
  tenantnet.ovs.daemons:
    config:
      - name: dns
        namespace: blue
        command: [dnsmasq, --keep-in-foreground, --conf-file=/var/lib/tenantnet/owner-local/dns/dns.conf]
        files:
          - path: dns.conf
            content: |
              no-resolv
              address=/web.example/192.0.2.80

- name: Change what it reads, which restarts it
  tenantnet.ovs.daemons:
    config:
      - name: dns
        files:
          - path: dns.conf
            content: |
              no-resolv
              address=/web.example/192.0.2.81

- name: Remove it with its files and its log
  tenantnet.ovs.daemons:
    state: deleted
    config:
      - name: dns
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
  sample: ["+ daemon dns: namespace=blue command=[dnsmasq, --keep-in-foreground]"]
gathered:
  description: The items of the owner in the form of O(config). What has its default is left out.
  returned: when state is gathered
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.resources import ARGUMENTS, REQUIRED, run
from ..module_utils.views.daemons import VIEW

FILE = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str"},
    "mode": {"type": "str"},
}
DAEMON = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str"},
    "command": {"type": "list", "elements": "str"},
    "on_change": {"type": "str", "choices": ["restart", "reload"]},
    "files": {"type": "list", "elements": "dict", "options": FILE},
}


def main() -> None:
    """Read the arguments, do what they ask for, report."""
    spec = {"config": {"type": "list", "elements": "dict", "options": DAEMON}, **ARGUMENTS}
    run(AnsibleModule(argument_spec=spec, required_if=REQUIRED, supports_check_mode=True), VIEW)


if __name__ == "__main__":
    main()
