# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The collection as it is published: built, installed into an empty place, and used from there without the checkout."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import DISKS

from .deployment import ROOT, Deployment
from .names import lab_name

BIN = pathlib.Path(sys.executable).parent
CONFIG = "[defaults]\ncollections_path = collections\n"
#: Of a project around the collection, which is nothing to the measurements.
PYTEST_INI = "[pytest]\naddopts = --no-such-option\n"
PUBLISHED = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "bindep.txt",
    "changelogs",
    "docs",
    "inventories",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "schemas",
    "tests",
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Project(Deployment):
    """Somebody's project: an inventory, a minimal ansible.cfg, and the collection."""

    def start(self, *playbooks: str, args: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """ansible-playbook in the project's directory, with nothing that points to the checkout."""
        names = [f"tenantnet.ovs.{name}" for name in playbooks]
        return subprocess.Popen(
            [str(BIN / "ansible-playbook"), "-i", str(self.hosts), *names, *args],
            cwd=self.directory,
            env=environment(self.directory),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def environment(directory: pathlib.Path) -> dict[str, str]:
    """What a person's shell has, and where Ansible finds this project's configuration."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and "ANSIBLE" not in name}
    return {**kept, "ANSIBLE_CONFIG": str(directory / "ansible.cfg"), "ANSIBLE_HOME": str(directory / ".ansible")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Project]:
    directory = tmp_path_factory.mktemp("project")
    (directory / "ansible.cfg").write_text(CONFIG)
    (directory / "pytest.ini").write_text(PYTEST_INI)
    galaxy(directory, "build", "--output-path", str(directory), str(ROOT))
    (archive,) = directory.glob("tenantnet-ovs-*.tar.gz")
    galaxy(directory, "install", "--offline", "--collections-path", "collections", str(archive))
    yield Project(collection(directory) / "inventories/lab", directory, lab_name("collection"))


def galaxy(directory: pathlib.Path, *arguments: str) -> None:
    command = [str(BIN / "ansible-galaxy"), "collection", *arguments]
    done = subprocess.run(
        command, cwd=directory, env=environment(directory), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def collection(directory: pathlib.Path) -> pathlib.Path:
    return directory / "collections/ansible_collections/tenantnet/ovs"


def files(top: pathlib.Path, *below: str) -> set[str]:
    """Files below some directories, without what Python keeps there."""
    found = (path for name in below for path in (top / name).rglob("*"))
    return {str(path.relative_to(top)) for path in found if path.is_file() and path.suffix != ".pyc"}


def test_all_that_it_needs_is_published(project: Project) -> None:
    parts = (
        "plugins",
        "roles",
        "playbooks",
        "docs",
        "meta",
        "tests/datapath",
        "inventories/lab/topology",
        "inventories/lab/rich",
    )
    assert files(collection(project.directory), *parts) == files(ROOT, *parts)


def test_nothing_else_is_published(project: Project) -> None:
    top = collection(project.directory)
    assert {path.name for path in top.iterdir()} == PUBLISHED
    assert files(top, "tests") == {"tests/config.yml", *files(ROOT, "tests/datapath")}
    topologies = files(ROOT, "inventories/lab/topology", "inventories/lab/rich")
    assert files(top, "inventories") == {"inventories/lab/hosts.yml", "inventories/lab/topology.lock.yml", *topologies}


def test_its_playbooks_run_from_there_and_write_nothing_there(project: Project) -> None:
    top = collection(project.directory)
    before = files(top, ".")
    try:
        output = project.succeed("lab", "site", "verify")
        assert "checks passed" in output.text
        assert str(ROOT) not in output.text
        assert project.node("compute1", "/var/lib/tenantnet/bin/tenantnet-node", "status").returncode == 0
    finally:
        project.succeed("destroy")
    assert files(top, ".") == before
    assert not (DISKS / lab_name("collection")).exists()
