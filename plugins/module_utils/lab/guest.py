# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A guest: an instance that is made of namespaces, with everything of its NICs from a real DHCP client.

    tenantnet-guest --id UUID --hostname NAME --overlay DIR [--no-tx-checksum] [--address NIC=ADDRESS...] NIC...

It runs in the instance's network namespace, waits until all NICs have a carrier, adds mount, host name and process
namespaces, and stays in the foreground for as long as the guest lives. At SIGHUP it asks for its leases anew, which say
something else by now. The guest's root is an overlay on this host's files: it reads them, and writes its own.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import signal
import socket
import sys
import typing

from .. import ethtool, kernel
from ..errors import TenantnetError
from . import init, process

try:
    from pyroute2 import IPRoute
except ImportError:  # told to the person in _raise_nics
    IPRoute = None

PIDS = pathlib.Path("/run/tenantnet/guests")  # <id>.pid: process id of the guest's init, as the node sees it

#: Directories of this host that are not the guest's business: it has empty ones.
EMPTY = ("/run", "/tmp", "/root", "/home", "/var/tmp", "/var/lib", "/var/log", "/etc/openvswitch")

_RTMGRP_LINK, _LOWER_UP = 1, 1 << 16  # linux/rtnetlink.h, linux/if.h

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_DHCLIENT = "/etc/dhcp/tenantnet.conf"

#: What a virtual machine's firmware would say: cloud-init knows by it that there is metadata to ask for.
_PRODUCT = {"product_name": "OpenStack Nova"}

# In the guest there may be no Python, and these arguments come from nobody but us.
_SERVICE = """#!/bin/sh
exec dhclient -4 -d -cf {config} -lf /var/lib/dhcp/dhclient.leases -pf /run/dhclient.pid {nics}
"""

# What init does at SIGHUP. The client that is started again asks for the address that it has, and keeps it meanwhile.
_ASK_AGAIN = f"""#!/bin/sh
exec s6-svc -r {init.SERVICES}/dhclient
"""

# The distribution's own choice of options (routes and MTU among them), asked for again soon when nobody has answered.
_CONFIG = """include "/etc/dhcp/dhclient.conf";
timeout 10;
retry 1;
initial-interval 1;
backoff-cutoff 2;
"""

# The first NIC alone has routes and names from its lease: with those of several networks, the last lease would win.
_CONFIG_OF_LATER_NIC = """interface "{nic}" {{
  request subnet-mask, broadcast-address, interface-mtu;
}}
"""


def main() -> int:
    """Run a guest until it or this process is told to end; 1 when it did not start."""
    parser = argparse.ArgumentParser(prog="tenantnet-guest", description=main.__doc__)
    parser.add_argument("--id", required=True, help="UUID of the instance")
    parser.add_argument("--hostname", required=True)
    parser.add_argument("--overlay", required=True, help="directory of what the guest writes")
    parser.add_argument("--no-tx-checksum", action="store_true", help="NICs must not leave checksums to the other end")
    parser.add_argument("--address", action="append", default=[], metavar="NIC=ADDRESS", help="beside the lease's")
    parser.add_argument("nics", nargs="+", metavar="NIC")
    arguments = parser.parse_args()
    signal.signal(signal.SIGHUP, lambda *_: None)  # who has not asked yet need not ask anew
    pid_file = PIDS / f"{arguments.id}.pid"
    pid_file.unlink(missing_ok=True)  # of a former guest that was killed, as is its overlay
    shutil.rmtree(arguments.overlay, ignore_errors=True)
    try:
        _raise_nics(arguments.nics, arguments.no_tx_checksum, arguments.address)
        _await_carriers(arguments.nics)
        pid = _spawn(arguments)
    except (TenantnetError, OSError) as exc:
        sys.stderr.write(f"tenantnet-guest: {arguments.hostname}: {exc}\n")
        return 1
    _supervise(pid, pid_file)
    shutil.rmtree(arguments.overlay)
    return 0


def _raise_nics(nics: typing.Iterable[str], no_tx_checksum: bool, addresses: typing.Iterable[str]) -> None:
    if IPRoute is None:
        raise TenantnetError("the Python library pyroute2 is not installed on this node")
    with IPRoute() as ipr:
        for name in ("lo", *nics):
            for index in ipr.link_lookup(ifname=name):
                ipr.flush_addr(index=index)  # what the guest had before it was started again
                ipr.link("set", index=index, state="up")
        for name, _equals, address in (text.partition("=") for text in addresses):
            ipr.addr("add", index=ipr.link_lookup(ifname=name)[0], address=address, prefixlen=32)
    for name in nics:
        ethtool.set_tx_checksum(name, not no_tx_checksum)


def _await_carriers(nics: typing.Sequence[str]) -> None:
    """A guest asks for its addresses once, and at once, when the network behind its NICs is there."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as news, IPRoute() as ipr:
        news.bind((0, _RTMGRP_LINK))  # before the first look, so that nothing happens between it and the news
        while {link.get("ifname") for link in ipr.get_links() if not link["flags"] & _LOWER_UP} & set(nics):
            news.recv(65536)


def _spawn(arguments: argparse.Namespace) -> int:
    """Start the guest's init, which is our child, and return its process id; raises TenantnetError."""
    reader, writer = os.pipe()
    kernel.unshare(kernel.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        init.attempt(writer, lambda: _become_init(writer, arguments))
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        error = pipe.read().strip()  # the end of it is init's exec
    if error:
        os.waitpid(pid, 0)
        raise TenantnetError(error)
    return pid


def _supervise(pid: int, path: pathlib.Path) -> None:
    """Say where init is, and wait for its end, which comes with ours."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.signal(signal.SIGHUP, lambda *_: os.kill(pid, signal.SIGHUP))
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(f"{pid}\n", encoding="ascii")
    new.rename(path)
    os.waitpid(pid, 0)
    path.unlink(missing_ok=True)


def _become_init(writer: int, arguments: argparse.Namespace) -> None:
    kernel.die_with_parent()
    os.setsid()
    os.umask(0o022)
    pathlib.Path(arguments.overlay).mkdir(parents=True, exist_ok=True)
    console = os.open(f"{arguments.overlay}/console.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS)
    kernel.make_private()
    root = _mount_overlay(arguments.overlay)
    for directory in EMPTY:
        pathlib.Path(f"{root}{directory}").mkdir(parents=True, exist_ok=True)
        mode = "1777" if directory.endswith("tmp") else "755"
        kernel.mount("tmpfs", f"{root}{directory}", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"mode={mode}")
    _mount_devices(f"{root}/dev")
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("proc", f"{root}/proc", "proc", flags)
    kernel.mount("sysfs", f"{root}/sys", "sysfs", flags | kernel.MS_RDONLY)
    kernel.pivot_root(root)
    _configure(arguments)
    init.become_scanner(console, writer, os.environ.get(process.MARK, ""), **_PRODUCT)


def _mount_overlay(directory: str) -> str:
    """Mount the guest's root and return its place."""
    root, upper, work = (f"{directory}/{name}" for name in ("root", "upper", "work"))
    for path in (root, upper, work):
        pathlib.Path(path).mkdir(exist_ok=True)
    kernel.mount("overlay", root, "overlay", options=f"lowerdir=/,upperdir={upper},workdir={work}")
    return root


def _mount_devices(path: str) -> None:
    """The few devices that programs need; none of this host's disks is among them."""
    kernel.mount("tmpfs", path, "tmpfs", kernel.MS_NOSUID, "mode=755")
    for name in _DEVICES:
        pathlib.Path(path, name).touch()
        kernel.bind(f"/dev/{name}", f"{path}/{name}")
    for name, kind, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"),
        ("shm", "tmpfs", "mode=1777"),
    ):
        pathlib.Path(path, name).mkdir()
        kernel.mount(kind, f"{path}/{name}", kind, kernel.MS_NOSUID | kernel.MS_NOEXEC, options)
    for name, target in _LINKS.items():
        pathlib.Path(path, name).symlink_to(target)


def _configure(arguments: argparse.Namespace) -> None:
    """What makes this guest another machine than its host, and its services."""
    kernel.set_hostname(arguments.hostname)
    _write("/etc/hostname", f"{arguments.hostname}\n")
    _write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {arguments.hostname}\n")
    _write("/etc/machine-id", f"{arguments.id.replace('-', '')}\n")
    _write("/etc/resolv.conf", "")  # dhclient's to write
    _write(_DHCLIENT, _CONFIG + "".join(_CONFIG_OF_LATER_NIC.format(nic=nic) for nic in arguments.nics[1:]))
    pathlib.Path("/var/lib/dhcp").mkdir()
    nics = " ".join(arguments.nics)
    init.write_run(pathlib.Path(init.SERVICES, "dhclient"), _SERVICE.format(config=_DHCLIENT, nics=nics))
    init.write_program(pathlib.Path(init.SERVICES, ".s6-svscan/SIGHUP"), _ASK_AGAIN)


def _write(path: str, text: str) -> None:
    """Write a file in place of what the host has there, which may be a link to somewhere else."""
    pathlib.Path(path).unlink(missing_ok=True)
    pathlib.Path(path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
