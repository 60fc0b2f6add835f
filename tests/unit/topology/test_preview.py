# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What members of a project may know, and what their file would change."""

from __future__ import annotations

import json
import pathlib
import shutil
import sys

import pytest
import yaml
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import lock, outline, recorded
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.allocate import resolve
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology import raw
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.topology.errors import TopologyErrors

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import inventories

ROOT = pathlib.Path(__file__).parents[3]
GOLDEN = ROOT / "tests/unit/golden"
DEMO = {
    "networks": {
        "private": {"subnets": {"private": "10.0.1.0/24"}},
        "open": {"shared_with": ["other"], "subnets": {"open": "10.0.2.0/24"}},
    },
    "routers": {"router": {"external_network": "public", "subnets": ["private"]}},
    "instances": {"one": {"node": "compute1", "ports": [{"network": "private", "floating_ip": True}, "open"]}},
}
#: Nothing of this may be known to project demo.
OTHER = {
    "networks": {"hush": {"mtu": 1234, "shared_with": ["limited"], "subnets": {"hush": "10.66.0.0/24"}}},
    "routers": {"psst": {"external_network": "public", "external_ip": "203.0.113.104", "subnets": ["hush"]}},
    "security_groups": {"covert": {"rules": [{"direction": "ingress", "protocol": "tcp", "port_range": "6666"}]}},
    "instances": {"veiled": {"node": "compute1", "user_data": "shibboleth", "ports": ["hush", "demo/open"]}},
}


class Deployment:
    """Topology files, and the plan that is recorded of them."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.topology = directory, directory / "topology"
        shutil.copytree(GOLDEN / "base", directory, dirs_exist_ok=True)
        (self.topology / "projects").mkdir()
        self.lock_file = directory / "topology.lock.yml"

    def write(self, **projects):
        for name, project in projects.items():
            path = self.topology / f"projects/{name}.yml"
            path.write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")

    def deploy(self):
        of = inventories.read(self.directory)
        resolved, pins = resolve(of, lock.load(self.lock_file))
        lock.write(self.lock_file, pins)
        recorded.record(self.folder, self.topology, of, resolved, pins)

    @property
    def folder(self):
        return recorded.directory(self.lock_file)

    def said(self, project="demo"):
        before, after = recorded.preview(self.folder, self.topology, project)
        return [change.describe() for change in outline.changes(before, after)]


@pytest.fixture
def deployment(tmp_path):
    deployment = Deployment(tmp_path)
    deployment.write(demo=DEMO)
    deployment.deploy()
    return deployment


def test_what_is_deployed_would_change_nothing(deployment):
    assert deployment.said() == []


def test_tells_what_a_file_would_change(deployment, golden):
    project = json.loads(json.dumps(DEMO))
    del project["networks"]["open"]
    project["networks"]["private"]["mtu"] = 1400
    project["instances"] = {
        "one": {"node": "compute1", "user_data": "secret", "ports": [{"network": "private", "security_groups": []}]},
        "two": {"node": "compute1", "ports": [{"network": "private", "floating_ip": "203.0.113.104"}]},
        "three": {"node": "compute1", "ports": [{"network": "private", "floating_ip": True}]},
    }
    deployment.write(demo=project)
    golden(GOLDEN / "preview.txt", "".join(f"{line}\n" for line in deployment.said()))


def test_nothing_that_another_project_has_reaches_a_recorded_plan(deployment):
    """Noninterference: not a byte differs, whatever the others do."""
    path = deployment.folder / "projects/demo.json"
    alone = path.read_bytes()
    deployment.write(other=OTHER)
    deployment.deploy()
    assert path.read_bytes() == alone
    of = inventories.read(deployment.directory)
    theirs = outline.outline(resolve(of, lock.load(deployment.lock_file))[0], "other")
    words = {"other", "hush", "psst", "veiled", "covert", "1234", "6666", "shibboleth", "10.66.", *theirs}
    assert [word for word in words if word in alone.decode()] == []


def test_nothing_of_the_others_reaches_a_message(deployment):
    deployment.write(other=OTHER)
    deployment.deploy()
    project = json.loads(json.dumps(DEMO))
    project["instances"]["two"] = {
        "node": "compute1",
        "ports": [{"network": "private", "floating_ip": "203.0.113.104"}, {"network": "open", "fixed_ip": "10.0.2.4"}],
    }
    deployment.write(demo=project)
    assert not any("other" in line or "psst" in line or "veiled" in line for line in deployment.said())
    project["instances"]["two"]["ports"] = ["other/hush", "other/none"]
    deployment.write(demo=project)
    with pytest.raises(TopologyErrors) as caught:
        deployment.said()
    there, not_there = str(caught.value).splitlines()
    assert (
        there.replace("[0]", "").split(": ")[2:] == not_there.replace("none", "hush").replace("[1]", "").split(": ")[2:]
    )


def test_an_address_that_depends_on_others_is_chosen_when_deployed(deployment):
    project = json.loads(json.dumps(DEMO))
    project["instances"]["two"] = {"node": "compute1", "ports": [{"network": "private", "floating_ip": True}, "open"]}
    deployment.write(demo=project)
    lines = "\n".join(deployment.said())
    assert "+ floating IP two:private: address=(chosen when deployed)" in lines
    assert "+ port two:open: network=open" in lines
    assert "203.0.113" not in lines
    assert "10.0.2." not in lines
    assert "10.0.1." in lines


def test_a_network_that_another_project_shares_can_be_used(deployment):
    deployment.write(other={"instances": {"one": {"node": "compute1", "ports": ["demo/open"]}}})
    assert [line.split(":")[0] for line in deployment.said("other")] == [
        "+ instance one",
        "+ security group default",
        "+ port one",
    ]


def test_a_project_that_is_not_recorded(deployment):
    with pytest.raises(TenantnetError, match=r"nothing is recorded for project 'nobody': .* when administrators run"):
        deployment.said("nobody")


def test_a_plan_is_for_whom_the_projects_file_is_for(deployment):
    (deployment.topology / "projects/demo.yml").chmod(0o640)
    deployment.deploy()
    (deployment.topology / "provider.yml").chmod(0o600)
    deployment.deploy()
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in deployment.folder.rglob("*.json")}
    assert modes == {"demo.json": "0o640", "other.json": "0o600", "limited.json": "0o600", "plan.json": "0o600"}


def test_the_plan_of_a_project_that_is_gone_goes(deployment):
    provider = deployment.topology / "provider.yml"
    provider.write_text(provider.read_text(encoding="utf-8").replace("  other: {}\n", ""), encoding="utf-8")
    deployment.deploy()
    assert sorted(path.name for path in (deployment.folder / "projects").iterdir()) == ["demo.json", "limited.json"]


@pytest.mark.parametrize(
    "path", sorted([*(ROOT / "inventories").rglob("provider.yml"), *GOLDEN.rglob("valid/*/topology/provider.yml")])
)
def test_what_is_offered_can_be_read_again(path):
    provider = raw.Provider.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    dumped = json.loads(json.dumps(provider.model_dump(mode="json", exclude_unset=True)))
    assert raw.Provider.model_validate(dumped) == provider
