# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What an attacker tries, and what shows each time that it was blocked and not merely silent.

Each attack is one or more checks of a topology (`Check.attack`). playbooks/attack.yml measures these and reports them
by attack; most of them are part of a verification too.
"""

from __future__ import annotations

import typing

HONEST = "an honest frame of the same port arrives"
OPEN = "what its rules allow arrives"

#: Attack -> its control, in the order in which they are reported.
ATTACKS: typing.Final[dict[str, str]] = {
    "MAC spoofing": HONEST,
    "IP spoofing": HONEST,
    "IP spoofing, as the gateway": HONEST,
    "IP spoofing from outside": "an honest packet from outside arrives",
    "ARP spoofing": HONEST,
    "gratuitous ARP for the gateway": HONEST,
    "rogue DHCP server": HONEST,
    "DHCP in another one's name": "the port's own address is offered",
    "rogue router advertisement": HONEST,
    "rogue neighbour advertisement": HONEST,
    "IPv6 of any kind": HONEST,
    "VLAN hopping, priority tags": HONEST,
    "VLAN hopping, one tag": HONEST,
    "VLAN hopping, two tags": HONEST,
    "unknown Ethernet types": HONEST,
    "LLC frames, spanning tree": HONEST,
    "IPv4 in SNAP": HONEST,
    "ARP in SNAP": HONEST,
    "IP options around port rules": OPEN,
    "fragments around port rules": OPEN,
    "SNAP around port rules": OPEN,
    "fragments of two projects mixed": "what each sends as a whole arrives",
    "source-routed packets": "the same packet without its route reaches the router",
    "frames of one network in another": "they arrive in their own",
    "another project's qdhcp": HONEST,
    "another instance's metadata": "its own is told",
    "metadata proxy by its own port": "the router answers a ping",
    "the node, by all its MACs": "a neighbour answers",
    "nodes, OVSDB, metadata API by routers": "the node itself gets an answer",
    "forged tunnel packet from a guest": HONEST,
    "forged tunnel packet from outside": "an honest packet from outside arrives",
    "forged tunnel packet on the wire": "one of a known number gets in, or is seen on the wire",
    "local VLAN on the wire": "one of a known number gets in, or is seen on the wire",
    "MAC table flooding": "ARP of the port is answered, its own MAC learned",
    "DHCP starvation": "the port's own address is offered",
    "conntrack exhaustion": "another port opens a connection meanwhile",
}
