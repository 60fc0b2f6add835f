# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Which pass of an apply makes a change."""

from __future__ import annotations

from ansible_collections.tenantnet.ovs.plugins.module_utils.engine import Resources, difference
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import KINDS, Daemon, File, Link, Resource

FLOATING = "203.0.113.9/32"


def of(*resources: Resource) -> Resources:
    return {kind: {r.key: r for r in resources if isinstance(r, kind)} for kind in KINDS.values()}


def gateway(number: int, *addresses: str) -> Link:
    name = f"qg-{number}"
    peer = ("", name)
    return Link(slice="routing", namespace=f"qrouter-{number}", name=name, kind="veth", peer=peer, addresses=addresses)


def test_a_link_that_goes_leaves_an_address_before_another_has_it() -> None:
    old, new = of(gateway(1, FLOATING), gateway(2)), of(gateway(2, FLOATING))
    built = difference(old, new, "build")
    assert {(change.key[1], change.after is None) for change in built} == {("qg-1", True), ("qg-2", False)}
    assert not difference(old, new, "prune")


def test_a_link_whose_addresses_nobody_gets_goes_last() -> None:
    old, new = of(gateway(1, FLOATING), gateway(2, FLOATING)), of(gateway(2, FLOATING))
    assert not difference(old, new, "build")
    assert [change.after for change in difference(old, new, "prune")] == [None]


def test_a_daemon_whose_file_was_changed_reads_it_again_or_starts_anew() -> None:
    told = Daemon(
        slice="dhcp", name="dnsmasq", namespace="", command=("dnsmasq",), reload="digest", leases="/var/lib/dhcp/net"
    )
    command = ("haproxy", "-f", "/var/lib/metadata/r.conf")
    started = Daemon(slice="metadata", name="haproxy", namespace="", command=command)
    goal = of(
        told,
        started,
        File(slice="dhcp", path="net/host", content="right"),
        File(slice="dhcp", path="net/leases", content="", initial=True),
        File(slice="metadata", path="r.conf", content="right"),
    )
    assert not difference(goal, goal, "build")
    for path, daemon, field in (("net/host", told, "reload"), ("r.conf", started, "restart")):
        slice_ = daemon.slice
        live = {**goal, File: {**goal[File], (slice_, path): File(slice=slice_, path=path, content="wrong")}}
        (change,) = [c for c in difference(live, goal, "build") if c.kind is Daemon]
        assert change.after == daemon
        assert getattr(change.before, field) != getattr(daemon, field)
    none = {**goal, File: {**goal[File], ("dhcp", "net/other"): File(slice="dhcp", path="net/other", content="")}}
    assert [c.kind for c in difference(none, goal, "build", "prune")] == [File]
