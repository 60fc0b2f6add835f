# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring who reaches whom: with the real TCP/IP stacks of both ends."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from ..plan.check import Check
from ..topology.words import NUMBERS
from .frames import GRACE, PATIENCE, arp_replies
from .outcome import Unmet
from .session import Json, Session, where

SECONDS = 1.0  # to wait for an answer that may never come
HTTP = 5.0  # for one that must come


def north(session: Session, check: Check) -> None:
    """An instance asks a server outside; by HTTP the server tells which address it saw."""
    args = check.args
    source, address, seen = args["source"], args["address"], args["seen"]
    if check.negative:
        _alive(session, source, args["gateway"])
    operation = "get" if args["service"] == "tcp" else "ping"
    # The first packet to a neighbour that is not known yet may be lost: several are sent where one must come.
    size = {} if operation == "get" else {"count": 1 if check.negative else 5, "size": 84}
    seconds = HTTP if operation == "get" and not check.negative else SECONDS
    answer = session.probe(source, operation, address=address, source=source["ip"], seconds=seconds, **size)
    look = f"the router of {source['label']}: iptables-save -t nat, conntrack -L; tcpdump -ni any host {address}"
    if check.negative:
        if "error" not in answer:
            raise Unmet(f"no answer from {address}", f"{answer}", look)
    elif "error" in answer:
        raise Unmet(f"an answer from {address} to {source['label']}", answer["error"], look)
    elif operation == "get" and answer["body"].split()[:1] != [seen]:
        raise Unmet(f"{address} sees {source['label']} as {seen}", f"it saw {answer['body']!r}", look)


def _alive(session: Session, place: Json, neighbour: str) -> None:
    """The control of a silence: this place does get an ARP reply from its gateway or neighbour."""
    if not arp_replies(session, place, neighbour, place["mac"], place["ip"], grace=0):
        raise Unmet(f"{neighbour} answers {place['label']}", "no ARP reply (control)", f"{where(place)}: ip neigh")


def opened(session: Session, check: Check) -> None:
    """What must be open is, for large segments too, and the destination sees the source's own address."""
    args, (answers, _served) = check.args, _experiment(session, check)
    source, destination = args["source"], args["destination"]
    wrong = {s: _fault(answers[s], args["seen"]) for s in args["open"]}
    if wrong := {service: fault for service, fault in wrong.items() if fault}:
        raise Unmet(
            f"{source['label']} reaches {destination['label']} at {args['address']}: {', '.join(args['open'])}",
            "; ".join(f"{service}: {fault}" for service, fault in wrong.items()),
            f"{where(destination)}: iptables-save -c | grep tenantnet-sg; {where(source)}: ip neigh",
        )


def _fault(answer: Json, seen: str) -> str:
    """What is wrong with an answer that must be right; ""."""
    if "answers" in answer:  # of ICMP
        return "" if answer["answers"] else str(answer["error"])
    if not answer.get("answer"):
        return str(answer.get("error", "it answered nothing"))
    peer = answer["answer"]["peer"]
    return "" if peer == seen else f"the destination saw {peer} instead of {seen}"


def closed(session: Session, check: Check) -> None:
    """What no rule opens does not answer, and nothing of it arrives."""
    args, (answers, served) = check.args, _experiment(session, check)
    source, destination = args["source"], args["destination"]
    through = [s for s in args["closed"] if s in served or "answer" in answers[s] or answers[s].get("answers")]
    # Ports of an address that are not forwarded are the router's own: it may refuse them.
    tried = [] if "lands" in args else args["closed"]
    refused = [s for s in tried if "refused" in str(answers[s].get("error", "")).lower()]
    if through or refused:
        raise Unmet(
            f"{source['label']} gets no packet through to {destination['label']}: {', '.join(args['closed'])}",
            f"these got through: {', '.join(sorted({*through, *refused}))}",
            f"{where(destination)}: iptables-save -c | grep tenantnet-sg",
        )
    if not args["open"]:
        _alive(session, destination, args["control"])


def _experiment(session: Session, check: Check) -> tuple[dict[str, Json], set[str]]:
    """Ask everything at once: the answers by service, and the services at which something arrived."""
    args = check.args
    key = ("reach", args["source"]["label"], args["destination"]["label"], args["address"])
    return session.once(key, lambda: _ask(session, args))


def _ask(session: Session, args: Json) -> tuple[dict[str, Json], set[str]]:
    services, lands = [*args["open"], *args["closed"]], args.get("lands", {})
    heard = {service: lands.get(service, service) for service in services}
    source, destination = args["source"], args["destination"]
    collect = session.start(destination, "listen", nonce=uuid.uuid4().hex, seconds=PATIENCE, **_asked(heard.values()))
    try:
        answers = session.probe(
            source,
            "reach",
            address=args["address"],
            source=source["ip"] if source["namespace"] else "",
            icmp="icmp" in services,
            bytes=args["bytes"],
            seconds=SECONDS,
            **_asked(services),
        )
    finally:
        arrived = {seen["port"] for seen in collect(stop=True)["seen"]}
    return answers, {service for service, port in heard.items() if port in arrived}


def _asked(services: Iterable[str]) -> dict[str, list[int] | dict[str, int]]:
    """tcp/22, udp/53, ip/vrrp -> the ports by protocol, and the numbers of other protocols."""
    ports: dict[str, set[int]] = {"tcp": set(), "udp": set()}
    raw: dict[str, int] = {}
    for protocol, _slash, name in (service.partition("/") for service in services):
        if protocol == "ip":
            raw[f"ip/{name}"] = int(name) if name.isdigit() else NUMBERS[name]
        elif name:
            ports[protocol].add(int(name))
    return {**{protocol: sorted(numbers) for protocol, numbers in ports.items()}, "raw": raw}


def leaving(session: Session, check: Check) -> None:
    """A packet of an instance arrives outside with the address that it must have there, and with no other."""
    args, run = check.args, uuid.uuid4().hex
    sender, outside, token = args["sender"], args["outside"], args["frame"]["token"]
    capture = session.start(outside, "capture", run=run, devices=[""], until=[token], grace=GRACE, seconds=PATIENCE)
    session.probe(sender, "send", run=run, device=sender["device"], frames=[args["frame"]])
    came = (seen["frame"] for seen in capture()["seen"] if seen["incoming"])  # what is refused goes back in an error
    found = sorted({frame.get("nw_src", "nobody") for frame in came})
    if found != [args["seen"]]:
        raise Unmet(
            f"what {sender['label']} sends is seen outside as from {args['seen']}",
            f"it was seen as from {', '.join(found) or 'nobody'}",
            f"{check.node}: iptables-save -t nat in the router's namespace",
        )


def mtu(session: Session, check: Check) -> None:
    """The largest packet arrives with DF set; one byte more is refused by the guest's own NIC."""
    args = check.args
    source, address, size = args["source"], args["address"], args["mtu"]
    ask = {"address": address, "source": source["ip"], "df": True, "count": 3, "seconds": SECONDS}
    full = session.probe(source, "ping", size=size, **ask)
    look = f"{where(source)}: ip link; ovs-vsctl get interface <tunnel> options; the MTU of the underlay"
    if not full["answers"]:
        raise Unmet(f"an answer from {address} to {size} bytes with DF", full["error"], look)
    more = session.probe(source, "ping", size=size + 1, **ask)
    if more["answers"]:
        raise Unmet(f"{size + 1} bytes with DF do not leave {source['label']}", f"{address} answered", look)
