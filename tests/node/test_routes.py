# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Static routes against the kernel."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.links import LinkDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.namespaces import NamespaceDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.routes import RouteDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Link, Namespace, Route

from .conftest import changed

ROUTER = Namespace(slice="routing", name="qrouter-1")
QG = Link(slice="routing", namespace=ROUTER.name, name="qg", kind="bridge", addresses=("203.0.113.5/24",))
QR = Link(slice="routing", namespace=ROUTER.name, name="qr", kind="bridge", addresses=("10.0.0.1/24",))


def route(destination: str, device: str, via: str | None = None) -> Route:
    return Route(slice="routing", namespace=ROUTER.name, destination=destination, device=device, via=via)


DEFAULT = route("0.0.0.0/0", "qg", "198.51.100.1")  # a gateway outside of the subnet
GATEWAY = route("198.51.100.1/32", "qg")
SUBNET = route("192.0.2.0/24", "qg")
EXTRA = route("172.16.0.0/16", "qr", "10.0.0.9")
ALL = (ROUTER, QG, QR, DEFAULT, GATEWAY, SUBNET, EXTRA)


@pytest.fixture
def whole(make_node):
    node = make_node(NamespaceDriver, LinkDriver, RouteDriver)
    node.converge(*ALL)
    return node


def ip(*arguments: str) -> str:
    return run(["ip", *arguments], namespace=ROUTER.name)


def test_round_trip_and_removal(whole):
    assert "default via 198.51.100.1 dev qg proto static" in ip("route")
    assert "192.0.2.0/24 dev qg proto static scope link" in ip("route")
    whole.converge(ROUTER, QG, QR, SUBNET)
    whole.converge(ROUTER, QG)
    whole.converge()


@pytest.mark.parametrize(
    ("wanted", "by_hand", "fields"),
    [
        (EXTRA, "route replace 172.16.0.0/16 via 10.0.0.8 dev qr proto static", {"via"}),
        (EXTRA, "route replace 172.16.0.0/16 via 203.0.113.8 dev qg proto static", {"via", "device"}),
        (EXTRA, "route replace 172.16.0.0/16 dev qr proto static", {"via"}),
        (SUBNET, "route replace 192.0.2.0/24 dev qr proto static", {"device"}),
    ],
)
def test_what_is_changed_by_hand_is_shown_and_repaired(whole, wanted, by_hand, fields):
    ip(*by_hand.split())
    assert changed(whole.diff(*ALL)) == [(wanted.key, fields)]
    whole.converge(*ALL)


def test_several_next_hops_become_one(whole):
    hops = ["nexthop", "via", "10.0.0.7", "nexthop", "via", "10.0.0.8"]
    ip("route", "replace", "172.16.0.0/16", "proto", "static", *hops)
    whole.converge(*ALL)


@pytest.mark.parametrize(
    "by_hand", ["route delete default", "route replace default via 203.0.113.1", "link set qg down"]
)
def test_what_is_lost_comes_back(whole, by_hand):
    ip(*by_hand.split())
    assert whole.diff(*ALL) != []
    whole.converge(*ALL)


def test_a_static_route_too_many_goes(whole):
    ip("route", "add", "172.31.0.0/16", "via", "10.0.0.9", "proto", "static")
    whole.converge(*ALL)
    assert "172.31" not in ip("route")


def test_routes_of_a_dhcp_client_and_of_the_kernel_are_theirs(whole):
    ip("route", "add", "172.31.0.0/16", "via", "10.0.0.9", "proto", "boot")
    assert whole.diff(*ALL) == []
    whole.converge(ROUTER, QG, QR)
    assert "172.31" in ip("route")


def test_routes_of_a_namespace_that_is_not_ours_are_not_seen(whole):
    run(["ip", "netns", "add", "theirs"])
    run(["ip", "link", "set", "lo", "up"], namespace="theirs")
    run(["ip", "route", "add", "10.0.0.0/8", "dev", "lo", "proto", "static"], namespace="theirs")
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "route", "add", "10.0.0.0/8", "dev", "lo", "proto", "static"])
    assert whole.diff(*ALL) == []


def test_what_cannot_be_done_names_the_route(whole):
    with pytest.raises(TenantnetError, match=r"route 10\.9\.0\.0/16 in namespace qrouter-1: there is no device qx"):
        whole.apply(*ALL, route("10.9.0.0/16", "qx"))
    with pytest.raises(
        TenantnetError, match=r"route 172\.16\.0\.0/16 in namespace qrouter-1: Nexthop has invalid gateway"
    ):
        whole.apply(*ALL[:-1], dataclasses.replace(EXTRA, via="1.2.3.4"))
