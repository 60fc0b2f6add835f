# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a change costs others where Open vSwitch has its datapath in the kernel: no echo request, no stream.

Run by scripts/test-vms, beside the machines of the Vagrantfile, with the example deployed.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import time

from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import ids, names

from ..integration.traffic import INTERVAL, Pings, Stream, answered

ROOT = pathlib.Path(__file__).parents[2]
ON = [sys.executable, "tests/vms/on.py"]
OUTSIDE = [*ON, "outside"]
GUEST = [*ON, "compute1", "ip", "netns", "exec"]
GUEST.append(names.guest_namespace(ids.of("vagrant", "demo", "instance", "instance1")))
FLOATING_IP = "203.0.113.102"  # of that guest
NEW = "203.0.113.112"  # of more.yml
STALL = 1.0  # seconds


class Ping:
    """Echo requests from the outside until they are stopped. What they hear is written there, which costs least."""

    def __init__(self, address: str) -> None:
        command = f"exec ping -D -n -i {INTERVAL} {address} >/tmp/ping"
        self._process = subprocess.Popen(
            [*OUTSIDE, "sh", "-c", command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> Pings:
        """End them, and tell."""
        outside("pkill", "-INT", "-x", "ping")
        self._process.wait(60)
        return answered(outside("cat", "/tmp/ping"))


def outside(*command: str) -> str:
    """What a command says there. Nothing of ssh(1) is on this terminal: it makes that one that does not block."""
    return subprocess.run([*OUTSIDE, *command], check=True, capture_output=True, text=True).stdout


def site(topology: pathlib.Path) -> None:
    """Deploy a topology on nodes that have all that is installed."""
    command = ["ansible-playbook", "-i", "inventories/vagrant/hosts.yml", "playbooks/site.yml", "--skip-tags=prepare"]
    command += ["-e", f"tenantnet_topology={topology}"]
    subprocess.run(command, check=True)


def test_a_project_comes_and_changes_and_goes_and_the_others_lose_nothing(tmp_path: pathlib.Path) -> None:
    example = ROOT / "inventories/lab/topology"
    topology = shutil.copytree(example, tmp_path / "topology")
    more = pathlib.Path(shutil.copy(ROOT / "tests/vms/more.yml", topology / "projects"))
    provider = topology / "provider.yml"
    allowed = "  more: {network_types: [vxlan, vlan]}\n"
    provider.write_text(provider.read_text().replace("projects:\n", f"projects:\n{allowed}"))

    ping, stream = Ping(FLOATING_IP), Stream(OUTSIDE, GUEST, "198.51.100.10", interval=0.1)
    site(topology)
    outside("arping", "-c", "1", "-w", "60", "-I", "eth1", NEW)
    more.write_text(more.read_text().replace("network_type: vxlan", "network_type: vlan"))
    site(topology)
    outside("arping", "-c", "1", "-w", "60", "-I", "eth1", NEW)
    site(example)
    time.sleep(10)  # so that the requests that are counted are answered, too
    stall, pings = stream.stop(), ping.stop()
    print(f"{pings}, longest stall of the stream {stall:.3f} s")
    assert pings.lost == 0
    assert pings.answers > 10_000
    assert stall < STALL
