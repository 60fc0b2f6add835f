# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring names: what a network's DHCP servers, which are its name servers, answer to an instance."""

from __future__ import annotations

from ..plan.check import Check
from .outcome import Unmet
from .session import Json, Session, where

SECONDS = 8.0  # until all questions are answered


def names(session: Session, check: Check) -> None:
    """Each server knows each name and, where that is asked, the name of its address; and none of those absent."""
    args, wrong = check.args, []
    wanted = {name: [address] for name, address in args["names"].items()}
    if args["reverse"]:
        wanted |= {address: [name] for name, address in args["names"].items()}
    wanted |= {name: [] for name in args["absent"]}
    for server in args["servers"]:
        answers = _ask(session, args["place"], server, list(wanted))
        for question, expected in wanted.items():
            if answers[question] != expected:
                wrong.append(f"{server} answers {answers[question] or 'nothing'} for {question} instead of {expected}")
    if wrong:
        look = f"{where(args['place'])}: nslookup NAME SERVER; dnsmasq's addn_hosts of the network"
        raise Unmet("names and addresses as planned", "; ".join(wrong), look)


def _ask(session: Session, place: Json, server: str, questions: list[str]) -> dict[str, list[str] | None]:
    found = session.probe(place, "resolve", address=server, questions=questions, seconds=SECONDS)["answers"]
    answers: dict[str, list[str] | None] = found
    return answers
