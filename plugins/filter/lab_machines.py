# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""The nodes of an inventory as machines of a lab."""

from __future__ import annotations

import typing

DOCUMENTATION = r"""
name: lab_machines
short_description: The nodes of an inventory as machines of a lab
version_added: 0.1.0
description:
  - Makes the O(tenantnet.ovs.lab#module:machines) of M(tenantnet.ovs.lab) out of the variables of an inventory's hosts.
  - Hosts without C(tenantnet_interfaces) are left out.
author: tenantnet developers (@tenantnet)
positional: _input
options:
  _input:
    description: Variables of each host.
    type: list
    elements: dict
    required: true
  prefix_length:
    description: Prefix length of the management and of the tunnel addresses.
    type: int
    default: 24
"""

EXAMPLES = r"""
- name: Build a machine for each node
  tenantnet.ovs.lab:
    name: "{{ tenantnet_lab }}"
    machines: "{{ groups['all'] | map('extract', hostvars) | tenantnet.ovs.lab_machines }}"
"""

RETURN = r"""
_value:
  description: The machines, in the order of the hosts.
  type: list
  elements: dict
"""

Variables = typing.Mapping[str, typing.Any]


def lab_machines(hosts: typing.Iterable[Variables], prefix_length: int = 24) -> list[dict[str, typing.Any]]:
    """A machine for each host that has interfaces."""
    return [_machine(host, prefix_length) for host in hosts if "tenantnet_interfaces" in host]


def _machine(host: Variables, prefix_length: int) -> dict[str, typing.Any]:
    interfaces = host["tenantnet_interfaces"]
    return {
        "name": host.get("tenantnet_lab_machine", host["inventory_hostname"]),
        "interfaces": [_interface(host, network, nic, prefix_length) for network, nic in interfaces.items()],
        "ovs": any(network != "management" for network in interfaces),
        "systemd": host.get("tenantnet_lab_kind") == "systemd",
    }


def _interface(host: Variables, network: str, nic: str, prefix_length: int) -> dict[str, typing.Any]:
    interface = {"name": nic, "network": network}
    address = host.get(f"tenantnet_{network}_ip") if network in ("management", "tunnel") else None
    if address:
        interface["address"] = f"{address}/{prefix_length}"
    if network != "management":
        interface["mtu"] = host.get("tenantnet_underlay_mtu", 1500)
    if network == "tunnel":
        interface["underlay"] = bool(address) and host.get("tenantnet_datapath") != "system"
    return interface


class FilterModule:
    """Where Ansible finds the filter."""

    def filters(self) -> dict[str, typing.Callable[..., typing.Any]]:
        """Filters of this file by name."""
        return {"lab_machines": lab_machines}
