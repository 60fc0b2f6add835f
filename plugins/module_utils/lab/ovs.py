# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch of a machine, at its usual paths, and the underlay bridge of its tunnel address."""

from __future__ import annotations

import pathlib
import shutil
import typing

from ..errors import MissingProgram
from ..run import run
from . import init, spec

if typing.TYPE_CHECKING:
    from .machine import Machine

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_DEADLINE = 30  # seconds, for ovs-vswitchd to carry out a change
_LOG = "/var/log/openvswitch"
_SERVICES = {
    "ovsdb-server": (
        "ovsdb-server",
        "/etc/openvswitch/conf.db",
        "--remote=punix:/run/openvswitch/db.sock",
        "--pidfile",
        f"--log-file={_LOG}/ovsdb-server.log",
        "--verbose=console:off",
    ),
    "ovs-vswitchd": (
        "ovs-vswitchd",
        "unix:/run/openvswitch/db.sock",
        "--pidfile",
        f"--log-file={_LOG}/ovs-vswitchd.log",
        "--verbose=console:off",
    ),
}


def services(machine: Machine) -> init.Services:
    """Commands of Open vSwitch's two daemons; its database is made on the machine's disk when it has none yet."""
    if not (shutil.which("ovs-vswitchd", path=init.PATH) and pathlib.Path(SCHEMA).exists()):
        raise MissingProgram("ovs-vswitchd", "openvswitch-switch")
    database = machine.disk / "etc-openvswitch/conf.db"
    if not database.exists():
        database.parent.mkdir(parents=True, exist_ok=True)
        new = database.with_suffix(".new")
        new.unlink(missing_ok=True)  # of a run that was killed
        run(["ovsdb-tool", "create", str(new), SCHEMA])
        new.rename(database)
    (machine.disk / "var-log/openvswitch").mkdir(parents=True, exist_ok=True)
    return _SERVICES


def wait(machine: Machine) -> None:
    """Wait until ovs-vswitchd has carried out a change, which needs both daemons; raises TenantnetError."""
    change = ["set", "Open_vSwitch", ".", f"external_ids:tenantnet-lab-boot={machine.boot}"]
    machine.run(["ovs-vsctl", "--retry", f"--timeout={_DEADLINE}", *change])


def add_underlay(machine: Machine, nic: spec.Nic) -> None:
    """Put a NIC into the underlay bridge, which has the NIC's MAC; no address yet. Raises TenantnetError."""
    name, mac = spec.UNDERLAY, spec.mac(machine.lab, machine.name, nic.name)
    bridge = ["set", "Bridge", name, "datapath_type=netdev", "fail_mode=standalone", f"other_config:hwaddr={mac}"]
    device = ["set", "Interface", name, f"mtu_request={nic.mtu}"]
    port = ["set", "Port", name, f"tag={nic.vlan or '[]'}"]
    ovs_vsctl = ["ovs-vsctl", f"--timeout={_DEADLINE}"]
    machine.run([*ovs_vsctl, "--if-exists", "del-port", nic.name])  # it may be a new device of the same name
    add = ["--may-exist", "add-br", name, "--", *bridge, "--", *device, "--", *port, "--", "add-port", name, nic.name]
    machine.run([*ovs_vsctl, *add])
