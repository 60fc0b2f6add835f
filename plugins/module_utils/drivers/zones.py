# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Conntrack zones by the device that a packet comes in by, as one nftables table of the node's own namespace.

The kernel puts fragments together before iptables' table raw can name a zone. A chain of nftables may stand before
that, and a table has one owner, so that it is ours as a whole because of its name.
"""

from __future__ import annotations

import re
import typing

from ..changes import Change
from ..errors import MissingProgram, TenantnetError
from ..run import run
from ..state import Key, Resource, Zone
from . import Context, nft

_ZONE = re.compile(r"\bzone=([0-9]+)")
ATTEMPTS = 10
MISSED = ("such conntrack doesn't exist", "0 flow entries")  # what conntrack(8) then says
PRIORITY = -450  # defragmentation has -400, iptables' table raw -300


class ZoneDriver:
    """The one rule of the table maps devices to zones; a change writes the table anew, in one transaction."""

    kind: type[Resource] = Zone

    def __init__(self, context: Context) -> None:
        pass

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        try:
            zones = _live()
        except MissingProgram:  # the first change tells the person
            return {}
        return {(device,): Zone(slice=nft.SLICE, device=device, zone=zone) for device, zone in zones.items()}

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        zones = _live()
        forget(
            ["conntrack", "-L"],
            ["conntrack", "-D"],
            "--zone=",
            [c.after.zone for c in changes if isinstance(c.after, Zone)],
        )
        for change in changes:
            if isinstance(change.after, Zone):
                zones[change.after.device] = change.after.zone
            else:
                zones.pop(change.key[0], None)
        elements = ", ".join(f'"{device}" : {zone}' for device, zone in sorted(zones.items()))
        nft.write("ip", PRIORITY, f"ct zone set iifname map {{ {elements} }}" if zones else "")


def forget(look: typing.Sequence[str], flush: typing.Sequence[str], option: str, zones: typing.Collection[int]) -> None:
    """End the connections of zones that begin: those of an earlier port of that number, or what took another way since.

    Neither would go on: the first is somebody else's, of the second the numbers of TCP have run away. A connection that
    ends by itself meanwhile makes conntrack(8) give up, so whoever failed is asked again.
    """
    left = [*zones]
    for attempt in range(ATTEMPTS):
        used = {int(number) for number in _ZONE.findall(run(look))} if left else set()
        last = attempt + 1 == ATTEMPTS
        left = [zone for zone in left if zone in used and not _ended([*flush, f"{option}{zone}"], last)]


def _ended(flush: typing.Sequence[str], last: bool) -> bool:
    """Whether a command did all that it should, and did not miss what it had listed; the last time that is an error."""
    try:
        run(flush)
    except TenantnetError as exc:
        if last or not any(words in str(exc) for words in MISSED):
            raise
        return False
    return True


def _live() -> dict[str, int]:
    """Zones by device; none when the table is not there, or is not as we write it, and so has to be written anew."""
    match nft.read("ip"):
        case [
            {"table": _},
            {"chain": {"hook": "prerouting", "prio": int(priority)}},
            {
                "rule": {
                    "expr": [{"mangle": {"key": {"ct": {"key": "zone"}}, "value": {"map": {"data": {"set": zones}}}}}]
                }
            },
        ] if priority == PRIORITY:
            return dict(zones)
    return {}
