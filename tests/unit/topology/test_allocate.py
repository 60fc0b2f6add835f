# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Properties of choosing: the same in, the same out; nothing that is pinned moves; nothing is given out twice."""

from __future__ import annotations

import collections
import pathlib
import random
import shutil
import sys
import time

import pytest
import yaml
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import ids, lock, moves
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.allocate import resolve
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.errors import TopologyErrors

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import inventories

BASE = pathlib.Path(__file__).parents[1] / "golden/base"


@pytest.fixture
def plan(tmp_path):
    """Resolves one project, given as data."""
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "topology/projects").mkdir()
    provider = tmp_path / "topology/provider.yml"
    provider.write_text(provider.read_text(encoding="utf-8").replace("demo: {", "demo: {quota: {ports: -1}, "))

    def run(project, before=None):
        (tmp_path / "topology/projects/demo.yml").write_text(yaml.safe_dump(project, sort_keys=False))
        return resolve(inventories.read(tmp_path), before or lock.Lock())

    return run


def project(*instances, networks=("private",)):
    """Instances in the first of some networks, spread over the compute nodes."""
    return {
        "networks": {n: {"subnets": {n: f"10.{i}.0.0/16"}} for i, n in enumerate(networks)},
        "routers": {"router": {"external_network": "public", "subnets": list(networks)}},
        "instances": {
            name: {"node": f"compute{1 + index % 2}", "ports": [{"network": networks[index % len(networks)]}]}
            for index, name in instances
        },
    }


def values(topology):
    """Everything about each port that was chosen."""
    found = {}
    for port in topology.ports.values():
        network = topology.networks[port.network]
        vlan = topology.local_vlans[port.node][network.id]
        found[port.label] = (port.id, port.mac, port.fixed_ips, port.zone, network.segmentation_id, vlan)
    return found


def test_the_same_files_give_the_same_bytes(plan):
    wanted = project(*enumerate("abcdef"))
    (one, lock_one), (two, lock_two) = plan(wanted), plan(wanted)
    assert one == two
    assert lock.dump(lock_one) == lock.dump(lock_two)


def test_a_second_plan_changes_nothing(plan):
    wanted = project(*enumerate("abcdef"))
    first, pinned = plan(wanted)
    again, after = plan(wanted, pinned)
    assert again == first
    assert lock.dump(after) == lock.dump(pinned)


def test_adding_and_reordering_change_nothing_that_is_pinned(plan):
    first, pinned = plan(project(*enumerate("mnop")))
    more = project(*reversed([*enumerate("mnop"), *enumerate("abxyz")]))
    more["networks"] = {"another": {"subnets": {"another": "10.9.0.0/16"}}} | more["networks"]
    second = plan(more, pinned)[0]
    assert values(second).items() > values(first).items()


def test_what_comes_back_has_its_old_values(plan):
    first, pinned = plan(project(*enumerate("abcd")))
    without = plan(project((0, "a"), (3, "d")), pinned)[1]
    again = plan(project(*enumerate("abcd")), without)[0]
    assert values(again) == values(first)


def test_a_freed_value_is_given_out_only_after_confirmation(plan):
    first, pinned = plan(project((0, "a"), (2, "b")))
    freed = values(first)["demo/a:private"][2][0].address
    without = plan(project((2, "b")), pinned)[1]
    early = plan(project((2, "b"), (4, "c")), without)[0]
    assert values(early)["demo/c:private"][2][0].address != freed
    confirmed = lock.confirmed(without, {"compute1", "compute2", "network"})
    assert not confirmed.retiring
    late = plan(project((2, "b"), (4, "c")), confirmed)[0]
    assert values(late)["demo/c:private"][2][0].address == freed


def test_a_moved_instance_keeps_its_address_and_leaves_its_zone_behind(plan):
    first, pinned = plan(project((0, "a"), (2, "b")))
    moved, after = plan(project((1, "a"), (2, "b")), pinned)
    assert values(moved)["demo/a:private"][:3] == values(first)["demo/a:private"][:3]
    assert [(pin.kind, pin.nodes) for pin in after.retiring] == [("zone", ("compute1",))]


def test_an_address_leaves_its_old_place_before_it_answers_at_the_new_one(plan):
    pinned = plan(project((0, "a"), (2, "b")))[1]
    wanted = project((1, "a"), (2, "b"))
    moved, after = plan(wanted, pinned)
    assert moves.moves(moved) == [{"what": "demo/a:private", "from": ["compute1"], "to": "compute2"}]
    assert plan(wanted, after)[0] == moved  # a run that failed moves it as well
    moves.check(moved, ["compute1", "compute2"])
    with pytest.raises(TenantnetError, match="may still answer on compute1, which this run leaves out"):
        moves.check(moved, ["compute2"])
    assert not moves.moves(plan(wanted, lock.confirmed(after, ["compute1"]))[0])


def test_an_address_that_passes_to_another_port_leaves_the_first_one(plan):
    first, second = project((0, "a"), (1, "b")), project((1, "b"))
    first["instances"]["a"]["ports"][0]["fixed_ip"] = "10.0.0.99"
    second["instances"]["b"]["ports"][0]["fixed_ip"] = "10.0.0.99"
    passed = plan(second, plan(first)[1])[0]
    assert moves.moves(passed) == [{"what": "demo/b:private", "from": ["compute1"], "to": "compute2"}]


def where(topology):
    """The nodes of routers, and of DHCP servers by network."""
    servers = {network.label: network.dhcp_nodes for network in topology.networks.values() if network.dhcp_nodes}
    return {router.label: router.node for router in topology.routers.values()}, servers


def network_nodes(directory, *names):
    """Let the inventory have these network nodes."""
    hosts = yaml.safe_load((BASE / "hosts.yml").read_text(encoding="utf-8"))
    (like,) = hosts["network_nodes"]["hosts"].values()
    more = {name: {**like, "tenantnet_tunnel_ip": f"10.0.1.{40 + index}"} for index, name in enumerate(names)}
    hosts["network_nodes"]["hosts"] = more
    (directory / "hosts.yml").write_text(yaml.safe_dump(hosts))


def test_a_network_node_that_comes_takes_nothing_from_the_others(plan, tmp_path):
    wanted = project((0, "a"))
    network_nodes(tmp_path, "network")
    first, pinned = plan(wanted)
    network_nodes(tmp_path, "another", "network")
    again, after = plan(wanted, pinned)
    assert where(again) == where(first) == ({"demo/router": "network"}, {"demo/private": ("network",)})
    assert after == pinned
    more = wanted | {"networks": wanted["networks"] | {"second": {"subnets": {"second": "10.9.0.0/16"}}}}
    assert where(plan(more, after)[0])[1] == {"demo/private": ("network",), "demo/second": ("another",)}


def test_what_a_network_node_had_goes_with_it_to_another_one(plan, tmp_path):
    provider = tmp_path / "topology/provider.yml"
    provider.write_text(f"dhcp_agents_per_network: 2\n{provider.read_text(encoding='utf-8')}")
    wanted = project((0, "a"))
    network_nodes(tmp_path, "b", "c")
    first, pinned = plan(wanted)
    assert where(first) == ({"demo/router": "b"}, {"demo/private": ("b", "c")})
    network_nodes(tmp_path, "a", "c")
    moved, after = plan(wanted, pinned)
    assert where(moved) == ({"demo/router": "a"}, {"demo/private": ("a", "c")})
    assert {one["what"] for one in moves.moves(moved)} >= {"demo/router:private", "demo/private:dhcp"}
    network_nodes(tmp_path, "a", "b", "c")
    assert where(plan(wanted, after)[0]) == where(moved)


def test_a_router_that_no_longer_names_its_node_stays(plan, tmp_path):
    network_nodes(tmp_path, "b", "c")
    wanted = project((0, "a"))
    wanted["routers"]["router"]["node"] = "c"
    pinned = plan(wanted)[1]
    del wanted["routers"]["router"]["node"]
    assert where(plan(wanted, pinned)[0])[0] == {"demo/router": "c"}


@pytest.mark.parametrize(
    ("type_", "told"),
    [("vlan\n    segmentation_id: 7", "VLAN 7"), ("flat", "the untagged traffic")],
    ids=["vlan", "flat"],
)
def test_an_external_network_takes_no_wire_that_another_one_may_have_somewhere(plan, tmp_path, type_, told):
    """Written down or not: a number of the wire goes from one to another when all nodes have said that it is free."""
    provider, wanted = tmp_path / "topology/provider.yml", project((0, "a"))
    public = provider.read_text(encoding="utf-8").replace("network_type: flat", f"network_type: {type_}")
    provider.write_text(public)
    pinned = plan(wanted)[1]
    wanted["routers"]["router"]["external_network"] = "renamed"
    provider.write_text(public.replace("  public:\n    network_type", "  renamed:\n    network_type"))
    with pytest.raises(TopologyErrors, match=f"{told} of 'external' was of public before, for which network may"):
        plan(wanted, pinned)
    del wanted["routers"]["router"]
    provider.write_text(public)
    without = plan(wanted, pinned)[1]
    provider.write_text(public.replace("  public:\n    network_type", "  renamed:\n    network_type"))
    with pytest.raises(TopologyErrors, match="network may still carry it"):
        plan(wanted, without)
    plan(wanted, lock.confirmed(without, ["network", "compute1"]))


def test_no_value_is_given_out_twice_whatever_happens(plan):
    rng = random.Random(1)
    pinned, alive = lock.Lock(), set()
    for _round in range(40):
        alive ^= {rng.choice("abcdefghij") for _draw in range(3)}
        wanted = project(*((ord(name), name) for name in sorted(alive)), networks=("one", "two", "three"))
        topology, after = plan(wanted, pinned)
        _check_unique(topology)
        used = [(pin.kind, pin.scope, pin.value) for pin in (*after.pins, *after.retiring)]
        assert len(used) == len(set(used))
        was = {pin.place: pin.id for pin in (*pinned.pins, *pinned.retiring)}
        assert all(was.get(pin.place, pin.id) == pin.id for pin in after.pins)
        pinned = lock.confirmed(after, {"network"} if rng.random() < 0.5 else {"compute1", "compute2"})


def _check_unique(topology):
    addresses = collections.Counter((p.network, ip.address) for p in topology.ports.values() for ip in p.fixed_ips)
    macs = collections.Counter((p.network, p.mac) for p in topology.ports.values())
    zones = collections.Counter((p.node, p.zone) for p in topology.ports.values() if p.zone)
    assert all(count == 1 for counter in (addresses, macs, zones) for count in counter.values())
    for node, vlans in topology.local_vlans.items():
        assert sorted(vlans) == sorted({p.network for p in topology.ports.values() if p.node == node})
        assert len(set(vlans.values())) == len(vlans)


def test_macs_that_collide(plan, monkeypatch):
    derive = ids.mac
    monkeypatch.setattr(ids, "mac", lambda port, attempt=0: derive(port, attempt) if attempt else "fa:16:3e:00:00:01")
    first, pinned = plan(project((0, "m")))
    _check_unique(first)
    second, after = plan(project((2, "a"), (0, "m")), pinned)
    _check_unique(second)
    assert values(second)["demo/m:private"] == values(first)["demo/m:private"]
    assert plan(project((2, "a"), (0, "m")), after)[0] == second


def test_two_thousand_ports_in_seconds(plan):
    wanted = project(*((i, f"i{i}") for i in range(2000)), networks=[f"n{i}" for i in range(20)])
    began = time.process_time()
    topology, pinned = plan(wanted)
    assert len(topology.ports) == 2000 + 20 + 20 + 1
    assert plan(wanted, pinned)[0] == topology
    assert time.process_time() - began < 5  # seconds of the processor; two plans with their files take about one
