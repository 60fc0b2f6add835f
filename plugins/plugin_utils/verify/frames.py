# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring with frames of our own: where they arrive, and who answers them."""

from __future__ import annotations

import uuid
from functools import partial

from ..plan.check import Check
from .outcome import Unmet
from .session import Capture, Json, Session, at_once, where

BROADCAST, NOBODY = "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"
GRACE = 0.25  # seconds for what was sent before the last frame, once that one has arrived
SECONDS = 3.0  # for the last frame
PATIENCE = 60.0  # for whoever listens to be told to end: he begins first, and nodes may be slow to reach

ECHO = {"nw_proto": 1}
DATAGRAM = {"nw_proto": 17, "tp_src": 40000, "tp_dst": 40009}  # a port that nobody else listens on

Seen = dict[str, set[int]]  # where each token arrived, as places in `receivers`


def frame(session: Session, check: Check) -> None:
    """A frame arrives nowhere where it must not, while its control arrives wherever it must."""
    args = check.args
    sender, receivers, token = args["sender"], args["receivers"], args["frame"]["token"]
    seen = session.once(_key(check), lambda: _experiment(session, check))
    missing = set(args["control_at"]) - seen.get(args["control"]["token"], set())
    if missing:
        raise Unmet(
            f"an honest frame of {sender['label']} arrives at {_labels(receivers, args['control_at'])} (control)",
            f"it did not arrive at {_labels(receivers, sorted(missing))}",
            f"{sender['node']}: ovs-appctl ofproto/trace br-int; {where(sender)}: ip -s link show {sender['device']}",
        )
    if leaked := set(args["never_at"]) & seen.get(token, set()):
        raise Unmet(
            f"frame {args['frame']} of {sender['label']} does not arrive at {_labels(receivers, args['never_at'])}",
            f"it arrived at {_labels(receivers, sorted(leaked))}",
            f"{sender['node']}: ovs-ofctl dump-flows br-int table=0,24,25; iptables-save -c | grep tenantnet-sg",
        )


def _labels(receivers: list[Json], indices: list[int]) -> str:
    return ", ".join(receivers[i]["label"] for i in indices)


def _key(check: Check) -> tuple[str, ...]:
    places = [check.args["sender"], *check.args["receivers"]]
    return ("frames", *(f"{p['node']} {p['namespace']} {p['device']}" for p in places))


def _experiment(session: Session, check: Check) -> Seen:
    """Send the frames of all checks of the same places at once, the controls last, and see what arrives."""
    together = [c.args for c in session.checks if c.kind == "frame" and _key(c) == _key(check)]
    controls = {a["control"]["token"]: a["control"] for a in together}
    frames = {a["frame"]["token"]: a["frame"] for a in together if a["frame"]["token"] not in controls}
    run, sender, receivers = uuid.uuid4().hex, check.args["sender"], check.args["receivers"]
    sent = [_addressed(session, sender, receivers[0], f) for f in (*frames.values(), *controls.values())]
    until = [sorted({a["control"]["token"] for a in together if i in a["control_at"]}) for i in range(len(receivers))]

    def start(place: Json, tokens: list[str]) -> Capture:
        # Where nothing must arrive at all, the others tell when there was time enough for it.
        return session.start(
            place, "capture", run=run, devices=[place["device"]], until=tokens, grace=GRACE, seconds=PATIENCE
        )

    captures = at_once([partial(start, place, tokens) for place, tokens in zip(receivers, until, strict=True)])
    device = sender["device"] or _device_of(session, sender)
    session.probe(sender, "send", run=run, device=device, frames=sent)
    ended: dict[int, Json] = {}
    for stop in (False, True):
        mine = [i for i in range(len(receivers)) if stop is not bool(until[i])]
        ended |= zip(mine, at_once([partial(captures[i], stop=stop) for i in mine]), strict=True)
    arrived: Seen = {}
    for index, result in ended.items():
        for seen in result["seen"]:
            arrived.setdefault(seen["token"], set()).add(index)
    return arrived


def _addressed(session: Session, sender: Json, receiver: Json, frame: Json) -> Json:
    """The same with MACs, where a frame from the wire goes from an address of one node to one of another."""
    ends = {"dl_src": sender, "dl_dst": receiver}
    return frame | {end: _mac_of(session, node, frame[end]) for end, node in ends.items() if ":" not in frame[end]}


def _device_of(session: Session, place: Json) -> str:
    """The device with the address of a place whose device has no name of ours."""
    links = session.once(("links", place["node"]), lambda: addresses(session, place))
    found = [name for name, link in links.items() if place["ip"] in link["ips"]]
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} devices of {place['label']} have the address {place['ip']}")
    return found[0]


def _mac_of(session: Session, node: Json, address: str) -> str:
    links = session.once(("links", node["node"]), lambda: addresses(session, node))
    macs = [link["mac"] for link in links.values() if address in link["ips"]]
    if len(macs) != 1:
        raise RuntimeError(f"{len(macs)} devices of {node['label']} have the address {address}")
    return str(macs[0])


def node_hidden(session: Session, check: Check) -> None:
    """No address of the node answers its guest by ARP or ICMP, and no datagram arrives, whatever MAC it is for."""
    source, control, node = check.args["source"], check.args["control"], check.args["node"]
    links = session.once(("links", node["node"]), lambda: addresses(session, node))
    ips = sorted({ip for link in links.values() for ip in link["ips"]})
    macs = sorted({link["mac"] for name, link in links.items() if link["ips"] or name in check.args["devices"]})
    asked = [_request(source["mac"], source["ip"], ip) for ip in ips]
    asked += [_packet(source, mac, ip, **service) for mac in macs for ip in ips for service in (ECHO, DATAGRAM)]
    target = control["arp_tpa"]
    served = session.start(node, "listen", udp=[DATAGRAM["tp_dst"]], nonce="", seconds=PATIENCE)
    try:
        seen = session.probe(
            source,
            "exchange",
            run=uuid.uuid4().hex,
            device=source["device"],
            frames=[*asked, control],
            until=[target],
            grace=GRACE,
            seconds=SECONDS,
        )["seen"]
    finally:
        arrived = served(stop=True)["seen"]
    # A reply that br-tun makes out of the request still carries its token.
    tell = [f"ARP {s['frame']['arp_spa']}" if s["frame"].get("arp_op") == 2 else s["token"] for s in seen]
    tell = [t for t in tell if not t.startswith("ARP ") or t[4:] in (*ips, target)]  # its kernel asks others, too
    if f"ARP {target}" not in tell:
        raise Unmet(f"{target} answers ARP of {source['label']} (control)", "no reply", f"{where(source)}: ip neigh")
    heard = [f"{t} answered" for t in tell if t != f"ARP {target}"]
    heard += [f"{len(arrived)} datagrams arrived"] if arrived else []
    if heard:
        raise Unmet(
            f"nothing of {source['label']} arrives at {', '.join(ips)} of {node['label']}",
            f"{', '.join(heard)} (MAC>address)",
            f"{node['node']}: sysctl -a | grep arp_ignore; iptables-save -c -t raw; iptables-save -c | grep INPUT",
        )


def _packet(source: Json, mac: str, ip: str, **service: int) -> Json:
    """An honest packet of a guest, for an address of its node by one of its node's MACs."""
    known = {"token": f"{mac}>{ip}", "dl_src": source["mac"], "dl_dst": mac, "nw_src": source["ip"], "nw_dst": ip}
    return known | service


def addresses(session: Session, node: Json) -> dict[str, Json]:
    """MAC and IPv4 addresses of each device of a node's own namespace, loopback left out."""
    listed = session.json(node, "ip", "-json", "address", "show")
    return {
        link["ifname"]: {
            "mac": link["address"],
            "ips": [a["local"] for a in link.get("addr_info", ()) if a["family"] == "inet"],
        }
        for link in listed
        if link.get("link_type") == "ether"
    }


def arp_replies(session: Session, source: Json, address: str, mac: str, ip: str, grace: float) -> list[str]:
    """The MAC in each answer to one ARP request for an address."""
    run = uuid.uuid4().hex
    ask = {"device": source["device"], "frames": [_request(mac, ip, address)], "until": [address]}
    seen = session.probe(source, "exchange", run=run, grace=grace, seconds=SECONDS, **ask)["seen"]
    return [s["frame"]["arp_sha"] for s in seen if s["frame"].get("arp_spa") == address]


def _request(mac: str, ip: str, target: str) -> Json:
    return {
        "token": "request",
        "dl_src": mac,
        "dl_dst": BROADCAST,
        "arp_op": 1,
        "arp_sha": mac,
        "arp_spa": ip,
        "arp_tha": NOBODY,
        "arp_tpa": target,
    }
