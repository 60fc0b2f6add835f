# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring DHCP servers by what they offer. An offer binds nobody: no client hears of it."""

from __future__ import annotations

from ..plan.check import Check
from .outcome import Unmet
from .session import Json, Session, where

OFFER = 2
FEW = 9  # are named
SECONDS, GRACE = 10.0, 0.3  # until all servers have answered, and after that
PACE = 0.002  # seconds between two questions: the buffer of a server's socket holds some hundred


def offer(session: Session, check: Check) -> None:
    """Each server offers the address, and the options that are this port's own."""
    args = check.args
    offers = _ask(session, args, [args["place"]["mac"]])[0]
    wrong = []
    for server in args["servers"]:
        found = offers.get(server)
        if found is None:
            wrong.append(f"{server} offers nothing")
        elif found["address"] != args["address"]:
            wrong.append(f"{server} offers {found['address']}")
        else:
            wrong += [f"{server}: {fault}" for fault in _faults(found["options"], args["options"])]
    wrong += [f"{server} offers {offers[server]['address']}, too" for server in offers if server not in args["servers"]]
    if wrong:
        raise Unmet(f"{args['address']} from {', '.join(args['servers'])}", "; ".join(wrong), _look(args))


def _faults(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """An option that is empty is one that must not come; a text may end with a zero (RFC 2132, 2)."""
    wrong = {code for code in wanted if found.get(code, "").removesuffix("00") != wanted[code].removesuffix("00")}
    return [f"option {code} is {found.get(code)} instead of {wanted[code]}" for code in sorted(wrong)]


def no_offer(session: Session, check: Check) -> None:
    """No server offers anything to these MACs, while it does to the port's own."""
    no_offer_to(session, check.args, check.args["macs"])


def no_offer_to(session: Session, args: Json, macs: list[str]) -> None:
    """The port's own MAC asks last."""
    offers = _ask(session, args, [*macs, args["place"]["mac"]])
    if silent := [server for server in args["servers"] if server not in offers[-1]]:
        raise Unmet(f"{args['place']['label']} is offered its address (control)", f"{silent} said nothing", _look(args))
    told = [f"{mac} is offered {o['address']}" for mac, of in zip(macs, offers, strict=False) for o in of.values()]
    if told:
        whom = f"{len(macs)} MACs, as {macs[0]}" if len(macs) > FEW else ", ".join(macs)
        raise Unmet(f"nothing is offered to {whom}", "; ".join(told[:FEW]), _look(args))


def _ask(session: Session, args: Json, macs: list[str]) -> list[dict[str, Json]]:
    """Discover for each of these MACs; the offers to each, by server. The last one is waited for."""
    place = args["place"]
    wanted = sorted({1, 3, 6, 12, 15, 26, 121, *map(int, args.get("options", ()))})
    asks = [{"mac": mac, "options": wanted} for mac in macs]
    until = [[len(macs) - 1, server] for server in args["servers"]]
    options = {"device": place["device"], "mac": place["mac"], "asks": asks, "until": until, "pace": PACE}
    answers = session.probe(place, "dhcp", **options, seconds=SECONDS, grace=GRACE)["answers"]
    return [
        {a["server"]: a for a in answers if a["ask"] == number and a["message"] == OFFER} for number in range(len(macs))
    ]


def _look(args: Json) -> str:
    return f"{where(args['place'])}: tcpdump -eni {args['place']['device']} port 67; host and opts of dnsmasq"
