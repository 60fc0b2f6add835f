# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring what one guest may use up that others need."""

from __future__ import annotations

import re
import uuid

from ..plan.check import Check
from .frames import arp_replies
from .offers import no_offer_to
from .outcome import Unmet
from .session import Json, Session, where

_ENTRY = re.compile(r"^\s*\S+\s+\d+\s+(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s+(?P<age>\d+)$", re.MULTILINE)
AGEING = 300  # seconds after which Open vSwitch forgets a MAC that is silent
SOON = 60  # what would have been forgotten while we look, forged frames or not
MOST = 300_000  # connections, where the table has room for more
TRIES = 3  # of an honest frame behind thousands, which a full queue may lose
BEGINNINGS = 5  # of connections of the other port; the first may find its neighbour unknown


def mac_table(session: Session, check: Check) -> None:
    """br-int learns no forged MAC and forgets no other one, while it learns that of an honest frame."""
    args, run = check.args, uuid.uuid4().hex
    sender, prefix = args["sender"], f"02:f1:{run[:2]}:{run[2:4]}"
    before = _learned(session, args)
    for number, frame in enumerate(args["frames"]):
        forged = frame | {"dl_src": f"{prefix}:{number:02x}:00"}
        session.probe(
            sender, "flood", run=run, device=sender["device"], frame=forged, field="dl_src", count=args["count"]
        )
    look = f"{check.node}: ovs-appctl fdb/show {args['bridge']}; ovs-ofctl dump-flows {args['bridge']}"
    # Frames stay in order: when this one is answered, all before it were looked at.
    if not any(arp_replies(session, sender, args["address"], sender["mac"], sender["ip"], 0) for _try in range(TRIES)):
        raise Unmet(f"{args['address']} answers ARP of {sender['label']} (control)", "no reply", look)
    after = _learned(session, args)
    if sender["mac"] not in after:
        raise Unmet(f"{args['bridge']} learns {sender['mac']} (control)", f"it knows {len(after)} others", look)
    believed = [mac for mac in after if mac.startswith(prefix)]
    forgotten = [mac for mac, age in before.items() if mac not in after and age < AGEING - SOON]
    if believed or forgotten:
        seen = f"it learned {len(believed)} and forgot {len(forgotten)}"
        raise Unmet(f"{args['bridge']} learns no MAC but {sender['mac']} and forgets none", seen, look)


def _learned(session: Session, args: Json) -> dict[str, int]:
    return learned(session.output(args["node"], "ovs-appctl", "fdb/show", args["bridge"]))


def learned(said: str) -> dict[str, int]:
    """MACs that a bridge knows, with their age in seconds, from what `fdb/show` says."""
    return {entry["mac"]: int(entry["age"]) for entry in _ENTRY.finditer(said)}


def starvation(session: Session, check: Check) -> None:
    """No server offers anything to many MACs that nobody has, while it does to the port's own."""
    run = uuid.uuid4().hex[:6]
    prefix = ":".join(["02", "f2", run[:2], run[2:4]])
    no_offer_to(session, check.args, [f"{prefix}:{n >> 8:02x}:{n & 255:02x}" for n in range(check.args["count"])])


def conntrack(session: Session, check: Check) -> None:
    """Another port begins a connection while one port has filled the table of the node."""
    args, run = check.args, uuid.uuid4().hex
    sender, other = args["sender"], args["other"]
    room = int(session.output(args["node"], "sysctl", "-n", "net.netfilter.nf_conntrack_max"))
    count = min(room + room // 10, MOST)
    session.probe(sender, "flood", run=run, device=sender["device"], frame=args["frame"], field="tp_src", count=count)
    ask = {"address": args["address"], "source": other["ip"], "count": BEGINNINGS, "size": 84, "seconds": 1.0}
    answer = session.probe(other, "ping", **ask)
    if answer["answers"] < BEGINNINGS - 1:
        raise Unmet(
            f"{other['label']} is answered by {args['address']} while {sender['label']} has sent {count} datagrams",
            f"{answer['answers']} of {BEGINNINGS} answers: {answer.get('error', '')}",
            f"{where(args['node'])}: conntrack -C; conntrack -S; ovs-appctl dpctl/ct-get-nconns",
        )
