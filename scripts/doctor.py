# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Look at this machine, change nothing, and say what `make lab` would need and install.

Nothing is loaded, either: kernel features are looked up in the kernel's own list of modules. Only a kernel that has no
such list, and so loads nothing, is tried out, in a network namespace that is gone at once.
"""

from __future__ import annotations

import dataclasses
import grp
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import typing

ROOT = pathlib.Path(__file__).parent.parent
DISK = 300  # MB of a fresh .venv and of the Debian packages together
MEMORY = 700  # MB of the three nodes of the lab at work

#: Feature -> (module of the kernel, command that tries it, in a new network namespace).
FEATURES = {
    "veth": ("veth", "ip link add try0 type veth peer name try1"),
    "bridge": ("bridge", "ip link add try0 type bridge"),
    "tap": ("tun", "ip tuntap add try0 mode tap"),
    "overlayfs": ("overlay", ""),
    "bridge netfilter": ("br_netfilter", ""),
    "iptables": ("nf_tables", "iptables --append FORWARD --jump ACCEPT"),
    "physdev match": ("xt_physdev", "iptables --append FORWARD --match physdev --physdev-in try0 --jump ACCEPT"),
    "conntrack": ("nf_conntrack", "iptables --append FORWARD --match conntrack --ctstate ESTABLISHED --jump ACCEPT"),
    "u32 match": ("xt_u32", "iptables --append INPUT --match u32 --u32 0=0 --jump DROP"),
    "ipset": ("ip_set_hash_net", "ipset create try0 hash:net"),
    "nftables": ("nft_ct", "nft add table ip try0 ; add chain ip try0 try1 ; add rule ip try0 try1 ct zone set 1"),
    "nftables bridge": ("nf_tables", "nft add table bridge try0"),
}
#: What shows without trying that a feature is there.
EVIDENCE = {
    "overlayfs": lambda: "overlay" in pathlib.Path("/proc/filesystems").read_text(),
    "tap": lambda: " tun\n" in pathlib.Path("/proc/misc").read_text(),
    "bridge netfilter": lambda: pathlib.Path("/proc/sys/net/bridge").is_dir(),
}
#: Process -> what people call it. The lab shares nothing with them.
NEIGHBOURS = {
    "ovs-vswitchd": "Open vSwitch",
    "NetworkManager": "NetworkManager",
    "systemd-network": "systemd-networkd",
    "libvirtd": "libvirt",
    "virtqemud": "libvirt",
    "dockerd": "Docker",
    "containerd": "containerd",
    "dnsmasq": "dnsmasq",
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the table. With the verdict "missing", `make lab` cannot work here."""

    subject: str
    verdict: typing.Literal["ok", "install", "note", "missing"]
    text: str


def system() -> Finding:
    """Tell whether this is a system whose packages we know."""
    text = f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}, {os.cpu_count()} cores"
    if not shutil.which("apt-get"):
        return Finding("system", "missing", f"{text}: Debian 12 or Ubuntu 24.04 is needed, with apt-get")
    return Finding("system", "ok", text)


def rights() -> Finding:
    """Tell how the lab would become root."""
    if os.geteuid() == 0:
        return Finding("rights", "ok", "root")
    if shutil.which("sudo"):
        groups = {grp.getgrgid(number).gr_name for number in os.getgroups()}
        if not groups & {"sudo", "admin", "wheel"}:
            return Finding(
                "rights", "note", "sudo, but you are in none of its usual groups: whether you may use it shows later"
            )
        return Finding("rights", "ok", "sudo; it asks for a password where it must, for packages and namespaces only")
    return Finding("rights", "missing", "neither root nor sudo: network namespaces cannot be made")


def python() -> Finding:
    """Tell which interpreter .venv would be made with (scripts/python has chosen it)."""
    return Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")


def memory() -> Finding:
    """Compare the free memory with what the lab takes."""
    lines = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) // 1024
    return Finding("memory", "ok" if free >= MEMORY else "missing", f"{free} MB free, {MEMORY} MB needed")


def disk() -> Finding:
    """Compare the free disk space with what an installation takes."""
    free = shutil.disk_usage(ROOT).free // 2**20
    return Finding("disk", "ok" if free >= DISK else "missing", f"{free} MB free, at most {DISK} MB needed")


def missing_packages() -> list[str]:
    """Debian packages of bindep.txt that are not installed."""
    lines = [line for line in (ROOT / "bindep.txt").read_text().splitlines() if "test]" not in line]
    wanted = [re.split(r"[\[#]", line)[0].strip() for line in lines]
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\\n", *filter(None, wanted)]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    installed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("installed ")}
    return [name for name in wanted if name and name not in installed]


def packages(missing: list[str]) -> Finding:
    """Tell which Debian packages would be installed."""
    if missing:
        return Finding("packages", "install", ", ".join(missing))
    return Finding("packages", "ok", "all of bindep.txt are installed")


def environment() -> Finding:
    """Tell whether .venv is up to date."""
    stamp, wanted = ROOT / ".venv/control", ROOT / "pyproject.toml"
    if stamp.exists() and stamp.read_bytes() == wanted.read_bytes():
        return Finding(".venv", "ok", "up to date")
    return Finding(".venv", "install", "Ansible and the libraries that pyproject.toml names, below this directory only")


def modules() -> set[str]:
    """Modules that this kernel has, built in or on disk; empty where it does not tell."""
    base = pathlib.Path("/lib/modules", platform.release())
    lists = [base / "modules.builtin", base / "modules.dep"]
    names = [line.split(":")[0] for path in lists if path.exists() for line in path.read_text().splitlines()]
    return {name.rsplit("/", 1)[-1].split(".")[0].replace("-", "_") for name in names}


def tried(command: str) -> bool | None:
    """Try a command in a network namespace of its own; None where that tells nothing (yet).

    Without root a refusal may be about rights, so only success counts.
    """
    program, *arguments = command.split()
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    unshare = ["unshare", *user, "--net", "--"]
    if not path or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        return None
    done = subprocess.run([*unshare, path, *arguments], capture_output=True, check=False)
    return done.returncode == 0 or (None if user else False)


def features() -> list[Finding]:
    """Tell which features of the kernel are there."""
    known, there = modules(), {name: pathlib.Path("/proc/self/ns", name).exists() for name in ("net", "pid", "uts")}
    found: dict[str, bool | None] = {f"{name} namespaces": yes for name, yes in there.items()}
    for feature, (module, command) in FEATURES.items():
        seen = pathlib.Path("/sys/module", module).exists() or EVIDENCE.get(feature, bool)()
        found[feature] = seen or (module in known if known else tried(command) if command else False)
    texts = {verdict: ", ".join(f for f, v in found.items() if v is verdict) for verdict in (True, None, False)}
    findings = [
        Finding("kernel", "ok", texts[True]),
        Finding("kernel", "note", f"not known yet (to be tried as root, with the packages installed): {texts[None]}"),
        Finding("kernel", "missing", f"{texts[False]}: this kernel was built without"),
    ]
    return [finding for finding, text in zip(findings, texts.values(), strict=True) if text]


def neighbours() -> list[Finding]:
    """Name what runs here already; a process of a lab has a PID namespace of its own and is not meant."""
    running = set()
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue  # it has ended meanwhile
        if len(fields.get("NSpid", "").split()) == 1 and fields["Name"] in NEIGHBOURS:
            running.add(NEIGHBOURS[fields["Name"]])
    labs = sorted(path.name for path in pathlib.Path("/run/tenantnet").glob("*") if path.is_dir())
    findings = [
        Finding("neighbours", "note", f"here already, and left alone: {', '.join(sorted(running))}"),
        Finding("labs", "note", f"up or left over: {', '.join(labs)}"),
    ]
    return [finding for finding, names in zip(findings, (running, labs), strict=True) if names]


def main() -> int:
    """Print the table; 1 if something essential is missing."""
    missing = missing_packages() if shutil.which("dpkg-query") else []
    findings = [system(), rights(), python(), memory(), disk(), packages(missing), environment()]
    findings += [*features(), *neighbours()]
    print("This machine, looked at and not changed:\n")
    before = ""
    for finding in findings:
        print(f"  {finding.subject if finding.subject != before else '':<11} {finding.verdict:<8} {finding.text}")
        before = finding.subject
    if any(finding.verdict == "missing" for finding in findings):
        print("\n`make lab` cannot work here: see what is missing above.")
        return 1
    to_install = any(finding.verdict == "install" for finding in findings)
    print(f"\n`make lab` would {'first install what is said above, and then ' if to_install else ''}", end="")
    print(f"bring up the lab: about {'two minutes' if to_install else 'half a minute'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
