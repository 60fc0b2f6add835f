# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""What the documentation of all resource modules has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options, attributes and notes."""

    DOCUMENTATION = r"""
options:
  state:
    description:
      - V(merged) adds what O(config) names, changes what differs from it, and leaves everything else. Values are
        replaced; mappings and lists only grow.
      - V(replaced) makes the items that O(config) names exactly what it says, options that are not given getting their
        defaults, and leaves other items.
      - V(overridden) does the same and removes all other items of the O(owner).
      - V(deleted) removes the items that O(config) names, looking at the options that name them and at no others, or
        without O(config) all items of the O(owner).
      - V(gathered) changes nothing and returns all items of the O(owner) in the form of O(config).
    type: str
    choices: [merged, replaced, overridden, deleted, gathered]
    default: merged
  owner:
    description:
      - Whose things these are. The owner is written on everything that the module makes, and only what bears it is ever
        changed or removed. What others made, by hand, by another program or for another owner, is refused when it is in
        the way.
      - At most 12 lower-case letters and digits, a letter first.
    type: str
    default: local
attributes:
  check_mode:
    description: Can run in check mode and then tells what it would change, without changing anything.
    support: full
  diff_mode:
    description: Tells what was changed, or in check mode would be.
    support: full
  platform:
    description: Where it runs.
    platforms: linux
    support: full
requirements:
  - ovsdbapp
  - pyroute2
notes:
  - When a change cannot be made, or does not have the effect that it should have, everything is as it was before, and
    the module fails.
  - What a run was last asked for is recorded below C(/var/lib/tenantnet/owners).
author:
  - tenantnet developers (@tenantnet)
"""

    #: Of those that are about Open vSwitch.
    DATABASE = r"""
options:
  database_socket:
    description:
      - Where Open vSwitch's database listens, for a second Open vSwitch on the host. Take another O(owner) there.
      - ovs-vswitchd has its own sockets in the same directory.
    type: path
    default: /run/openvswitch/db.sock
"""
