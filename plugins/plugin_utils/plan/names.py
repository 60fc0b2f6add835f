# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Names of things on nodes: Neutron's, so that the commands of every tutorial work (datapath.md 1.2, 1.5, 2.2, 5.1)."""

from __future__ import annotations

import hashlib
import ipaddress

BR_INT = "br-int"
BR_TUN = "br-tun"
PATCH_TUN = "patch-tun"  # on br-int
PATCH_INT = "patch-int"  # on br-tun

METADATA_IP = "169.254.169.254"
METADATA_PORT = 9697  # of the metadata proxy of a router, where requests for METADATA_IP are redirected to

DEVICE_LENGTH = 15  # IFNAMSIZ without its final zero
ID_LENGTH = 11  # characters of a port's id in the names of its devices and chains, of a security group's in its set's


def device(prefix: str, port_id: str) -> str:
    """`qr-`, `qg-`, `tap`, `qbr`, `qvb` or `qvo` and the beginning of the port's id, 14 characters in all."""
    return f"{prefix}{port_id[:ID_LENGTH]}"


def router_namespace(router_id: str) -> str:
    """Network namespace of a router."""
    return f"qrouter-{router_id}"


def dhcp_namespace(network_id: str) -> str:
    """Network namespace of the DHCP server of a network."""
    return f"qdhcp-{network_id}"


def guest_namespace(instance_id: str) -> str:
    """Network namespace of an instance that is a guest of a lab."""
    return f"guest-{instance_id}"


def patch(prefix: str, bridge: str) -> str:
    """`int-br-ex`, `phy-br-ex`: a bridge's name that is too long is cut and told apart by a hash (datapath.md 1.2)."""
    if len(prefix + bridge) <= DEVICE_LENGTH:
        return prefix + bridge
    kept = DEVICE_LENGTH - len(prefix) - 6
    return prefix + bridge[:kept] + hashlib.sha1(bridge.encode(), usedforsecurity=False).hexdigest()[:6]


def tunnel(network_type: str, remote_ip: str) -> str:
    """`vxlan-0a00011f`: the type and the remote address in hexadecimal."""
    return f"{network_type}-{int(ipaddress.IPv4Address(remote_ip)):08x}"
