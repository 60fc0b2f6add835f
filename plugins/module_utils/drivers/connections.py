# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Connections that the kernel tracks, and that end with the NAT rule that translated them.

A connection is translated as the rules said at its first packet, for as long as it lives: without the rule it would go
on, to whoever has the address by now. One that began before a rule was there would never be translated.
"""

from __future__ import annotations

import dataclasses
import errno
import itertools
import shlex
import socket
import typing

from ..errors import TenantnetError
from ..netns import Netns, ignoring

try:
    from pyroute2 import NFCTSocket
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple
except ImportError:  # told to the person in cut
    NFCTSocket = None

#: The kernel walks all connections of a node for each look; of more selections than this, Python tells which hold.
FEW = 4

_PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "gre": socket.IPPROTO_GRE}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which connections end. Of the first packet: its addresses, protocol and destination ports; of the answers: where
    they come from or go to. None is any.
    """

    source: str | None = None
    destination: str | None = None
    protocol: int | None = None
    ports: tuple[int, int] | None = None  # first and last
    answers_from: str | None = None
    answers_to: str | None = None

    def holds(self, first: typing.Any, answer: typing.Any) -> bool:
        """Whether a connection with these two tuples, as NFCTAttrTuple has them, is meant."""
        wanted = (self.source, self.destination, self.protocol, self.answers_from, self.answers_to)
        found = (first.saddr, first.daddr, first.proto, answer.saddr, answer.daddr)
        low, high = self.ports or (0, 65535)
        return all(w in (None, f) for w, f in zip(wanted, found, strict=True)) and low <= (first.dport or 0) <= high


def translated(rule: str) -> Selection | None:
    """The connections that a rule of iptables-save translates; None when it is no NAT to one address."""
    options = _options(rule)
    if "--to-destination" in options:
        return dataclasses.replace(_first_packet(options), answers_from=options["--to-destination"].partition(":")[0])
    if "--to-source" in options:
        return dataclasses.replace(_first_packet(options), answers_to=options["--to-source"])
    return None


def untranslated(rule: str) -> Selection | None:
    """The connections to the address of a DNAT rule that began without it; None for any other rule."""
    options = _options(rule)
    if "--to-destination" not in options or "-d" not in options:
        return None
    first = _first_packet(options)
    return dataclasses.replace(first, answers_from=first.destination)


def tracked(rule: str) -> Selection | None:
    """The connections that a rule leaves untracked, and that began without it; None for any other rule."""
    options = _options(rule)
    first = _first_packet(options)
    return first if options.get("CT") == "--notrack" and first.protocol else None


def _options(rule: str) -> dict[str, str]:
    """The options of a rule that is no exception to anything."""
    words = shlex.split(rule)
    return {} if "!" in words else dict(itertools.pairwise(words))


def _first_packet(options: typing.Mapping[str, str]) -> Selection:
    first, _colon, last = options.get("--dport", "").partition(":")
    return Selection(
        source=_host(options.get("-s")),
        destination=_host(options.get("-d")),
        protocol=_PROTOCOLS.get(options.get("-p", "")),
        ports=(int(first), int(last or first)) if first else None,
    )


def _host(prefix: str | None) -> str | None:
    return prefix.removesuffix("/32") if prefix and prefix.endswith("/32") else None


def cut(netns: Netns, namespace: str, selections: typing.Collection[Selection]) -> None:
    """End the selected IPv4 connections of a namespace: the next packet of each is that of a new one."""
    if not selections:
        return
    if NFCTSocket is None:
        raise TenantnetError("the Python library pyroute2 is not installed on this node")
    with netns.enter(namespace), NFCTSocket() as tracker:
        if not tracker.count()[0].get("CTA_STATS_GLOBAL_ENTRIES"):
            return
        together = [selections] if len(selections) > FEW else [[selection] for selection in selections]
        for first in {repr(first): first for part in together for first in _found(tracker, part)}.values():
            with ignoring(errno.ENOENT):  # it has just ended by itself
                tracker.entry("del", tuple_orig=first)


def _found(tracker: typing.Any, selections: typing.Collection[Selection]) -> list[typing.Any]:
    """Tuples of the first packets; for a single selection the kernel looks for them, as far as it can."""
    known = _pattern(*selections) if len(selections) == 1 else None
    pairs = (
        [
            NFCTAttrTuple.from_netlink(socket.AF_INET, message.get_attr(f"CTA_TUPLE_{side}"))
            for side in ("ORIG", "REPLY")
        ]
        for message in tracker.dump(tuple_orig=known)
    )
    return [pair[0] for pair in pairs if any(selection.holds(*pair) for selection in selections)]


def _pattern(selection: Selection) -> typing.Any:
    known = {"saddr": selection.source, "daddr": selection.destination, "proto": selection.protocol}
    return NFCTAttrTuple(**known) if any(known.values()) else None
