# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The wires of a lab: bridges in the fabric, and veths born with one end in the fabric and the other in a machine.

No link ever exists in the namespace of the host. A bridge passes every frame, with its VLAN tag, to its own ports only.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import typing

from .. import ethtool, kernel, sysctl
from ..errors import TenantnetError
from . import spec
from .machine import Machine

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError
except ImportError:  # told to the person in _session
    IPRoute = None

    class NetlinkError(Exception):  # type: ignore[no-redef]
        """The kernel's refusal."""


#: A pyroute2.IPRoute; the library has no type hints.
Session = typing.Any


@contextlib.contextmanager
def session(machine: Machine) -> typing.Iterator[Session]:
    """A netlink session into a machine; meanwhile /proc/sys/net and new sockets are the machine's as well."""
    if IPRoute is None:
        raise TenantnetError("the Python library pyroute2 is not installed on this machine")
    with kernel.inside(machine.netns), IPRoute() as ipr:
        yield ipr


def facts(machine: Machine, networks: typing.Mapping[str, str]) -> spec.Facts:
    """Devices of a running machine that the lab is about, given the network of each fabric port."""
    with session(machine) as ipr:
        links = {link.get("ifname"): link for link in ipr.get_links()}
        addresses = {name: _addresses(ipr, link["index"]) for name, link in links.items()}
    found: spec.Facts = {}
    for name, link in links.items():
        network = networks.get(spec.fabric_port(machine.name, name), "")
        if link.get("state") != "up":
            continue
        if name == "lo":
            found[name] = spec.device_fact("", addresses[name] - {"127.0.0.1/8"})
        elif network or name == spec.UNDERLAY:
            found[name] = spec.device_fact(network, addresses[name], link.get("mtu"))
    return found


def bridges(fabric: Machine) -> list[str]:
    """The fabric's bridges."""
    with session(fabric) as ipr:
        return [link.get("ifname") for link in ipr.get_links(kind="bridge")]


def networks(fabric: Machine) -> dict[str, str]:
    """Bridge of each port of the fabric that is in one."""
    with session(fabric) as ipr:
        links = ipr.get_links()
    names = {link["index"]: link.get("ifname") for link in links}
    return {link.get("ifname"): names[link.get("master")] for link in links if link.get("master")}


def add_bridge(fabric: Machine, name: str) -> None:
    """Make the bridge of a network: a wire, so without spanning tree, snooping and addresses."""
    with session(fabric) as ipr:
        for device in ("all", "default"):
            sysctl.write(sysctl.conf(device, "ipv6.disable_ipv6"), "1")
        ipr.link("add", ifname=name, kind="bridge", br_stp_state=0, br_mcast_snooping=0)
        ipr.link("set", index=_index(ipr, name), state="up")


def plug(fabric: Machine, machine: Machine, nic: spec.Nic) -> None:
    """Make a NIC be as it must be, plugged into its network; it is born again unless it is there already."""
    port = spec.fabric_port(machine.name, nic.name)
    with session(fabric) as ipr, session(machine) as inner:
        if not (inner.link_lookup(ifname=nic.name) and ipr.link_lookup(ifname=port)):
            _delete(inner, nic.name)  # what may be left of a former one: the kernel destroys the namespace of
            _delete(ipr, port)  # a machine, and the links in it, a little after the machine
            _bear(ipr, machine, nic, port)
        ipr.link("set", index=_index(ipr, port), mtu=nic.mtu, master=_index(ipr, spec.bridge(nic.network)), state="up")
    with session(machine) as ipr:
        index = _index(ipr, nic.name)
        ipr.link("set", index=index, mtu=nic.mtu, state="up")
        _set_addresses(ipr, index, nic.own_addresses)
        # Open vSwitch's userspace datapath, which is at the other end of all but this network, takes sums as they are.
        ethtool.set_tx_checksum(nic.name, nic.network == spec.MANAGEMENT)


def unplug(fabric: Machine, machine: Machine, name: str) -> None:
    """Remove a NIC."""
    with session(fabric) as ipr:
        _delete(ipr, spec.fabric_port(machine.name, name))


def set_device(machine: Machine, name: str, addresses: typing.Iterable[str]) -> None:
    """Raise a device and make these its addresses."""
    with session(machine) as ipr:
        index = _index(ipr, name)
        ipr.link("set", index=index, state="up")
        _set_addresses(ipr, index, addresses)


def silence(machine: Machine, name: str) -> None:
    """Keep the kernel from answering on a NIC whose frames are Open vSwitch's alone: it sees each of them too."""
    with session(machine):
        sysctl.write(sysctl.conf(name, "ipv6.disable_ipv6"), "1")
        sysctl.write(sysctl.conf(name, "ipv4.arp_ignore"), "8")
    rule = ["PREROUTING", "--in-interface", name, "--jump", "DROP"]
    iptables = ["iptables", "--wait", "--table", "raw"]
    try:
        machine.run([*iptables, "--check", *rule])
    except TenantnetError:
        machine.run([*iptables, "--insert", *rule])


def _bear(ipr: Session, machine: Machine, nic: spec.Nic, port: str) -> None:
    address = spec.mac(machine.lab, machine.name, nic.name)
    peer = {"ifname": nic.name, "net_ns_pid": machine.init_pid, "address": address, "mtu": nic.mtu}
    ipr.link("add", ifname=port, kind="veth", mtu=nic.mtu, peer=peer)


def _delete(ipr: Session, name: str) -> None:
    for index in ipr.link_lookup(ifname=name):
        with contextlib.suppress(NetlinkError):  # the kernel was faster
            ipr.link("del", index=index)


def _index(ipr: Session, name: str) -> int:
    for index in ipr.link_lookup(ifname=name):
        return int(index)
    raise TenantnetError(f"device {name} does not exist")


def _addresses(ipr: Session, index: int) -> set[str]:
    found = ipr.get_addr(family=socket.AF_INET, index=index)
    return {f"{a.get('local') or a.get('address')}/{a['prefixlen']}" for a in found}


def _set_addresses(ipr: Session, index: int, wanted: typing.Iterable[str]) -> None:
    """127.0.0.1 comes and goes with the state of lo. What systemd-networkd adds meanwhile is no error."""
    present = _addresses(ipr, index) - {"127.0.0.1/8"}
    for verb, addresses in {"del": present - {*wanted}, "replace": {*wanted} - present}.items():
        for address in sorted(addresses):
            interface = ipaddress.IPv4Interface(address)
            prefix = interface.network.prefixlen
            ipr.addr(verb, index=index, address=str(interface.ip), prefixlen=prefix)
