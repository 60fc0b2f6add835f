# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring names: what a network's DHCP servers, which are its name servers, answer to an instance."""

from __future__ import annotations

from ..plan.check import Check
from .outcome import Unmet
from .session import Json, Session, where

SECONDS, GRACE = 8.0, 1.0  # until all that must be answered is, and after that for what must not be


def names(session: Session, check: Check) -> None:
    """Each server knows each name and, where that is asked, the name of its address; and none of those absent."""
    args, wrong = check.args, []
    wanted = dict(args["names"])
    if args["reverse"]:
        wanted |= {address: [name] for name, addresses in args["names"].items() for address in addresses}
    absent: dict[str, list[str]] = {name: [] for name in args["absent"]}
    for server in args["servers"]:
        answers = _ask(session, args["place"], server, list(wanted), args["absent"])
        for question, expected in (wanted | absent).items():
            if sorted(answers[question]) != expected:
                wrong.append(f"{server} answers {answers[question] or 'nothing'} for {question} instead of {expected}")
    if wrong:
        look = f"{where(args['place'])}: nslookup NAME SERVER; dnsmasq's addn_hosts of the network"
        raise Unmet("names and addresses as planned", "; ".join(wrong), look)


def _ask(session: Session, place: Json, server: str, wanted: list[str], absent: list[str]) -> dict[str, list[str]]:
    """What a server answers; nothing also where it does not answer, as it may ask others who cannot be reached."""
    args = {"address": server, "questions": [*absent, *wanted], "until": wanted, "seconds": SECONDS, "grace": GRACE}
    answers = session.probe(place, "resolve", **args)["answers"]
    return {question: answer or [] for question, answer in answers.items()}
