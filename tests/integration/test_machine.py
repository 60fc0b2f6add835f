# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A real virtual machine: everything on its node is ready before it starts, and it gets all that a guest gets."""

from __future__ import annotations

import pathlib
import re
import typing
from xml.etree import ElementTree

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from . import tiny_guest
from .deployment import ROOT, Deployment
from .names import lab_name

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEk1c9h7pPzm2Nwq0rG6x0mG8mJ1v1bJqHkq5o3j2n1S bob@example"
MORE = f"""\
    key_pairs: [{KEY}]
    user_data: |
      #!/bin/sh
      echo I am "$(cat /tmp/id)"
"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Deployment]:
    """The seed topology, with a compute node whose instances are not namespaces."""
    deployment = Deployment(ROOT / "inventories/lab", tmp_path_factory.mktemp("machine"), lab_name("machine"))
    deployment.edit("hosts.yml", "    compute1:\n", "    compute1:\n      tenantnet_guests: false\n")
    web = "security_groups: [default, web]}\n"
    deployment.edit("topology/projects/demo.yml", web, web + MORE)
    try:
        deployment.succeed("lab")
        yield deployment
    finally:
        deployment.succeed("destroy")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Directory of the machine's kernel and initial disk."""
    directory = tmp_path_factory.mktemp("image")
    tiny_guest.build(directory)
    return directory


@pytest.mark.parametrize("firewall", ["iptables_hybrid", "openvswitch"])
def test_a_real_machine_gets_all_that_it_was_promised(deployed: Deployment, image: pathlib.Path, firewall: str) -> None:
    guests = "      tenantnet_guests: false\n"
    hosts = re.sub(r" +tenantnet_firewall: .*\n", "", deployed.hosts.read_text())
    deployed.hosts.write_text(hosts.replace(guests, f"{guests}      tenantnet_firewall: {firewall}\n"))
    deployed.succeed("site")
    told = deployed.succeed("machines").text
    domain = ElementTree.fromstring(re.search(r"<domain>.*?</domain>", told, re.DOTALL)[0])
    entries = {entry.get("name"): entry.text for entry in domain.iter("entry")}
    tap, mac, mtu = (domain.find(f"devices/interface/{tag}") for tag in ("target", "mac", "mtu"))
    assert entries["product"] == "OpenStack Nova"
    assert tap.get("managed") == "no"
    assert mtu.get("size") == "1450"
    machine = (tap.get("dev"), mac.get("address"), entries["uuid"])
    with tiny_guest.running(deployed.machine("compute1"), image, *machine) as said:
        until(lambda: "@@ READY" in said(), "the machine to be ready", tiny_guest.SECONDS)
        lines = dict(re.findall(r"@@ (\S+) ?(.*?)\r?\n", said()))
        page = deployed.node("outside", "curl", "--silent", "--max-time", "10", "http://203.0.113.102/").stdout
        closed = deployed.node("outside", "curl", "--silent", "--max-time", "1", "http://203.0.113.102:23/")
        pinged = deployed.node("outside", "ping", "-c", "3", "-W", "3", "203.0.113.102")
    assert lines["ID"].startswith("i-")
    assert lines == {
        "PRODUCT": "OpenStack Nova",
        "LEASE": "192.168.1.11/24 mtu 1450",
        "ID": lines["ID"],
        "KEY": KEY,
        "USER-DATA": f"I am {lines['ID']}",
        "ROUTER": "answers",
        "OUTSIDE": "answers",
        "SEEN": "as 203.0.113.102",
        "READY": "",
    }
    assert page == lines["ID"], "TCP from outside, through the floating IP"
    assert closed.returncode == 28, "its own firewall is none: what no rule opens is silent, and not refused"
    assert pinged.returncode == 0
    assert not deployed.succeed("site").changed, "the machine has changed nothing of what is ours"
