# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a change costs others where Open vSwitch has its datapath in the kernel: no echo request, no stream.

Run by scripts/test-vms, beside the machines of the Vagrantfile, with the example deployed.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import time

from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import ids, names

from ..integration.traffic import Ping, Stream

ROOT = pathlib.Path(__file__).parents[2]
OUTSIDE = ["tests/vms/on", "outside"]
GUEST = ["tests/vms/on", "compute1", "ip", "netns", "exec"]
GUEST.append(names.guest_namespace(ids.of("vagrant", "demo", "instance", "instance1")))
STALL = 1.0  # seconds


def site(topology: pathlib.Path) -> None:
    """Deploy a topology, and wait a moment: what is under way at the end does not count."""
    command = ["ansible-playbook", "-i", "inventories/vagrant/hosts.yml", "playbooks/site.yml"]
    command += ["-e", f"tenantnet_topology={topology}", "-e", f"tenantnet_wheels={ROOT / 'build/wheels'}"]
    subprocess.run(command, check=True)
    time.sleep(10)


def test_a_project_comes_and_goes_and_the_others_lose_nothing(tmp_path: pathlib.Path) -> None:
    example = ROOT / "inventories/lab/topology"
    topology = shutil.copytree(example, tmp_path / "topology")
    shutil.copy(ROOT / "tests/vms/more.yml", topology / "projects")
    provider = topology / "provider.yml"
    provider.write_text(provider.read_text().replace("projects:\n", "projects:\n  more: {network_types: [vxlan]}\n"))

    inwards, outwards = Ping(OUTSIDE, "203.0.113.102"), Ping(GUEST, "198.51.100.10")
    stream = Stream(OUTSIDE, GUEST, "198.51.100.10")
    site(topology)
    subprocess.run([*OUTSIDE, "arping", "-c", "1", "-w", "60", "-I", "eth1", "203.0.113.112"], check=True)
    site(example)
    stall, pings = stream.stop(), (inwards.stop(), outwards.stop())
    print(f"{pings}, longest stall of the stream {stall:.3f} s")
    assert [ping.lost for ping in pings] == [0, 0]
    assert min(ping.answers for ping in pings) > 1000
    assert stall < STALL
