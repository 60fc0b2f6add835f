# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What libvirt must be told of a virtual machine: to use the taps that are there, and to look like OpenStack's.

The rest of a domain, its disks, memory and processors, is whose machine it is.
"""

from __future__ import annotations

import typing
from xml.etree import ElementTree

from ..topology import model
from . import names

#: Firmware says so, and cloud-init and others know by it that metadata is OpenStack's.
PRODUCT = "OpenStack Nova"

#: Open vSwitch's userspace datapath leaves checksums and segments as they are, so that each end must do its own.
_HOST = dict.fromkeys(("csum", "gso", "tso4", "tso6", "ecn", "ufo"), "off")
_GUEST = dict.fromkeys(("csum", "tso4", "tso6", "ecn", "ufo"), "off")


def machines(topology: model.Topology) -> dict[str, str]:
    """Part of a domain's XML for each instance that is a virtual machine, by its name for people."""
    found = sorted(topology.instances.values(), key=lambda i: i.label)
    return {i.label: domain(topology, i) for i in found if not topology.nodes[i.node].guests}


def domain(topology: model.Topology, instance: model.Instance) -> str:
    """Elements of <domain>, as `virsh edit` shows them."""
    root = ElementTree.Element("domain")
    _add(root, "uuid").text = instance.id
    _add(_add(root, "os"), "smbios", mode="sysinfo")
    system = _add(_add(root, "sysinfo", type="smbios"), "system")
    for name, text in (("manufacturer", "OpenStack Foundation"), ("product", PRODUCT), ("uuid", instance.id)):
        _add(system, "entry", name=name).text = text
    devices = _add(root, "devices")
    for port in (topology.ports[id_] for id_ in instance.ports):
        _interface(devices, topology, port)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _interface(devices: ElementTree.Element, topology: model.Topology, port: model.Port) -> None:
    interface = _add(devices, "interface", type="ethernet")
    _add(interface, "mac", address=port.mac)
    _add(interface, "target", dev=names.device("tap", port.id), managed="no")
    _add(interface, "model", type="virtio")
    _add(interface, "mtu", size=str(topology.networks[port.network].mtu))
    userspace = topology.nodes[port.node].datapath == "netdev"
    queues = {"queues": str(port.queues)} if port.queues > 1 else {}
    if userspace or queues:
        driver = _add(interface, "driver", name="vhost", **queues)
        if userspace:
            _add(driver, "host", **_HOST)
            _add(driver, "guest", **_GUEST)


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    element: typing.Final = ElementTree.SubElement(parent, tag, attributes)
    return element
