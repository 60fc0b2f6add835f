# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Metadata as guests use it: Debian's cloud-init inside a guest, one that asks too much, a proxy that trusts guests.

cloud-init is unpacked into the overlay root of a guest and nowhere else; no program of it ever runs on this host.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import typing

import pytest
import yaml
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

from .deployment import Deployment
from .names import lab_name

SOURCE = pathlib.Path(__file__).parent / "topologies/metadata"
KEYS = {
    name: instance.get("key_pairs", [])
    for project in ("demo", "other")
    for name, instance in yaml.safe_load((SOURCE / f"topology/projects/{project}.yml").read_text())["instances"].items()
}

#: Debian's configuration stays; only what is of no use in a namespace is left out.
CONFIG = """
datasource_list: [{source}]
network: {{config: disabled}}
cloud_init_modules: [write-files, set_hostname, update_hostname, users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
"""
STAGES = (("init",), ("modules", "--mode=config"), ("modules", "--mode=final"))


@dataclasses.dataclass(frozen=True)
class Guest:
    """A guest of compute1 by its name."""

    machine: Machine
    pid: int

    def run(self, *argv: str, stdin: bytes = b"", check: bool = True) -> str:
        """Run a program in all namespaces of the guest; nothing else is ever done with cloud-init's files."""
        inside = ["nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", "--pid", "--", *argv]
        done = subprocess.run(self.machine.enter(inside), input=stdin, capture_output=True, check=False)
        assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout.decode()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Deployment]:
    deployment = Deployment(SOURCE, tmp_path_factory.mktemp("metadata"), lab_name("metadata"))
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("failures")))  # what failed verifications leave behind
    try:
        deployment.succeed("lab")
        yield deployment
    finally:
        monkeypatch.undo()
        deployment.succeed("destroy")


@pytest.fixture(scope="module")
def cloud_init(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The files of Debian's package as a tar archive."""
    directory = tmp_path_factory.mktemp("cloud-init")
    directory.chmod(0o755)
    subprocess.run(["apt-get", "--quiet=2", "download", "cloud-init"], cwd=directory, check=True)
    (package,) = directory.glob("*.deb")
    return subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout


def guest(deployment: Deployment, name: str) -> Guest:
    machine = deployment.machine("compute1")
    for file in machine.path("/run/tenantnet/guests").glob("*.pid"):
        found = Guest(machine, int(file.read_text()))
        if found.run("cat", "/etc/hostname").strip() == name:
            return found
    raise AssertionError(f"there is no guest {name}")


def test_the_secret_is_made_once_and_never_shown(deployed: Deployment) -> None:
    checked = deployed.succeed("site", args=("--check", "--diff"))
    file = deployed.directory / "metadata.secret"
    assert not file.exists()
    built = deployed.succeed("site", args=("--diff", "-vvv"))
    secret = file.read_text().strip()
    assert (len(secret), file.stat().st_mode & 0o777) == (64, 0o600)
    again = deployed.succeed("site", args=("--diff", "-vvv"))
    lock = (deployed.directory / "topology.lock.yml").read_text()
    for text in (checked.text, built.text, again.text, lock):
        assert secret not in text
        assert "not a template" not in text, "nor is user-data, which may be a secret too"
    assert file.read_text().strip() == secret
    for node, holds in (("controller", True), ("network", True), ("compute1", False)):
        found = deployed.node(node, "grep", "-rl", secret, "/var/lib/tenantnet", "/run", "/var/log").stdout.split()
        expected = ["/var/lib/tenantnet/metadata/secret", "/var/lib/tenantnet/state.json"] if holds else []
        assert sorted(found) == expected
        assert all(deployed.node(node, "stat", "-c", "%a", path).stdout == "600\n" for path in found)


def test_each_guest_gets_its_own(deployed: Deployment) -> None:
    output = deployed.succeed("verify")
    assert "6 ok, 3 of 6" in output.text
    assert "not measured" not in output.text


@pytest.mark.parametrize(("name", "source"), [("web", "OpenStack"), ("ec2", "Ec2"), ("alone", "OpenStack")])
def test_cloud_init_ends_with_what_the_topology_says(
    deployed: Deployment, cloud_init: bytes, name: str, source: str
) -> None:
    one = guest(deployed, name)
    # The package has files in /lib, which is a link here and must stay one.
    one.run("tar", "--extract", "--keep-directory-symlink", "--directory=/", "--file=-", stdin=cloud_init)
    one.run("tee", "/etc/cloud/cloud.cfg.d/99-test.cfg", stdin=CONFIG.format(source=source).encode())
    one.run("hostname", "nobody")  # whoever it was before
    for stage in STAGES:
        one.run("cloud-init", *stage)
    status = json.loads(one.run("cat", "/run/cloud-init/status.json"))["v1"]
    assert status["datasource"].startswith(f"DataSource{source}"), status
    assert not [error for stage in status.values() if isinstance(stage, dict) for error in stage["errors"]], status
    assert one.run("hostname").strip() == name
    assert one.run("cat", "/root/executed").strip() == name
    if KEYS[name]:
        written = one.run("cat", "/home/debian/.ssh/authorized_keys").splitlines()
        assert sorted(written) == sorted(KEYS[name]), "cloud-init keeps them in a set"
    if name == "web":
        assert one.run("cat", "/root/written") == "{{ not a template }} of web"
    assert not deployed.machine("compute1").path("/etc/cloud/cloud.cfg.d/99-test.cfg").exists()
    assert not pathlib.Path("/etc/cloud/cloud.cfg.d/99-test.cfg").exists(), "what it wrote is in the overlay only"


def test_who_asks_too_much_gets_429_and_nobody_else_does(deployed: Deployment) -> None:
    url = "http://169.254.169.254/latest/meta-data/instance-id?[1-250]"
    asked = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code} ", url)
    codes = guest(deployed, "web").run(*asked).split()
    assert "429" in codes
    assert set(codes) <= {"200", "429"}, set(codes)
    assert codes[0] == "200"
    assert guest(deployed, "ec2").run(*asked).split()[0] == "200"


def test_nobody_reaches_what_is_behind_the_proxy(deployed: Deployment) -> None:
    one = guest(deployed, "web")
    for url in ("http://192.168.1.1:9697/", "http://203.0.113.101:9697/", "http://10.0.0.11:8775/"):
        code = one.run("curl", "--silent", "--max-time", "2", "--write-out", "%{http_code}", url, check=False)
        assert code == "000", url
    unsigned = ["curl", "--silent", "--write-out", "%{http_code}", "--output", "/dev/null", "http://10.0.0.11:8775/"]
    assert deployed.node("network", *unsigned).stdout == "400"
    forged = [
        arg for name in ("X-Instance-ID", "X-Tenant-ID", "X-Instance-ID-Signature") for arg in ("-H", f"{name}: x")
    ]
    assert deployed.node("network", *unsigned, *forged).stdout == "403"


@pytest.mark.parametrize("trusted", ["x-forwarded-for", "x-neutron"])
def test_a_proxy_that_believes_a_guest_is_noticed(deployed: Deployment, trusted: str) -> None:
    """The check of forged headers is worth something: each of the two by itself makes it fail."""
    delete = "s/^.*del-header.*$/{}/"
    copy = "    http-request set-header copy %[req.hdr(x-forwarded-for)]"
    change = {
        "x-forwarded-for": f"{delete.format(copy)}; s/X-Forwarded-For %.*/X-Forwarded-For %[req.hdr(copy)]/",
        "x-neutron": delete.format(""),
    }[trusted]
    files = "/var/lib/tenantnet/metadata/haproxy/*.conf"
    broken = f"sed -i '{change}' {files}; for s in /run/service/*haproxy-*; do s6-svc -wR -r $s; done"
    assert deployed.node("network", "sh", "-ec", broken).returncode == 0
    output = deployed.run("verify", args=("-e", json.dumps({"tenantnet_verify_groups": ["metadata"]})))
    repaired = deployed.succeed("site")
    assert "✗ demo/web does not read the metadata of" in output.text, output.text
    assert "network (" in repaired.text


def test_what_goes_is_asked_for_in_vain(deployed: Deployment) -> None:
    """An instance that is renamed is another one; the files of the old one are gone everywhere."""
    deployed.edit("topology/projects/demo.yml", "  ec2:\n", "  renamed:\n")
    deployed.edit("topology/projects/demo.yml", "192.168.1.12", "192.168.1.13")
    deployed.succeed("site")
    ids = deployed.node("controller", "ls", "/var/lib/tenantnet/metadata/instances").stdout.split()
    assert len(ids) == 3
    one, asked = guest(deployed, "renamed"), ("curl", "-s", "http://169.254.169.254/latest/meta-data/hostname")
    assert until(lambda: one.run(*asked, check=False), "its lease, and an answer") == "renamed"
