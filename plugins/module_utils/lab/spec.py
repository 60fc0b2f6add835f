# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a lab must be: its machines and their NICs, and the same as facts that can be compared with what is."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import typing

from ..errors import TenantnetError

#: The machine that holds the wires: a plain Linux bridge for each physical network.
FABRIC = "fabric"

#: Open vSwitch's bridge that holds a NIC and carries its address: of tunnels (datapath netdev), or one in a VLAN.
UNDERLAY = "br-underlay"

#: What the people's side of the NIC is not Open vSwitch's userspace datapath on: checksums may stay with the NIC.
MANAGEMENT = "management"

#: Facts about a machine: thing -> its state, for people to read. A thing is "running", "restored" or a device.
Facts = dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A NIC and the physical network that it is plugged into. With `underlay` the address is on the underlay bridge.

    With `vlan` that address is in this VLAN of the network.
    """

    name: str
    network: str
    address: str | None = None  # with prefix length
    underlay: bool = False
    vlan: int | None = None
    mtu: int = 1500  # bytes

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """Addresses of the device itself."""
        return (self.address,) if self.address and not self.underlay else ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A machine: its NICs and what runs on it.

    With `systemd` it has a root of its own, reached by SSH. With `ssh` connections to such machines begin on it.
    """

    name: str
    nics: tuple[Nic, ...] = ()
    loopback: tuple[str, ...] = ()  # addresses of lo besides 127.0.0.1
    ovs: bool = False
    web: bool = False
    systemd: bool = False
    ssh: bool = False

    @property
    def underlay(self) -> Nic | None:
        """The NIC in the underlay bridge, if any."""
        return next((nic for nic in self.nics if nic.underlay), None)

    @property
    def facts(self) -> Facts:
        """The state that it must be in."""
        facts = {"running": "yes", "lo": device_fact("", self.loopback)}
        facts |= {nic.name: device_fact(bridge(nic.network), nic.own_addresses, nic.mtu) for nic in self.nics}
        if nic := self.underlay:
            facts[UNDERLAY] = device_fact("", (nic.address,) if nic.address else (), nic.mtu)
        return facts | {"restored": "yes"}


def fabric(specs: typing.Iterable[Spec]) -> Facts:
    """The state that the fabric must be in."""
    networks = sorted({nic.network for spec in specs for nic in spec.nics})
    return {"running": "yes"} | {bridge(network): "bridge" for network in networks}


def check(specs: typing.Sequence[Spec]) -> None:
    """Raises TenantnetError, with all that is wrong."""
    errors = [f"a machine of a lab cannot be named {FABRIC}" for spec in specs if spec.name == FABRIC]
    for spec in specs:
        errors += [error for nic in spec.nics for error in _errors(spec, nic)]
    if len({spec.name for spec in specs}) < len(specs):
        errors.append("two machines have the same name")
    if errors:
        raise TenantnetError("\n".join(errors))


def _errors(spec: Spec, nic: Nic) -> typing.Iterator[str]:
    where = f"machine {spec.name}, interface {nic.name}"
    if nic.underlay and not (spec.ovs and nic.address):
        yield f"{where}: the underlay bridge needs Open vSwitch (ovs: true) and an address"
    if nic.vlan is not None and not (nic.underlay and 1 <= nic.vlan <= 4094):
        yield f"{where}: a VLAN is a number from 1 to 4094, of the address on the underlay bridge (underlay: true)"
    if len(nic.name) > 15:
        yield f"{where}: a device's name has at most 15 characters"
    try:
        if nic.address:
            ipaddress.IPv4Interface(nic.address)
    except ValueError as exc:
        yield f"{where}: {exc}"


def device_fact(network: str, addresses: typing.Iterable[str], mtu: int | None = None) -> str:
    """How a device is described."""
    words = [network, *sorted(addresses), f"mtu {mtu}" if mtu else ""]
    return " ".join(word for word in words if word) or "up"


def bridge(network: str) -> str:
    """The fabric's bridge of a physical network."""
    return _short(network)


def fabric_port(machine: str, nic: str) -> str:
    """The fabric's end of a NIC's wire."""
    return _short(f"{machine}-{nic}")


def mac(lab: str, machine: str, nic: str) -> str:
    """MAC of a NIC, the same after a power failure, so that nobody's neighbour table is wrong then."""
    octets = hashlib.sha256(f"{lab}/{machine}/{nic}".encode()).digest()[:5]
    return ":".join(f"{octet:02x}" for octet in (0x02, *octets))


def _short(name: str) -> str:
    """A device's name has at most 15 characters; a longer one is cut and made unique."""
    return name if len(name) <= 15 else f"{name[:9]}-{hashlib.sha256(name.encode()).hexdigest()[:5]}"
