# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring what must not be reached, with the TCP/IP stack of the one who tries."""

from __future__ import annotations

from functools import partial

from ..plan.check import Check
from .frames import PATIENCE, addresses
from .outcome import Unmet
from .session import Json, Session, at_once, where

SECONDS = 1.0  # to wait for an answer that must not come
LISTENED = 40009  # a port, of TCP and of UDP, that nobody else listens on

#: How it ends for who is not let through, in the words of errno(3); anything else is an answer.
SILENCE = ("timed out", "no answer", "unreachable", "no route to host")


def nodes_hidden(session: Session, check: Check) -> None:
    """No address of any node answers, and nothing arrives at a listener there, while the node itself is answered."""
    source, nodes = check.args["source"], check.args["nodes"]
    known = {n["node"]: sorted({ip for link in _links(session, n).values() for ip in link["ips"]}) for n in nodes}
    served = at_once(
        [partial(session.start, n, "listen", tcp=[LISTENED], udp=[LISTENED], nonce="", seconds=PATIENCE) for n in nodes]
    )
    asked = [ip for ips in known.values() for ip in ips]
    ask = {"tcp": [*check.args["ports"], LISTENED], "udp": [LISTENED], "icmp": True, "source": source["ip"]}
    try:
        answers = at_once([partial(_reach, session, source, address=ip, **ask) for ip in asked])
        controls = at_once([partial(_reach, session, n, address=known[n["node"]][0], tcp=[LISTENED]) for n in nodes])
    finally:
        arrived = {n["node"]: collect(stop=True)["seen"] for n, collect in zip(nodes, served, strict=True)}
    for node, control in zip(nodes, controls, strict=True):
        if "answer" not in control[f"tcp/{LISTENED}"]:
            raise Unmet(f"{node['node']} reaches itself (control)", str(control), f"{node['node']}: iptables-save -c")
    heard = [
        f"{ip} {name}" for ip, of in zip(asked, answers, strict=True) for name, answer in of.items() if _heard(answer)
    ]
    heard += [f"{s['port']} arrived at {n}" for n, seen in arrived.items() for s in seen if s["peer"] not in known[n]]
    if heard:
        look = f"{check.node}: ip route and iptables-save -c in the router's namespace"
        raise Unmet(f"{source['label']} reaches none of {', '.join(asked)}", ", ".join(heard), look)


def _links(session: Session, node: Json) -> dict[str, Json]:
    return session.once(("links", node["node"]), lambda: addresses(session, node))


def _reach(session: Session, place: Json, **ask: object) -> Json:
    return session.probe(place, "reach", bytes=1, seconds=SECONDS, **ask)


def _heard(answer: Json) -> bool:
    error = str(answer.get("error", "")).lower()
    return not any(words in error for words in SILENCE)


def port_hidden(session: Session, check: Check) -> None:
    """A port of an address does not answer, not even with a refusal, while the address does answer a ping."""
    source, address, port = (check.args[name] for name in ("source", "address", "port"))
    mine = {"source": source["ip"]} if source["namespace"] else {}
    found = _reach(session, source, address=address, tcp=[port], icmp=True, **mine)
    if _heard(found["icmp"]) is False:
        raise Unmet(f"{address} answers a ping of {source['label']} (control)", str(found["icmp"]), where(source))
    if _heard(found[f"tcp/{port}"]):
        look = f"{check.node}: iptables-save -c in the router's namespace"
        raise Unmet(f"{source['label']} gets no answer from {address}:{port}", str(found[f"tcp/{port}"]), look)
