# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A scratch node with a fresh Open vSwitch."""

from __future__ import annotations

import collections.abc
import os
import pathlib
import shutil
import signal
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import engine, kernel
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers import Context, Driver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.bridges import BridgeDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.flows import FlowDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.ports import PortDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab import ovs
from ansible_collections.tenantnet.ovs.plugins.module_utils.netns import Netns
from ansible_collections.tenantnet.ovs.plugins.module_utils.ovsdb import Ovsdb
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import NodeState, Resource
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

DEPLOYMENT = "test"
RUNDIR = pathlib.Path("/run/openvswitch")


@pytest.fixture
def openvswitch(scratch: None) -> typing.Iterator[None]:
    """Open vSwitch at its usual paths, with an empty database, and an empty disk for what a node remembers."""
    if not shutil.which("ovs-vswitchd"):
        pytest.skip("needs Open vSwitch")
    kernel.mount("tmpfs", "/var/lib", "tmpfs")
    RUNDIR.mkdir()
    run(["ovsdb-tool", "create", "/var/lib/conf.db", ovs.SCHEMA])
    try:
        start("ovsdb-server", "/var/lib/conf.db", f"--remote=punix:{RUNDIR}/db.sock")
        run(["ovs-vsctl", "--no-wait", "init"])
        start("ovs-vswitchd", f"unix:{RUNDIR}/db.sock")
        yield
    finally:
        for name in ("ovs-vswitchd", "ovsdb-server"):
            stop(name)


def start(name: str, *arguments: str) -> None:
    """Start a daemon of Open vSwitch and wait until it is ready."""
    log = f"--log-file={RUNDIR}/{name}.log"
    run([name, *arguments, "--detach", f"--pidfile={RUNDIR}/{name}.pid", log, "--verbose=console:off"])


def stop(name: str) -> None:
    """End a daemon, if it runs, and wait until it has ended."""
    pidfile = RUNDIR / f"{name}.pid"
    if pidfile.exists():
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
        until(lambda: not pidfile.exists(), f"the end of {name}")


@pytest.fixture
def context(openvswitch: None) -> typing.Iterator[Context]:
    """What a driver is made of."""
    context = Context(DEPLOYMENT, Ovsdb(), Netns())
    yield context
    context.close()


def drivers(context: Context) -> list[Driver]:
    """The drivers of Open vSwitch and no others."""
    return [BridgeDriver(context), PortDriver(context), FlowDriver(context)]


@pytest.fixture
def switch(openvswitch: None) -> collections.abc.Callable[..., engine.Result]:
    """The engine with these drivers: takes the desired resources and the engine's options."""

    def apply(*resources: Resource, deployment: str = DEPLOYMENT, **options: typing.Any) -> engine.Result:
        state = NodeState(deployment=deployment, node="scratch", resources=resources)
        return engine.apply(state, **{"drivers": drivers, **options})

    return apply
