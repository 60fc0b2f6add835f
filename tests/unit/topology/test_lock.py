# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The lock file on disk."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import Refused
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import lock
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.forget import forgotten

PINS = (
    lock.Pin(kind="vxlan", scope="", value=1, id="b", name="demo/private"),
    lock.Pin(kind="address", scope="b", value="192.168.1.10", id="c", name='quoted " name'),
    lock.Pin(kind="address", scope="b", value="192.168.1.9", id="d", name='quoted " name'),
    lock.Pin(kind="mac", scope="b", value="02:00:00:00:00:01", id="c", name="demo/one:private"),
)
GONE = lock.Pin(kind="zone", scope="compute1", value=4097, id="e", name="demo/gone", nodes=("compute1", "compute2"))
LOCK = lock.Lock(pins=PINS, retiring=(GONE,))


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "topology.lock.yml"
    assert lock.load(path) == lock.Lock()
    assert lock.write(path, LOCK)
    again = lock.load(path)
    assert set(again.pins) == set(PINS)
    assert again.retiring == (GONE,)
    assert lock.dump(again) == lock.dump(LOCK) == path.read_text(encoding="utf-8")


def test_addresses_are_sorted_as_numbers():
    text = lock.dump(LOCK)
    assert text.index('"192.168.1.9"') < text.index('"192.168.1.10"')


def test_the_same_lock_is_not_written_again(tmp_path):
    path = tmp_path / "topology.lock.yml"
    lock.write(path, LOCK)
    before = path.stat().st_ino
    assert not lock.write(path, LOCK)
    assert path.stat().st_ino == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "topology.lock.yml"
    link.symlink_to("elsewhere/real.yml")
    lock.write(link, LOCK)
    assert link.is_symlink()
    assert set(lock.load(link).pins) == set(PINS)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_run_as_root_leaves_the_file_to_its_owner(tmp_path):
    path = tmp_path / "topology.lock.yml"
    os.chown(tmp_path, 65534, 65534)
    lock.write(path, lock.Lock())
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (65534, 0o644)
    path.chmod(0o640)
    os.chown(path, 65533, 65533)
    lock.write(path, LOCK)
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (65533, 0o640)


def test_a_value_is_free_when_every_node_has_confirmed():
    half = lock.confirmed(LOCK, {"compute1"})
    assert [pin.nodes for pin in half.retiring] == [("compute2",)]
    assert lock.confirmed(half, {"compute2", "compute3"}) == lock.Lock(pins=PINS)


def test_a_node_that_is_gone_for_good_carries_nothing():
    left = forgotten(LOCK, "compute2", ["compute1"])
    assert [pin.nodes for pin in left.retiring] == [("compute1",)]
    leaving = lock.Lock(pins=(dataclasses.replace(PINS[1], node="compute1", leaving=("compute2",)),))
    assert not forgotten(leaving, "compute2", ["compute1"]).pins[0].leaving
    with pytest.raises(Refused, match="compute1 is in the inventory: take it out first"):
        forgotten(LOCK, "compute1", ["compute1"])
    with pytest.raises(Refused, match="waits for a node 'compute9'; nodes that one waits for: compute2"):
        forgotten(LOCK, "compute9", ["compute1"])


def _add(path, number):
    with lock.held(path):
        before = lock.load(path)
        pin = lock.Pin(kind="vxlan", scope="", value=number, id=str(number), name=f"demo/{number}")
        lock.write(path, lock.Lock(pins=(*before.pins, pin)))


def test_two_runs_do_not_lose_what_the_other_wrote(tmp_path):
    path = tmp_path / "topology.lock.yml"
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.starmap(_add, [(path, number) for number in range(1, 21)])
    assert sorted(pin.value for pin in lock.load(path).pins) == list(range(1, 21))
