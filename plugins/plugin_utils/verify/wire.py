# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring what is on the wires between nodes."""

from __future__ import annotations

import re
import uuid
from functools import partial

from ..plan.check import Check
from .frames import GRACE, PATIENCE, addresses, arp_replies
from .outcome import Unmet
from .session import Capture, Json, Session, at_once

DISCARD, VXLAN_PORT = 9, 4789
UDP, GRE = 17, 47
TUNNEL = re.compile(rf"^(?:gre|unknown) +{GRE} |\bdport={VXLAN_PORT}\b", re.MULTILINE)


def wire(session: Session, check: Check) -> None:
    """A frame of a network is seen between nodes under the network's own number, and on no other NIC and node."""
    args, token = check.args, check.args["frame"]["token"]
    seen, strayed = _seen(session, args["sender"], [args["frame"]], token, args["captures"], args["absent"])
    for place, frames in zip(args["captures"], seen, strict=True):
        look = f"tcpdump -eni {place['device']} on {place['node']}; ovs-ofctl dump-flows br-tun"
        right = [s for s in frames if s["device"] == place["device"] and args["expected"].items() <= s["frame"].items()]
        if not right:
            raise Unmet(f"{args['expected']} on {place['device']} of {place['node']}", f"{frames or 'nothing'}", look)
        stray = [s for s in frames if s["device"] != place["device"] or not _marked(args["expected"], s["frame"])]
        if stray:
            raise Unmet(f"only such frames, only on {place['device']} of {place['node']}", f"{stray}", look)
    for place, frames in zip(args["absent"], strayed, strict=True):
        if frames:
            raise Unmet(f"no such frame at {place['node']}", f"{frames}", f"{check.node}: ovs-ofctl dump-flows br-tun")


def _seen(
    session: Session, sender: Json, frames: list[Json], last: str, captures: list[Json], absent: list[Json]
) -> tuple[list[list[Json]], list[list[Json]]]:
    """What each capture sees of the frames; those where nothing comes end when the last frame has come elsewhere."""
    run = uuid.uuid4().hex

    def start(place: Json, until: list[str]) -> Capture:
        return session.start(
            place, "capture", run=run, devices=place["devices"], until=until, grace=GRACE, seconds=PATIENCE
        )

    started = at_once([*(partial(start, p, [last]) for p in captures), *(partial(start, p, []) for p in absent)])
    session.probe(sender, "send", run=run, device=sender["device"], frames=frames)
    seen = [result["seen"] for result in at_once(started[: len(captures)])]
    strayed = [result["seen"] for result in at_once([partial(c, stop=True) for c in started[len(captures) :]])]
    return seen, strayed


def _marked(expected: Json, frame: Json) -> bool:
    """Whether a frame carries the network's number, whoever it is for (a tunnelled broadcast has several copies)."""
    return all(frame.get(k) == v for k, v in expected.items() if k in ("tun_id", "dl_vlan"))


def answered(session: Session, check: Check) -> None:
    """An ARP request is answered with the right MAC, and is not seen on the wire, where another frame is."""
    args, sender = check.args, check.args["sender"]
    asked, control = args["frame"], args["control"]
    ((seen,), _none) = _seen(session, sender, [asked, control], control["token"], args["captures"], [])
    tokens = {s["token"] for s in seen}
    look = f"{check.node}: ovs-ofctl dump-flows br-tun table=21"
    if control["token"] not in tokens:
        raise Unmet(f"an announcement of {sender['label']} leaves {check.node} (control)", "it did not", look)
    if asked["token"] in tokens:
        raise Unmet(f"the request for {asked['arp_tpa']} stays on {check.node}", "it was on the wire", look)
    found = arp_replies(session, sender, asked["arp_tpa"], sender["mac"], sender["ip"], grace=GRACE)
    if found != [args["mac"]]:
        raise Unmet(f"{args['mac']} answers for {asked['arp_tpa']}", ", ".join(found) or "nobody", look)


def endpoint(session: Session, check: Check) -> None:
    """One ARP reply comes for a tunnel's end, asked from another node."""
    source, address = check.args["source"], check.args["address"]
    links = session.once(("links", source["node"]), lambda: addresses(session, source))
    if source["device"] not in links:
        raise Unmet(f"{source['label']} has its tunnel NIC {source['device']}", "it is not there", "ip link")
    found = arp_replies(session, source, address, links[source["device"]]["mac"], source["ip"], grace=GRACE)
    if len(found) != 1:
        raise Unmet(
            f"one answer to ARP for {address}",
            f"{len(found)} answers: {', '.join(sorted(found)) or 'nobody'}",
            f"{check.node}: ip address; sysctl net.ipv4.conf.<NIC>.arp_ignore; ovs-ofctl show <underlay bridge>",
        )


def untracked(session: Session, check: Check) -> None:
    """The node's connections hold none of a tunnel, neither of its traffic so far nor of packets sent to see that."""
    source, address = check.args["source"], check.args["address"]
    ports = [{"nw_proto": UDP, "tp_dst": port} for port in (VXLAN_PORT, DISCARD)]
    session.probe(source, "packets", address=address, packets=[{"nw_proto": GRE}, *ports])
    tracked = session.output(source, "conntrack", "-L")
    look = f"{check.node}: iptables-save -c -t raw; conntrack -L"
    if not re.search(rf"dst={re.escape(address)} .*\bdport={DISCARD}\b", tracked):
        raise Unmet(f"{check.node} tracks a datagram for port {DISCARD} of {address} (control)", "it does not", look)
    # What guests send to a node's port of tunnels is in the zones of their ports.
    if found := [line for line in tracked.splitlines() if TUNNEL.search(line) and " zone=" not in line]:
        raise Unmet("no connection of a tunnel is tracked", "; ".join(found), look)
