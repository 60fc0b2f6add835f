# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring a node by itself: what it says about itself, and what the kernel and Open vSwitch say."""

from __future__ import annotations

import ipaddress
import json
import typing

from ...module_utils.drivers.ports import DEAD_PEER
from ...module_utils.state import STATE_DIR
from ..plan.check import Check
from ..plan.checks_structure import fingerprint
from .outcome import Unmet
from .session import Json, Session, where

OVS_LOG = "/var/log/openvswitch/ovs-vswitchd.log"

#: Warnings that say nothing about the datapath; everything else is unexpected.
HARMLESS = (
    "|poll_loop|",  # the machine was busy
    "|timeval|",  # likewise
    "|ovs_rcu(",  # likewise: one thread waited for another
    "|ovs_numa|",  # no NUMA information
    "|netlink_socket|",  # no kernel datapath
    "failed to enumerate system datapaths",  # likewise: ovs-appctl dpctl looks for all kinds
    "(No such device)",  # at boot, before the device is restored; that each port works now is another check
    ": Network is down",  # likewise, before it is up
    "|terminating with signal",  # somebody ended it
    "|dpif_netdev|",  # no CPU set aside for packets
    "|tunnel(revalidator",  # packets through a tunnel were remembered when it was removed
    "log_wrong|",
)


def node(check: Check) -> Json:
    """The node's own network namespace."""
    return {"node": check.node, "namespace": "", "device": "", "label": check.node}


def status(session: Session, check: Check) -> None:
    """What is recorded on the node is what the plan says now, and the node finds nothing that differs from it."""
    recorded = session.host(check.node).file(f"{STATE_DIR}/state.json")
    if not recorded.exists:
        raise Unmet("a state is recorded on the node", "there is none", "playbooks/site.yml applies and records it")
    if fingerprint(json.loads(recorded.content_string)) != check.args["fingerprint"]:
        raise Unmet("the plan was applied", "another one was", "playbooks/site.yml --check --diff shows what differs")
    result = session.host(check.node).run("%s status", f"{STATE_DIR}/bin/tenantnet-node")
    if result.rc != 0:
        said = (result.stdout + result.stderr).strip()
        raise Unmet("nothing differs", said or f"exit status {result.rc}", f"{check.node}: tenantnet-node status")


def bridge(session: Session, check: Check) -> None:
    """Bridge settings, and each of its ports: it exists in the datapath, has no error, has its tag and its peer.

    The device below the bridge carries what its networks send.
    """
    name, wrong = check.args["bridge"], []
    tables = session.once(("ovsdb", check.node), lambda: _ovsdb(session, check))
    row = tables["Bridge"].get(name)
    if row is None:
        raise Unmet(f"bridge {name} exists", f"bridges {', '.join(tables['Bridge'])}", f"{check.node}: ovs-vsctl show")
    for column in ("datapath_type", "fail_mode"):
        wanted = check.args[column]
        if wanted is not None and row[column] != wanted and {row[column], wanted} != {"", "system"}:
            wrong.append(f"{column} is {row[column]!r} instead of {wanted!r}")
    for port, wanted in check.args["ports"].items():
        wrong += [f"{port}: {fault}" for fault in _port_faults(tables, port, wanted)]
    if needed := check.args["underlay"]:
        show = ("ip", "-json", "address", "show")
        links = session.once(("devices", check.node), lambda: session.json(node(check), *show))
        wrong += _underlay_faults(links, needed)
    if wrong:
        raise Unmet("as planned", "; ".join(wrong), f"{check.node}: ovs-vsctl show")


def _underlay_faults(links: list[Json], needed: Json) -> list[str]:
    """Nobody else notices a NIC that carries less than hosts.yml says: large packets are lost without a word."""
    if address := needed.get("address"):
        found = [link for link in links if address in [one.get("local") for one in link["addr_info"]]]
        faults = [] if found else [f"no device has the tunnel address {address}"]
    else:
        found, faults = [link for link in links if link["ifname"] == needed["device"]], []
    narrow = [link for link in found if link["mtu"] < needed["mtu"]]
    return faults + [f"{n['ifname']} carries {n['mtu']} bytes, its networks send {needed['mtu']}" for n in narrow]


def _port_faults(tables: dict[str, dict[str, Json]], name: str, wanted: Json) -> list[str]:
    port, interface = tables["Port"].get(name), tables["Interface"].get(name)
    if port is None or interface is None:
        return ["it is not there"]
    found = {"type": interface["type"], "tag": port["tag"] or None, "peer": interface["options"].get("peer")}
    faults = [f"{k} is {found[k]!r} instead of {v!r}" for k, v in wanted.items() if found[k] != v]
    if interface["error"] and DEAD_PEER not in interface["error"]:  # that was said at its birth and may still stand
        faults.append(str(interface["error"]))
    if not isinstance(interface["ofport"], int) or interface["ofport"] <= 0:
        faults.append(f"ofport {interface['ofport']}")
    return faults


def _ovsdb(session: Session, check: Check) -> dict[str, dict[str, Json]]:
    """Bridge, Port and Interface rows by name; an empty set reads as ""."""
    columns = {
        "Bridge": "name,datapath_type,fail_mode",
        "Port": "name,tag",
        "Interface": "name,type,options,error,ofport",
    }
    found = {}
    for table, wanted in columns.items():
        output = session.output(node(check), "ovs-vsctl", "--format=json", f"--columns={wanted}", "list", table)
        data = json.loads(output)
        rows = [dict(zip(data["headings"], map(_plain, row), strict=True)) for row in data["data"]]
        found[table] = {row["name"]: row for row in rows}
    return found


def _plain(value: typing.Any) -> typing.Any:
    """A value of OVSDB's JSON (RFC 7047) as Python has it."""
    if isinstance(value, list) and value[0] == "map":
        return dict(value[1])
    if isinstance(value, list) and value[0] == "set":
        return value[1] or ""
    return value


def namespace(session: Session, check: Check) -> None:
    """Devices and routes of a network namespace."""
    place = {**node(check), "namespace": check.args["namespace"]}
    links = {link["ifname"]: link for link in session.json(place, "ip", "-json", "address", "show")}
    wrong = []
    for name, wanted in check.args["links"].items():
        wrong += [f"{name}: {fault}" for fault in _link_faults(links.get(name), wanted)]
    routes = {_prefix(r["dst"]): r.get("gateway") for r in session.json(place, "ip", "-json", "route", "show")}
    for destination, via in check.args["routes"].items():
        if destination not in routes or routes[destination] != via:
            wrong.append(f"no route to {destination} by {via}")
    if wrong:
        raise Unmet("as planned", "; ".join(wrong), f"{where(place)}: ip address; ip route")


def _link_faults(link: Json | None, wanted: Json) -> list[str]:
    if link is None:
        return ["it is not there"]
    addresses = sorted(f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["family"] == "inet")
    found = {
        "mac": link.get("address"),
        "mtu": link["mtu"],
        "addresses": addresses,
        "up": "UP" in link["flags"],
        "master": link.get("master", ""),
    }
    known = {k: v for k, v in wanted.items() if v is not None and (k != "master" or v)}
    faults = [f"{k} is {found[k]!r} instead of {v!r}" for k, v in known.items() if found[k] != v]
    if wanted["up"] and "LOWER_UP" not in link["flags"]:
        faults.append("it has no carrier")
    return faults


def _prefix(destination: str) -> str:
    """A destination of ip(8) in CIDR form."""
    return "0.0.0.0/0" if destination == "default" else str(ipaddress.IPv4Network(destination))


def daemons(session: Session, check: Check) -> None:
    """The supervisor says that each daemon is up."""
    host, down = session.host(check.node), []
    s6 = host.file("/run/service").is_directory
    for service in check.args["services"]:
        if s6:
            result = host.run("s6-svstat -o up %s", f"/run/service/{service}")
            up = result.rc == 0 and result.stdout.strip() == "true"
        else:
            up = host.run("systemctl is-active --quiet %s", service).rc == 0
        down += [] if up else [service]
    if down:
        raise Unmet("as planned", f"{', '.join(down)} not up", f"{check.node}: s6-svstat or systemctl status")


def log(session: Session, check: Check) -> None:
    """No warning or error in the log of ovs-vswitchd but those that are known to be harmless."""
    text = session.host(check.node).run("cat %s", OVS_LOG)
    lines = [line for line in text.stdout.splitlines() if "|WARN|" in line or "|ERR|" in line or "|EMER|" in line]
    if unexpected := [line for line in lines if not any(known in line for known in HARMLESS)]:
        raise Unmet("no unexpected warning", "\n".join(unexpected[:10]), f"{check.node}: {OVS_LOG}")
