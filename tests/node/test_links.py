# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Links against the kernel: every field comes back as it was written, and is repaired when somebody changes it."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import itertools
import pathlib
import socket
import struct
import threading

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import ethtool
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.links import LinkDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.namespaces import NamespaceDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Link, Namespace, link_group

from .conftest import DEPLOYMENT, changed

ROUTER = Namespace(slice="routing", name="qrouter-1", sysctls={})
GUEST = Namespace(slice="guests", name="guest-1")
QR = "qr-00000000-01"

#: A router's port behind the userspace datapath: the same name on both sides.
INSIDE = Link(
    slice="routing",
    namespace=ROUTER.name,
    name=QR,
    kind="veth",
    peer=("", QR),
    alias="router demo/r1 on demo/net1",
    mac="fa:16:3e:00:00:01",
    mtu=1450,
    addresses=("10.0.0.1/24", "10.0.0.9/32"),
    tx_checksum=False,
)
OUTSIDE = Link(
    slice="routing",
    namespace="",
    name=QR,
    kind="veth",
    peer=(ROUTER.name, QR),
    mtu=1450,
    sysctls={"ipv4.arp_ignore": "8", "ipv6.disable_ipv6": "1"},
)

#: An instance's plumbing; the far end of its tap belongs to its guest.
BRIDGE = Link(
    slice="instances",
    namespace="",
    name="qbr1",
    kind="bridge",
    mtu=1450,
    bridge={"ageing_time": 0, "stp_state": 0, "mcast_snooping": 0, "nf_call_iptables": 1, "nf_call_ip6tables": 1},
    sysctls={"ipv6.disable_ipv6": "1"},
)
QVB = Link(
    slice="instances",
    namespace="",
    name="qvb1",
    kind="veth",
    peer=("", "qvo1"),
    mtu=1450,
    master="qbr1",
    promiscuous=True,
)
QVO = Link(slice="instances", namespace="", name="qvo1", kind="veth", peer=("", "qvb1"), mtu=1450, promiscuous=True)
TAP = Link(
    slice="guests",
    namespace="",
    name="tap1",
    kind="veth",
    peer=(GUEST.name, "eth0"),
    peer_mac="fa:16:3e:00:00:07",
    mtu=1450,
    master="qbr1",
)
ALL = (ROUTER, GUEST, INSIDE, OUTSIDE, BRIDGE, QVB, QVO, TAP)


@pytest.fixture
def node(make_node):
    return make_node(NamespaceDriver, LinkDriver)


@pytest.fixture
def whole(node):
    """A node that has everything."""
    node.converge(*ALL)
    return node


def ip(*arguments, namespace=""):
    return run(["ip", *arguments], namespace=namespace)


def replaced(*links):
    """Everything, with these in the places of their namesakes."""
    return tuple({link.key: link for link in (*ALL, *links)}.values())


def test_round_trip_and_removal(whole):
    assert "brd 10.0.0.255" in ip("address", namespace=ROUTER.name)
    assert "fa:16:3e:00:00:07" in ip("link", "show", "eth0", namespace=GUEST.name)
    whole.converge(ROUTER, INSIDE, OUTSIDE)
    whole.converge(ROUTER)
    whole.converge()
    assert [line.split()[1] for line in ip("-o", "link").splitlines()] == ["lo:"]


@pytest.mark.parametrize(
    ("link", "by_hand", "fields"),
    [
        (INSIDE, "link set {} down", {"up"}),
        (INSIDE, "link set {} mtu 1400", {"mtu"}),
        (INSIDE, "link set {} address fa:16:3e:00:00:99", {"mac"}),
        (INSIDE, "link set {} alias nonsense", {"alias"}),
        (INSIDE, "address add 10.9.9.9/24 dev {}", {"addresses"}),
        (INSIDE, "address delete 10.0.0.9/32 dev {}", {"addresses"}),
        (INSIDE, "address flush dev {}", {"addresses"}),
        (QVB, "link set {} nomaster", {"master"}),
        (QVB, "link set {} promisc off", {"promiscuous"}),
        (TAP, "link set {} nomaster", {"master"}),
        (BRIDGE, "link set {} type bridge ageing_time 30000", {"bridge"}),
        (BRIDGE, "link set {} type bridge nf_call_iptables 0", {"bridge"}),
        (BRIDGE, "link set {} mtu 1400", {"mtu"}),
        (BRIDGE, "link set {} down", {"up"}),
    ],
    ids=lambda value: value.replace(" {}", "") if isinstance(value, str) else None,
)
def test_what_is_changed_by_hand_is_shown_and_repaired(whole, link, by_hand, fields):
    ip(*by_hand.format(link.name).split(), namespace=link.namespace)
    assert changed(whole.diff(*ALL)) == [(link.key, fields)]
    whole.converge(*ALL)


def test_tx_checksum_turned_on_by_hand(whole):
    with whole.netns.enter(ROUTER.name):
        ethtool.set_tx_checksum(QR, True)
    assert changed(whole.diff(*ALL)) == [(INSIDE.key, {"tx_checksum"})]
    whole.converge(*ALL)


def test_a_setting_changed_by_hand(whole):
    pathlib.Path(f"/proc/sys/net/ipv4/conf/{QR}/arp_ignore").write_text("0", encoding="ascii")
    assert changed(whole.diff(*ALL)) == [(OUTSIDE.key, {"sysctls"})]
    whole.converge(*ALL)


@pytest.mark.parametrize(
    "wanted",
    [
        dataclasses.replace(INSIDE, alias=""),
        dataclasses.replace(INSIDE, mtu=1300),
        dataclasses.replace(INSIDE, mac="fa:16:3e:00:00:02"),
        dataclasses.replace(INSIDE, addresses=("10.0.0.2/24",)),
        dataclasses.replace(INSIDE, addresses=()),
        dataclasses.replace(INSIDE, up=False),
        dataclasses.replace(INSIDE, tx_checksum=True),
        dataclasses.replace(OUTSIDE, slice="dhcp"),
        dataclasses.replace(OUTSIDE, sysctls={"ipv4.arp_ignore": "2"}),
        dataclasses.replace(QVB, master=""),
        dataclasses.replace(BRIDGE, bridge={"ageing_time": 100}),
    ],
    ids=lambda link: link.name,
)
def test_what_is_wanted_otherwise_is_changed_in_place(whole, wanted):
    before = ip("-o", "link", "show", wanted.name, namespace=wanted.namespace).split(":")[0]
    whole.converge(*replaced(wanted))
    assert ip("-o", "link", "show", wanted.name, namespace=wanted.namespace).split(":")[0] == before
    whole.converge(*ALL)


@pytest.mark.parametrize("promote", ["0", "1"])
def test_the_first_address_of_a_subnet_changes_and_the_others_stay(node, promote):
    namespace = dataclasses.replace(ROUTER, sysctls={"net.ipv4.conf.all.promote_secondaries": promote})
    node.converge(namespace, OUTSIDE, dataclasses.replace(INSIDE, addresses=("10.0.0.1/24", "10.0.0.2/24")))
    node.converge(namespace, OUTSIDE, dataclasses.replace(INSIDE, addresses=("10.0.0.2/24", "10.0.0.3/24")))


def test_an_address_with_a_lifetime_is_a_clients(whole):
    ip(*f"address add 10.0.0.77/24 dev {QR} valid_lft 1000 preferred_lft 1000".split(), namespace=ROUTER.name)
    assert whole.diff(*ALL) == []


def test_a_promiscuous_mode_that_was_not_asked_for_is_open_vswitchs(whole):
    ip("link", "set", QR, "promisc", "on")
    assert whole.diff(*ALL) == []


def test_a_guest_may_change_its_mac(whole):
    ip("link", "set", "eth0", "address", "fa:16:3e:00:00:66", namespace=GUEST.name)
    assert whole.diff(*ALL) == []


def test_a_guests_nic_whose_mac_is_wanted_otherwise_is_born_again(whole):
    whole.converge(*replaced(dataclasses.replace(TAP, peer_mac="fa:16:3e:00:00:08")))
    assert "fa:16:3e:00:00:08" in ip("link", "show", "eth0", namespace=GUEST.name)


@pytest.mark.parametrize("namespace", ["", ROUTER.name])
def test_a_pair_deleted_by_hand_comes_back(whole, namespace):
    ip("link", "delete", QR, namespace=namespace)
    assert {change.key for change in whole.diff(*ALL)} == {INSIDE.key, OUTSIDE.key}
    whole.converge(*ALL)


def test_an_end_moved_by_hand_comes_back(whole):
    ip("link", "set", QR, "netns", GUEST.name, namespace=ROUTER.name)
    whole.converge(*ALL)
    assert QR not in ip("link", namespace=GUEST.name)


def test_an_end_lost_with_an_unknown_namespace_is_born_again(whole):
    ip("netns", "add", "theirs")
    ip("link", "set", QR, "netns", "theirs", namespace=ROUTER.name)
    whole.converge(*ALL)


def test_a_namespace_deleted_by_hand_comes_back_with_its_links(whole):
    whole.netns.delete(ROUTER.name)  # its devices vanish a little later, which must do no harm
    whole.apply(*ALL)
    whole.apply(*ALL)
    whole.converge(*ALL)


def test_a_veth_gets_another_peer(whole):
    other = dataclasses.replace(QVO, name="qvo2")
    kept = tuple(link for link in ALL if link not in (QVB, QVO))
    whole.converge(*kept, dataclasses.replace(QVB, peer=("", "qvo2")), other)
    whole.converge(*ALL)


def test_a_veth_becomes_a_bridge(whole):
    others = tuple(link for link in ALL if link not in (QVB, QVO))
    whole.converge(*others, Link(slice="instances", namespace="", name="qvb1", kind="bridge"))


def test_links_of_one_namespace_among_many_find_their_peers(node):
    names = [f"net{number}" for number in range(8)]
    resources = [Namespace(slice="dhcp", name=name) for name in names]
    for name in names:
        for here, there in ((name, ""), ("", name)):
            resources.append(
                Link(slice="dhcp", namespace=here, name=f"tap{name}", kind="veth", peer=(there, f"tap{name}"))
            )
    for left, right in itertools.pairwise(names):
        for here, there in ((left, right), (right, left)):
            resources.append(
                Link(slice="dhcp", namespace=here, name=f"to{there}", kind="veth", peer=(there, f"to{here}"))
            )
    node.converge(*resources)


def test_what_was_read_without_a_wish_brings_everything_back(whole):
    snapshot = whole.read()
    whole.converge()
    whole.converge(*snapshot)
    assert whole.diff(*ALL) == []


# ------------------------------------------------------------------------------------------------------------- others


def test_links_of_others_are_neither_seen_nor_taken(node):
    ip("link", "add", "qbr1", "type", "bridge")
    ip("link", "add", "theirs", "type", "bridge")
    assert node.read() == []
    assert node.foreign(BRIDGE, QVB) == ["link qbr1 exists and was not made by tenantnet: its group is 0"]
    assert node.read(BRIDGE) == []


def test_links_of_another_deployment_are_others(node):
    ip("link", "add", "qbr1", "group", str(link_group("other", "instances")), "type", "bridge")
    assert node.read() == []
    assert len(node.foreign(BRIDGE)) == 1


def test_a_link_of_ours_in_our_namespace_only(node):
    node.converge(ROUTER)
    ip("link", "add", QR, "type", "bridge", namespace=ROUTER.name)
    (sentence,) = node.foreign(ROUTER, INSIDE, OUTSIDE)
    assert sentence.startswith(f"link {QR} in namespace {ROUTER.name} exists")


def test_a_port_of_others_in_our_bridge_stays(whole):
    ip("link", "add", "theirs", "type", "bridge")
    ip("link", "add", "tap9", "master", "qbr1", "type", "veth", "peer", "name", "tap9p")
    assert whole.diff(*ALL) == []
    whole.converge(*ALL)
    assert "master qbr1" in ip("link", "show", "tap9")


def test_what_cannot_be_done_names_the_link(node):
    with pytest.raises(TenantnetError, match="link qvb1: its bridge qbr1 does not exist"):
        node.apply(QVB, QVO)
    with pytest.raises(TenantnetError, match=f"link {QR}: network namespace {ROUTER.name} does not exist"):
        node.apply(OUTSIDE)


# ------------------------------------------------------------------------------------------------ Open vSwitch's ports

INTERNAL = dataclasses.replace(INSIDE, kind="internal", peer=None, tx_checksum=True)


def make_internal_port(name):
    """What ovs-vswitchd makes on the userspace datapath."""
    ip("tuntap", "add", "dev", name, "mode", "tap")


def test_an_internal_port_moves_into_its_namespace(node):
    node.converge(ROUTER)
    make_internal_port(QR)
    assert node.foreign(ROUTER, INTERNAL) == []
    node.converge(ROUTER, INTERNAL)
    assert QR not in ip("link")
    ip("link", "set", QR, "mtu", "1400", namespace=ROUTER.name)
    assert changed(node.diff(ROUTER, INTERNAL)) == [(INTERNAL.key, {"mtu"})]
    node.converge(ROUTER, INTERNAL)
    node.converge(ROUTER)
    assert f"{QR}: <BROADCAST,MULTICAST> mtu 1450" in ip("link")  # it goes with its Open vSwitch port, not with us


def test_an_internal_port_is_waited_for(node):
    node.converge(ROUTER)
    birth = threading.Timer(0.3, make_internal_port, [QR])
    birth.start()
    try:
        node.converge(ROUTER, INTERNAL)
    finally:
        birth.join()


def test_an_internal_port_that_has_gone_needs_no_removal(node):
    make_internal_port(QR)
    node.converge(ROUTER, INTERNAL)
    (change,) = node.diff(ROUTER)
    ip("link", "delete", QR, namespace=ROUTER.name)
    LinkDriver(node.context).apply([change])


# -------------------------------------------------------------------------------------------------- TX checksum offload


@pytest.mark.parametrize("offload", [True, False])
def test_checksums_are_complete_on_the_wire_only_without_offload(node, offload):
    """The far end sees what Open vSwitch's userspace datapath would see."""
    ends = (dataclasses.replace(INSIDE, tx_checksum=offload), OUTSIDE)
    node.converge(ROUTER, *ends)
    ip("neighbour", "add", "10.0.0.5", "lladdr", "fa:16:3e:00:00:05", "dev", QR, namespace=ROUTER.name)
    with contextlib.closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))) as wire:
        wire.bind((QR, 0x0800))
        wire.settimeout(5)
        with node.netns.enter(ROUTER.name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"payload!", ("10.0.0.5", 9))
        packet = wire.recv(2000)[14:]
    pseudo = packet[12:20] + struct.pack("!BBH", 0, socket.IPPROTO_UDP, len(packet) - 20)
    words = struct.unpack(f"!{(len(pseudo) + len(packet) - 20) // 2}H", pseudo + packet[20:])
    assert (sum(words) % 0xFFFF == 0) is not offload


def test_deployment_is_part_of_the_mark(whole):
    assert f"group {link_group(DEPLOYMENT, 'routing')}" in ip("link", "show", QR)


# --------------------------------------------------------------------------------------------- taps of virtual machines

MACHINE = Link(
    slice="guests", namespace="", name="tap2", kind="tap", owner="nobody", mtu=1450, master="qbr1", alias="demo/vm:net"
)


def test_a_tap_is_ready_before_its_machine_and_stays_after_it(make_node):
    node = make_node(LinkDriver)
    several = dataclasses.replace(
        MACHINE, name="tap3", owner="root", multi_queue=True, sysctls={"ipv4.arp_ignore": "8"}
    )
    node.converge(BRIDGE, MACHINE, several)
    for link in (MACHINE, several):
        with plugged(link.name, link.multi_queue):
            assert node.diff(BRIDGE, MACHINE, several) == []
        assert node.diff(BRIDGE, MACHINE, several) == []
    assert node.foreign(MACHINE, several) == []
    assert changed(node.converge(BRIDGE, dataclasses.replace(MACHINE, owner="root"), several)) == [
        (MACHINE.key, {"owner"})
    ]
    node.converge()


def test_a_tap_that_is_somebody_elses_is_refused(make_node):
    node = make_node(LinkDriver)
    run(["ip", "tuntap", "add", "tap2", "mode", "tap"])
    assert node.foreign(MACHINE) == ["link tap2 exists and was not made by tenantnet: its group is 0"]
    assert node.read() == []


def test_a_tap_for_nobody_leaves_nothing(make_node):
    node = make_node(LinkDriver)
    with pytest.raises(TenantnetError, match="this node has no user who-is-it, whom its tap is for"):
        node.apply(dataclasses.replace(MACHINE, owner="who-is-it"))
    assert "tap2" not in run(["ip", "link"])


@contextlib.contextmanager
def plugged(name, multi_queue):
    """What a machine does: open the tap that is there, and be asked nothing else."""
    with open("/dev/net/tun", "r+b", buffering=0) as tap:
        flags = 0x0002 | 0x1000 | 0x4000 | (0x0100 if multi_queue else 0)  # TAP, NO_PI, VNET_HDR, MULTI_QUEUE
        fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", name.encode(), flags))  # TUNSETIFF
        yield
