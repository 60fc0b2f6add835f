# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The one place that starts a program: always an argument list and standard input, never a shell."""

from __future__ import annotations

import subprocess
import typing

from .errors import MissingProgram, TenantnetError

#: Debian package of each program that a node needs, for the message when it is missing.
PACKAGES = {
    "arping": "iputils-arping",
    "conntrack": "conntrack",
    "dnsmasq": "dnsmasq-base",
    "haproxy": "haproxy",
    "ip6tables-restore": "iptables",
    "ip6tables-save": "iptables",
    "ipset": "ipset",
    "iptables-restore": "iptables",
    "iptables-save": "iptables",
    "journalctl": "systemd",
    "modprobe": "kmod",
    "nft": "nftables",
    "nsenter": "util-linux",
    "ovs-ofctl": "openvswitch-switch",
    "ovs-appctl": "openvswitch-switch",
    "s6-svc": "s6",
    "s6-svscanctl": "s6",
    "systemctl": "systemd",
}


def run(argv: typing.Sequence[str], stdin: str = "", namespace: str = "") -> str:
    """Run a program in a network namespace ("" is the present one) and return its standard output.

    Raises MissingProgram when it is not installed and TenantnetError, with what it said, when it fails.
    """
    command = ["nsenter", f"--net=/run/netns/{namespace}", "--", *argv] if namespace else list(argv)
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MissingProgram(command[0], PACKAGES.get(command[0], command[0])) from None
    if done.returncode == 127 and namespace:
        raise MissingProgram(argv[0], PACKAGES.get(argv[0], argv[0]))
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        where = f" in namespace {namespace}" if namespace else ""
        raise TenantnetError(f"{argv[0]} failed{where}: {said}")
    return done.stdout
