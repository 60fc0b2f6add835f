# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A virtual machine of the smallest sort: Debian's kernel for clouds, and busybox that does what cloud-init would do.

Packages are unpacked into a directory of the test's; nothing is installed, and nothing of it can boot this machine.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import subprocess
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine

KERNEL = "linux-image-cloud-amd64"  # depends on the one that is current
MODULES = (  # in the order in which each finds what it needs
    "drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev", "drivers/virtio/virtio_pci", "net/core/failover",
    "drivers/net/net_failover", "drivers/net/virtio_net",
)  # fmt: skip
APPLETS = ("sh", "mount", "insmod", "ip", "udhcpc", "wget", "timeout", "cat", "ping", "httpd", "sleep", "mkdir", "echo")
SECONDS = 180  # to boot, where a processor is emulated and others are at work

INIT = """\
#!/bin/sh
mkdir -p /proc /sys /dev /tmp /www
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in {modules}; do insmod /lib/$module.ko; done
ip link set lo up; ip link set eth0 up
udhcpc -i eth0 -s /bin/lease -q -n -t 10 -T 2 -O mtu -O staticroutes >/dev/null 2>&1
read_metadata() {{
    for attempt in 1 2 3 4 5; do
        timeout 5 wget -q -O "$2" "http://169.254.169.254/latest/$1" && return
    done
    echo "@@ NO $1"
}}
echo "@@ PRODUCT $(cat /sys/class/dmi/id/product_name)"
read_metadata meta-data/instance-id /tmp/id; echo "@@ ID $(cat /tmp/id)"
read_metadata meta-data/public-keys/0/openssh-key /tmp/key; echo "@@ KEY $(cat /tmp/key)"
read_metadata user-data /tmp/user-data; echo "@@ USER-DATA $(sh /tmp/user-data)"
ping -c 3 -W 3 192.168.1.1 >/dev/null && echo "@@ ROUTER answers"
ping -c 3 -W 3 198.51.100.10 >/dev/null && echo "@@ OUTSIDE answers"
echo "@@ SEEN as $(timeout 5 wget -q -O - http://198.51.100.10/)"
cat /tmp/id >/www/index.html; httpd -h /www
echo "@@ READY"
while :; do sleep 1000; done
"""
LEASE = """\
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"; ip link set "$interface" mtu "$mtu"
set -- $staticroutes
while [ "$2" ]; do ip route add "$1" via "$2"; shift 2; done
echo "@@ LEASE $ip/$mask mtu $mtu" >/dev/console
"""


def build(directory: pathlib.Path) -> None:
    """Make `vmlinuz` and `initrd`."""
    if not shutil.which("cpio") or not shutil.which("qemu-system-x86_64"):
        pytest.skip("needs qemu-system-x86, busybox-static and cpio")
    listed = subprocess.run(["apt-cache", "depends", KERNEL], capture_output=True, text=True, check=True).stdout
    package = next(line.split()[1] for line in listed.splitlines() if "Depends: linux-image" in line)
    subprocess.run(["apt-get", "--quiet=2", "download", package], cwd=directory, check=True)
    (deb,) = directory.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", deb, directory / "package"], check=True)
    (kernel,) = directory.glob("package/boot/vmlinuz-*")
    (modules,) = directory.glob("package/lib/modules/*/kernel")
    kernel.rename(directory / "vmlinuz")
    root = directory / "root"
    (root / "bin").mkdir(parents=True)
    (root / "lib").mkdir()
    for module in MODULES:
        shutil.copy(modules / f"{module}.ko", root / "lib")
    shutil.copy("/bin/busybox", root / "bin")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    names = " ".join(module.rpartition("/")[2] for module in MODULES)
    for path, text in (("init", INIT.format(modules=names)), ("bin/lease", LEASE)):
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    files = "\0".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with (directory / "initrd").open("wb") as archive:
        pack = ["cpio", "--create", "--format=newc", "--null", "--quiet"]
        subprocess.run(pack, cwd=root, input=files.encode(), stdout=archive, check=True)


@contextlib.contextmanager
def running(
    node: Machine, directory: pathlib.Path, tap: str, mac: str, uuid: str
) -> typing.Iterator[typing.Callable[[], str]]:
    """QEMU on a tap that is there; what is given tells what the machine has written on its console.

    Always emulated: a machine in a virtual machine may have a KVM that hangs.
    """
    console = directory / "console"
    console.unlink(missing_ok=True)  # of a machine before
    # Open vSwitch's userspace datapath does no checksums: the machine must, as libvirt's snippet says.
    off = ",".join(f"{feature}=off" for feature in ("csum", "gso", "guest_csum", "guest_tso4", "guest_tso6"))
    command = [
        *("qemu-system-x86_64", "-accel", "tcg,tb-size=32", "-cpu", "qemu64", "-m", "96"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", f"file:{console}"),
        *("-smbios", f"type=1,product=OpenStack Nova,uuid={uuid}"),
        *("-kernel", str(directory / "vmlinuz"), "-initrd", str(directory / "initrd")),
        *("-append", "console=ttyS0 quiet mitigations=off net.ifnames=0 panic=1"),
        *("-netdev", f"tap,id=n0,ifname={tap},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=n0,mac={mac},romfile=,{off},guest_ecn=off,guest_ufo=off"),
    ]
    inside = ["nsenter", f"--net={node.netns}", "--", *command]  # which becomes QEMU: its process is the one to end
    process = subprocess.Popen(inside, stderr=subprocess.PIPE, text=True)

    def said() -> str:
        assert process.poll() is None, process.communicate()[1]
        return console.read_text(errors="replace") if console.exists() else ""

    try:
        yield said
    finally:
        process.terminate()
        process.communicate(timeout=10)
