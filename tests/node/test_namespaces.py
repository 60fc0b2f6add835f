# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Namespaces, sysctls and modules against the kernel."""

from __future__ import annotations

import dataclasses
import pathlib
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.namespaces import (
    ModuleDriver,
    NamespaceDriver,
    SysctlDriver,
)
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Module, Namespace, Sysctl
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

ROUTER = Namespace(
    slice="routing",
    name="qrouter-1",
    sysctls={"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.arp_announce": "2", "net.ipv6.conf.all.forwarding": "1"},
)
SERVER = Namespace(slice="dhcp", name="qdhcp-1")


@pytest.fixture
def node(make_node):
    return make_node(NamespaceDriver)


def test_round_trip_and_removal(node):
    node.converge(ROUTER, SERVER)
    assert "state UNKNOWN" in run(["ip", "link", "show", "lo"], namespace=ROUTER.name)
    node.converge(SERVER)
    node.converge()
    assert run(["ip", "netns", "list"]) == ""
    node.converge(ROUTER)


def test_a_setting_changed_by_hand_is_shown_and_repaired(node):
    node.converge(ROUTER, SERVER)
    run(["sysctl", "-qw", "net.ipv4.ip_forward=0"], namespace=ROUTER.name)
    (change,) = node.diff(ROUTER, SERVER)
    assert change.before == dataclasses.replace(ROUTER, sysctls={**ROUTER.sysctls, "net.ipv4.ip_forward": "0"})
    node.converge(ROUTER, SERVER)


def test_a_namespace_deleted_by_hand_comes_back(node):
    node.converge(ROUTER, SERVER)
    run(["ip", "netns", "delete", ROUTER.name])
    node.netns.forget(ROUTER.name)
    assert [(change.before, change.after) for change in node.diff(ROUTER, SERVER)] == [(None, ROUTER)]
    node.converge(ROUTER, SERVER)


def test_a_namespace_that_goes_to_another_slice_stays(node):
    node.converge(SERVER)
    run(["ip", "link", "add", "guard", "type", "bridge"], namespace=SERVER.name)
    node.converge(dataclasses.replace(SERVER, slice="guests"))
    assert "guard" in run(["ip", "link"], namespace=SERVER.name)


def test_namespaces_of_others_are_neither_seen_nor_taken(node):
    run(["ip", "netns", "add", "qrouter-1"])
    run(["ip", "netns", "add", "theirs"])
    run(["ip", "link", "set", "lo", "alias", "tenantnet other/routing"], namespace="theirs")
    assert node.read() == []
    mine, theirs = node.foreign(ROUTER, dataclasses.replace(ROUTER, name="theirs"), SERVER)
    assert mine == "network namespace qrouter-1 exists and was not made by this deployment: its lo has the alias ''"
    assert "'tenantnet other/routing'" in theirs


def test_a_name_left_behind_is_no_namespace(node):
    pathlib.Path("/run/netns").mkdir()
    pathlib.Path("/run/netns/qrouter-1").touch()
    assert not node.netns.exists("qrouter-1")
    assert node.foreign(ROUTER) == []
    node.converge(ROUTER)


def test_a_namespace_has_no_name_before_it_has_its_mark(node):
    def interrupted(session: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        node.netns.create("half", interrupted)
    assert node.netns.names() == []


def test_a_deleted_namespace_is_destroyed_although_we_had_sessions_in_it(node):
    node.converge(ROUTER)
    run(["ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", ROUTER.name])
    node.netns.ipr(ROUTER.name).get_links()
    node.converge()
    until(lambda: "here" not in run(["ip", "link"]), "the kernel to destroy the namespace", 2)


def test_namespaces_are_seen_in_mount_namespaces_of_others(node):
    node.converge(SERVER)
    mounts = pathlib.Path("/proc/thread-self/mountinfo").read_text(encoding="utf-8").splitlines()
    assert any("/run/netns " in line and "shared:" in line for line in mounts)


def test_a_missing_namespace_is_told(node):
    with pytest.raises(TenantnetError, match="network namespace qrouter-9 does not exist"):
        node.netns.ipr("qrouter-9")


@pytest.fixture
def vlan_device(scratch: None) -> str:
    run(["ip", "link", "add", "eth0.7", "type", "bridge"])
    return "eth0.7"


@pytest.mark.parametrize(
    "name", ["net/ipv4/conf/eth0.7/arp_ignore", "net.ipv4.conf.eth0/7.arp_ignore", "net.ipv4.ip_forward"]
)
def test_settings_of_the_node(make_node: typing.Any, vlan_device: str, name: str) -> None:
    node = make_node(SysctlDriver)
    node.converge(Sysctl(slice="switching", name=name, value="1"))
    node.apply()  # nothing is taken back
    (left,) = node.read(Sysctl(slice="switching", name=name, value="0"))
    assert left == Sysctl(slice="switching", name=name, value="1")


def test_a_setting_that_does_not_exist_is_told(make_node):
    setting = Sysctl(slice="switching", name="net/ipv4/conf/gone/arp_ignore", value="8")
    node = make_node(SysctlDriver)
    assert [change.verb for change in node.diff(setting)] == ["add"]
    with pytest.raises(TenantnetError, match="sysctl net/ipv4/conf/gone/arp_ignore cannot be set to 8: No such file"):
        node.apply(setting)


def test_a_device_without_ipv6_has_it_disabled(make_node):
    run(["ip", "link", "add", "small", "mtu", "1000", "type", "bridge"])
    assert not pathlib.Path("/proc/sys/net/ipv6/conf/small").exists()
    assert (
        make_node(SysctlDriver).diff(Sysctl(slice="switching", name="net/ipv6/conf/small/disable_ipv6", value="1"))
        == []
    )


def test_a_module_is_loaded_only_when_its_feature_is_missing(make_node):
    node = make_node(ModuleDriver)
    there = Module(slice="instances", name="built_in", probe="/proc/sys/net", sysctls={"net.ipv4.ip_forward": "1"})
    missing = dataclasses.replace(there, name="no_such_module", probe="/proc/sys/net/no_such_feature")
    node.converge(there)
    with pytest.raises(TenantnetError, match="modprobe"):
        node.apply(missing)
    assert pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="ascii") == "0\n"
