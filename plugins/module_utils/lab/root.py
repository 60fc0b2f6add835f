# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Root file systems of the machines that run systemd: this host's distribution, small, with all that roles install.

One is made for all machines of all labs, from where this host has its packages, and is kept; each machine has a copy.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import pathlib
import platform
import shutil

from ..errors import MissingProgram, TenantnetError
from ..run import run

CACHE = pathlib.Path("/var/cache/tenantnet")

#: What a server has, and what the roles and the lab's guests need: nothing is installed later, nothing can be.
PACKAGES = (
    "conntrack",
    "curl",
    "dbus",
    "dnsmasq-base",
    "haproxy",
    "iproute2",
    "ipset",
    "iptables",
    "iputils-arping",
    "iputils-ping",
    "isc-dhcp-client",
    "kmod",
    "netbase",
    "nftables",
    "openssh-server",
    "openvswitch-switch",
    "procps",
    "python3",
    "python3-apt",
    "python3-venv",
    "s6",
    "sudo",
    "systemd-sysv",
    "tcpdump",
    "udev",
)
#: They ask the Internet, wait for networks that are not this machine's to bring up, or are for disks that it has not.
_MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-networkd-wait-online.service",
)
_UNWANTED = ("doc", "locale", "man")  # below /usr/share


def make() -> pathlib.Path:
    """The root to copy, made first where there is none yet, which takes a minute; raises TenantnetError."""
    if not shutil.which("mmdebstrap"):
        raise MissingProgram("mmdebstrap", "mmdebstrap")
    path = _path()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_dir():
            for old in CACHE.glob("root-*"):
                shutil.rmtree(old)
            _bootstrap(path)
    return path


def exists() -> bool:
    """Whether `make` has nothing to do."""
    return _path().is_dir()


def copy(target: pathlib.Path) -> None:
    """Give a machine its own; one that was not copied to the end is no root."""
    new = target.with_name(f"{target.name}.new")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(new)
    target.parent.mkdir(parents=True, exist_ok=True)
    run(["cp", "--archive", "--reflink=auto", str(make()), str(new)])
    new.rename(target)


def _bootstrap(path: pathlib.Path) -> None:
    new = path.with_name(f"{path.name}.new")
    exclude = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _UNWANTED]
    release = platform.freedesktop_os_release()
    keyring = f"--keyring=/usr/share/keyrings/{release['ID']}-archive-keyring.gpg"
    include = f"--include={','.join(PACKAGES)}"
    options = ["--quiet", "--variant=apt", "--mode=root", keyring, include, *exclude]
    bootstrap = ["mmdebstrap", *options, release["VERSION_CODENAME"], str(new), "-"]
    run(
        ["unshare", "--mount", *bootstrap], stdin="\n".join(_sources()) + "\n"
    )  # its mounts end with it, however it does
    run(["systemctl", f"--root={new}", "mask", "--quiet", *_MASKED])
    run(["systemctl", f"--root={new}", "enable", "--quiet", "systemd-networkd.service", "ssh.service"])
    new.rename(path)


def _sources() -> list[str]:
    """Lines of sources.list(5): where this host has the packages of its distribution, and nobody else's."""
    targets = ["apt-get", "indextargets", "--format", "$(ORIGIN)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)"]
    found = sorted({line for line in run([*targets, "Created-By: Packages"]).splitlines() if line})
    distribution = platform.freedesktop_os_release()["ID"].lower()
    sources = [line.partition("|")[2] for line in found if line.lower().startswith(f"{distribution}|")]
    if not sources:
        raise TenantnetError("apt-get knows no packages of this host's distribution: `apt-get update` helps")
    return sources


def _path() -> pathlib.Path:
    text = "\n".join([platform.freedesktop_os_release()["VERSION_CODENAME"], *PACKAGES, *_MASKED])
    return CACHE / f"root-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
