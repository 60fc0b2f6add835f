# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The probe and the measurements made of it, between two namespaces whose faults we choose.

A measurement is worth what it refuses: each is tried on a network that is right and on one that is wrong.
"""

from __future__ import annotations

import subprocess
import typing
import uuid
from collections.abc import Iterator

import pytest
import testinfra
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.check import Check
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.kinds import measure
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.outcome import NotMeasured, Unmet
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.session import Json, Session

A, B = "probe-a", "probe-b"
MAC_A, MAC_B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def inside(namespace: str, *argv: str) -> None:
    run("ip", "netns", "exec", namespace, *argv)


@pytest.fixture
def pair(scratch: None) -> Iterator[Session]:
    """10.9.0.1 in one namespace and 10.9.0.2 in the other, by a veth pair."""
    for name in (A, B):
        run("ip", "netns", "add", name)
    run("ip", "link", "add", "eth0", "netns", A, "address", MAC_A, "type", "veth", "peer", "name", "eth0", "netns", B)
    run("ip", "-n", B, "link", "set", "eth0", "address", MAC_B)
    for name, address in ((A, "10.9.0.1/24"), (B, "10.9.0.2/24")):
        run("ip", "-n", name, "address", "add", address, "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
    yield Session({"here": testinfra.get_host("local://")}, [])
    for name in (A, B):  # the mount namespace of the test holds them
        run("ip", "netns", "delete", name)


def place(namespace: str, mac: str, ip: str, **more: typing.Any) -> Json:
    found = {"node": "here", "namespace": namespace, "device": "eth0", "mac": mac, "ip": ip, "label": namespace}
    return found | {"ours": True} | more


PLACE_A, PLACE_B = place(A, MAC_A, "10.9.0.1"), place(B, MAC_B, "10.9.0.2")


def check(kind: str, negative: bool = False, **args: typing.Any) -> Check:
    return Check(id=kind, title=kind, group="switching", node="here", kind=kind, args=args, negative=negative)


def reach(opened: list[str], closed: list[str]) -> Json:
    args = {"source": PLACE_A, "destination": PLACE_B, "address": "10.9.0.2", "bytes": 20000, "control": "10.9.0.1"}
    return args | {"open": opened, "closed": closed, "seen": "10.9.0.1"}


def test_what_is_open_is_open(pair: Session) -> None:
    measure(pair, check("open", **reach(["icmp", "tcp/22", "udp/53", "ip/253", "ip/vrrp"], [])))


def test_an_open_port_is_not_closed(pair: Session) -> None:
    with pytest.raises(Unmet, match="ip/253, tcp/23, udp/54"):
        measure(pair, check("closed", negative=True, **reach([], ["tcp/23", "udp/54", "ip/253"])))


def test_a_dropped_port_is_closed_and_not_open(pair: Session) -> None:
    inside(B, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "23", "-j", "DROP")
    inside(B, "iptables", "-t", "raw", "-A", "PREROUTING", "-p", "vrrp", "-j", "DROP")  # before raw sockets see it
    args = reach(["tcp/22"], ["tcp/23", "ip/vrrp"])
    measure(pair, check("open", **args))
    measure(pair, check("closed", negative=True, **args))
    pair = Session(pair.hosts, [])
    with pytest.raises(Unmet, match="tcp/23: timed out"):
        measure(pair, check("open", **reach(["tcp/23"], [])))


def test_a_rejected_port_is_not_closed(pair: Session) -> None:
    """Somebody answered: with the source's packet let through, or with a rule that tells who is there."""
    inside(B, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "23", "-j", "REJECT", "--reject-with", "tcp-reset")
    with pytest.raises(Unmet, match="tcp/23"):
        measure(pair, check("closed", negative=True, **reach([], ["tcp/23"])))


def test_silence_needs_a_control(pair: Session) -> None:
    run("ip", "-n", B, "link", "set", "eth0", "down")
    with pytest.raises((Unmet, RuntimeError), match=r"control|Network is down"):
        measure(pair, check("closed", negative=True, **reach([], ["tcp/23"])))


def test_a_translated_address_is_seen(pair: Session) -> None:
    run("ip", "-n", A, "address", "add", "10.9.0.9/24", "dev", "eth0")
    inside(A, "iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "SNAT", "--to-source", "10.9.0.9")
    with pytest.raises(Unmet, match=r"saw 10\.9\.0\.9 instead of 10\.9\.0\.1"):
        measure(pair, check("open", **reach(["tcp/22"], [])))


def test_mtu(pair: Session) -> None:
    args = {"source": PLACE_A, "address": "10.9.0.2", "mtu": 1450}
    with pytest.raises(Unmet, match="1451 bytes"):
        measure(pair, check("mtu", **args))
    run("ip", "-n", A, "link", "set", "eth0", "mtu", "1450")
    measure(pair, check("mtu", **args))
    inside(B, "iptables", "-A", "INPUT", "-m", "length", "--length", "1400:", "-j", "DROP")
    with pytest.raises(Unmet, match="no answer"):
        measure(pair, check("mtu", **args))


def arp(token: str, spa: str) -> Json:
    return {
        "token": token,
        "dl_src": MAC_A,
        "dl_dst": "ff:ff:ff:ff:ff:ff",
        "arp_op": 1,
        "arp_sha": MAC_A,
        "arp_spa": spa,
        "arp_tha": "00:00:00:00:00:00",
        "arp_tpa": "10.9.0.2",
    }


def forged(**more: typing.Any) -> Check:
    args = {"sender": PLACE_A, "receivers": [PLACE_B], "control_at": [0], "never_at": [0]}
    args |= {"frame": arp("forged", "10.9.0.99"), "control": arp("honest", "10.9.0.1")}
    return check("frame", negative=True, **args | more)


def test_a_forged_frame_that_arrives_is_told(pair: Session) -> None:
    one = forged()
    with pytest.raises(Unmet, match="it arrived at probe-b"):
        measure(Session(pair.hosts, [one]), one)


def test_forged_frames_need_a_control(pair: Session) -> None:
    far = {**PLACE_B, "device": "lo"}
    one = forged(receivers=[far])
    with pytest.raises(Unmet, match="control"):
        measure(Session(pair.hosts, [one]), one)


def test_a_stranger_is_captured_until_the_others_are_done(pair: Session) -> None:
    """A receiver at which nothing must arrive sets no end of its own."""
    one = forged(frame=arp("honest", "10.9.0.1"), receivers=[PLACE_B, {**PLACE_B, "device": "lo"}], never_at=[1])
    measure(Session(pair.hosts, [one]), one)


def test_two_macs_for_one_address(pair: Session) -> None:
    args = {"source": {**PLACE_A, "node": "here"}, "address": "10.9.0.2"}
    measure(pair, check("endpoint", **args))
    run("ip", "-n", B, "link", "add", "other", "link", "eth0", "type", "macvlan", "mode", "bridge")
    run("ip", "-n", B, "link", "set", "other", "up")
    with pytest.raises(Unmet, match="2 answers"):
        measure(Session(pair.hosts, []), check("endpoint", **args))


def test_a_node_that_hides(pair: Session) -> None:
    run("ip", "-n", B, "address", "add", "10.99.0.1/32", "dev", "lo")
    run("ip", "-n", B, "link", "add", "mgmt", "type", "veth", "peer", "name", "mgmt2")
    run("ip", "-n", B, "address", "add", "10.77.0.1/24", "dev", "mgmt")
    run("ip", "-n", B, "link", "set", "mgmt", "up")
    args = {"source": PLACE_A, "control": arp("control", "10.9.0.1"), "node": PLACE_B, "devices": ["eth0"]}
    with pytest.raises(Unmet, match=r"ARP 10\.77\.0\.1"):
        measure(pair, check("node_hidden", negative=True, **args))
    run("ip", "-n", B, "link", "delete", "mgmt")
    with pytest.raises(Unmet, match=r"02:00:00:00:00:0b>10\.9\.0\.2 answered, 1 datagrams arrived"):
        measure(Session(pair.hosts, []), check("node_hidden", negative=True, **args))


def test_the_wire_shows_the_vni(pair: Session) -> None:
    for name, local, remote in ((A, "10.9.0.1", "10.9.0.2"), (B, "10.9.0.2", "10.9.0.1")):
        options = ["id", "1001", "local", local, "remote", remote, "dstport", "4789", "dev", "eth0"]
        run("ip", "-n", name, "link", "add", "vx", "type", "vxlan", *options)
        run("ip", "-n", name, "link", "set", "vx", "up")
    args = {
        "sender": {**PLACE_A, "device": "vx"},
        "frame": arp("wire", "192.168.1.1"),
        "captures": [{**PLACE_B, "devices": ["eth0"]}],
        "absent": [{**PLACE_B, "devices": ["lo"]}],
        "expected": {"tun_id": 1001, "nw_src": "10.9.0.1", "nw_dst": "10.9.0.2"},
    }
    measure(pair, check("wire", **args))
    with pytest.raises(Unmet, match="1002"):
        measure(pair, check("wire", **args | {"expected": {"tun_id": 1002}}))
    with pytest.raises(Unmet, match="no such frame at here"):
        measure(pair, check("wire", **args | {"absent": args["captures"]}))
    with pytest.raises(Unmet, match="only on eth0"):
        stray = [{**PLACE_A, "devices": ["eth0", "vx"]}]
        measure(pair, check("wire", **args | {"captures": stray}))


def test_a_page_tells_who_asked(pair: Session) -> None:
    page = "import http.server as h\nclass H(h.BaseHTTPRequestHandler):\n def do_GET(s):\n  s.send_response(200)\n"
    page += "  s.end_headers()\n  s.wfile.write(s.client_address[0].encode())\n"
    page += "server = h.HTTPServer(('', 80), H)\nprint('ready', flush=True)\nserver.serve_forever()"
    argv = ["ip", "netns", "exec", B, "python3", "-c", page]
    args = {"source": PLACE_A, "address": "10.9.0.2", "service": "tcp", "gateway": "10.9.0.2"}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        server.stdout.readline()
        measure(pair, check("north", **args, seen="10.9.0.1"))
        with pytest.raises(Unmet, match=r"sees probe-a as 10\.9\.0\.7"):
            measure(pair, check("north", **args, seen="10.9.0.7"))
        with pytest.raises(Unmet, match="no answer from"):
            measure(pair, check("north", negative=True, **args, seen=None))
        server.terminate()


def test_what_can_not_be_asked_is_not_measured(pair: Session) -> None:
    with pytest.raises(NotMeasured, match="virtual machine"):
        measure(pair, check("mtu", source={**PLACE_A, "ours": False}, address="10.9.0.2", mtu=1500))
    with pytest.raises(NotMeasured, match="no machine outside"):
        measure(pair, check("mtu", source=PLACE_A, address="10.9.0.2", mtu=1500, needs=["outside"]))
    with pytest.raises(RuntimeError, match="machine far"):
        measure(pair, check("mtu", source={**PLACE_A, "node": "far"}, address="10.9.0.2", mtu=1500))


def test_an_operation_that_can_not_start_says_why(pair: Session) -> None:
    with pytest.raises(RuntimeError, match="No such device"):
        pair.start(PLACE_A, "capture", run=uuid.uuid4().hex, devices=["eth7"], seconds=1)
