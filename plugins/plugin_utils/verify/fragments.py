# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring with fragments: which of them a node puts together."""

from __future__ import annotations

import uuid
from functools import partial

from ..plan.check import Check
from .frames import GRACE, PATIENCE
from .outcome import Unmet
from .session import Capture, Json, Session, at_once

#: What each of two senders sends of datagrams that only the sender tells apart: (number of the datagram, half).
HALVES = ([(0, "first"), (1, "later")], [(0, "later"), (1, "first")])
WHOLE = [(2, "first"), (2, "later")]


def fragments(session: Session, check: Check) -> None:
    """Halves of two senders arrive nowhere; what each sends as a whole, with the same number, arrives at its own."""
    senders, receivers = check.args["senders"], check.args["receivers"]
    run = uuid.uuid4().hex
    wanted = [{_token(place, *part) for part in WHOLE} for place in senders]
    pairs = list(zip(receivers, wanted, strict=True))
    captures = at_once([partial(_capture, session, place, run, tokens) for place, tokens in pairs])
    for parts in (HALVES, (WHOLE, WHOLE)):
        for sender, datagram, mine in zip(senders, check.args["datagrams"], parts, strict=True):
            frames = [_half(sender, datagram, run, *part) for part in mine]
            session.probe(sender, "send", run=run, device=sender["device"], frames=frames)
    arrived = [{seen["token"] for seen in result["seen"]} for result in at_once(captures)]
    for (place, expected), tokens in zip(pairs, arrived, strict=True):
        look = f"{check.node}: nft list table ip tenantnet-sg; {place['node']}: tcpdump -ni {place['device']}"
        if missing := expected - tokens:
            raise Unmet(f"{_listed(expected)} at the {place['label']} (control)", f"no {_listed(missing)}", look)
        if mixed := tokens - expected:
            raise Unmet(f"nothing but {_listed(expected)} at the {place['label']}", _listed(mixed), look)


def _capture(session: Session, place: Json, run: str, tokens: set[str]) -> Capture:
    options = {"run": run, "until": sorted(tokens), "grace": GRACE, "seconds": PATIENCE}
    return session.start(place, "capture", devices=[place["device"]], **options)


def _half(sender: Json, datagram: Json, run: str, number: int, half: str) -> Json:
    """A number of the run's own: halves that never met wait some seconds for each other."""
    ip_id = (int(run[:4], 16) + number) % 0x10000
    return {**datagram, "ip_id": ip_id, "ip_frag": half, "token": _token(sender, number, half)}


def _token(sender: Json, number: int, half: str) -> str:
    return f"{half} half of datagram {number} of {sender['label']}"


def _listed(tokens: set[str]) -> str:
    return ", ".join(sorted(tokens))
