# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Devices of Linux bridges that must not bring frames without an Ethernet type, as one nftables table.

Where others have the type such a frame has its length, and an LLC header follows. Behind that of SNAP stands a type
again, which Open vSwitch takes for the frame's own: an IPv4 packet for its flows, and no packet for iptables.
"""

from __future__ import annotations

import typing

from ..changes import Change
from ..errors import MissingProgram
from ..state import Ethertype, Key, Resource
from . import Context, nft

PRIORITY = -300  # before bridge-nf-call-iptables, which has 0
LENGTHS = 0x600  # a smaller number is a length (IEEE 802.3)


class EthertypeDriver:
    """The one rule of the table names all devices; a change writes the table anew."""

    kind: type[Resource] = Ethertype

    def __init__(self, context: Context) -> None:
        pass

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        try:
            devices = _live()
        except MissingProgram:  # the first change tells the person
            return {}
        return {(device,): Ethertype(slice=nft.SLICE, device=device) for device in devices}

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        devices = _live()
        devices -= {str(change.key[0]) for change in changes if change.after is None}
        devices |= {str(change.key[0]) for change in changes if change.after is not None}
        names = ", ".join(f'"{device}"' for device in sorted(devices))
        nft.write("bridge", PRIORITY, f"iifname {{ {names} }} ether type < {LENGTHS} drop" if devices else "")


def _live() -> set[str]:
    """Devices; none when the table is not there, or is not as we write it, and so has to be written anew."""
    match nft.read("bridge"):
        case [
            {"table": _},
            {"chain": {"hook": "prerouting", "prio": int(priority)}},
            {
                "rule": {
                    "expr": [
                        {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": devices}},
                        {"match": {"op": "<", "left": {"payload": {"field": "type"}}, "right": int(lengths)}},
                        {"drop": _},
                    ]
                }
            },
        ] if (priority, lengths) == (PRIORITY, LENGTHS):
            return {devices} if isinstance(devices, str) else set(devices["set"])  # a set of one is told without it
    return set()
