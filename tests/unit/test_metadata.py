# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Metadata without a network: the trees, who is believed, and who is whom."""

from __future__ import annotations

import hashlib
import hmac
import json
import pathlib
import shutil
import stat
import subprocess
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.lookup import secret as lookup
from ansible_collections.tenantnet.ovs.plugins.module_utils import changes
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import Change
from ansible_collections.tenantnet.ovs.plugins.module_utils.services import metadata_agent, metadata_api
from ansible_collections.tenantnet.ovs.plugins.module_utils.services.metadata_http import Reply, Request, application
from ansible_collections.tenantnet.ovs.plugins.module_utils.services.metadata_tree import FILES, OPENSTACK, page
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import (
    File,
    NodeState,
    from_json,
    to_json,
)
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import haproxy
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.checks_structure import fingerprint

ID, OTHER = "0052a3fc-f53a-55eb-9b95-73637d9afef2", "ef2dfe14-508c-5c4f-9ab3-00aab07df984"
ROUTER = "44bafbc5-f490-54c0-bc3b-76db2040dfc7"
KEY = "ssh-ed25519 AAAA alice@example"

INSTANCE: dict[str, typing.Any] = {
    "uuid": ID,
    "name": "web",
    "hostname": "web",
    "project_id": "demo",
    "availability_zone": "nova",
    "public_keys": {"key-0": KEY},
    "user_data": "#!/bin/sh\n# Grüße\n",
    "security_groups": ["default", "web"],
    "local_ipv4": "192.168.1.11",
    "public_ipv4": "",
    "network_data": {"links": [], "networks": [], "services": []},
}


def body(path: str, **other: typing.Any) -> str | None:
    found = page({**INSTANCE, **other}, path)
    return found.body.decode() if found else None


# ---------------------------------------------------------------------------------------------------------- the trees


def test_everything_that_is_listed_is_there() -> None:
    """What cloud-init does: depth first through the EC2 tree, then the files of a version."""

    def crawl(path: str) -> typing.Iterator[str]:
        for name in (body(path) or "").splitlines():
            name = f"{name.partition('=')[0]}/" if "=" in name else name
            if name.endswith("/"):
                yield from crawl(path + name)
            else:
                yield path + name

    leaves = list(crawl("/latest/meta-data/"))
    assert "/latest/meta-data/public-keys/0/openssh-key" in leaves
    assert "/latest/meta-data/placement/availability-zone" in leaves
    assert all(body(leaf) is not None for leaf in leaves)
    for version in OPENSTACK:
        files = (body(f"/openstack/{version}") or "").splitlines()
        assert {"meta_data.json", "user_data"} <= set(files) <= set(FILES)
        assert all(body(f"/openstack/{version}/{file}") is not None for file in files)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/openstack", "\n".join(OPENSTACK)),
        ("/openstack/2012-08-10", "meta_data.json\nuser_data"),
        ("/openstack/2018-08-27/user_data", INSTANCE["user_data"]),
        ("/openstack/2018-08-27/vendor_data2.json", "{}"),
        ("/2009-04-04/meta-data/instance-id", "i-0052a3fcf53a55eb9"),
        ("/2009-04-04/meta-data/public-keys/", "0=key-0"),
        ("/2009-04-04/meta-data/public-keys/0/openssh-key", KEY),
        ("/2009-04-04/meta-data/public-ipv4", ""),
        ("/2009-04-04/meta-data/security-groups", "default\nweb"),
        ("/latest", "meta-data/\nuser-data"),
        ("/latest/user-data", INSTANCE["user_data"]),
        ("/2021-03-23/meta-data/instance-id", None),
        ("/2009-04-04/meta-data/hostname/more", None),
        ("/2009-04-04/meta-data/../user-data", None),
        ("/openstack/2012-08-10/network_data.json", None),
        ("/openstack/2030-01-01", None),
        ("/openstack/latest/meta_data.json/more", None),
        ("/favicon.ico", None),
    ],
)
def test_pages(path: str, text: str | None) -> None:
    assert body(path) == text


def test_meta_data() -> None:
    found = json.loads(body("/openstack/latest/meta_data.json") or "")
    assert len(found.pop("random_seed")) > 512
    assert found["uuid"] == ID
    assert found["keys"] == [{"name": "key-0", "type": "ssh", "data": KEY}]
    assert found["public_keys"] == {"key-0": KEY}


def test_who_has_no_user_data_and_no_key_is_told_of_none() -> None:
    less: dict[str, typing.Any] = {"user_data": None, "public_keys": {}}
    assert body("/latest", **less) == "meta-data/"
    assert body("/latest/user-data", **less) is None
    assert body("/openstack/latest/user_data", **less) is None
    assert "user_data" not in (body("/openstack/latest", **less) or "")
    assert "public-keys/" not in (body("/latest/meta-data", **less) or "")


# ---------------------------------------------------------------------------------------------------- who is believed


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    """What the plan writes for an API and for an agent."""
    (tmp_path / "secret").write_text("shared\n")
    for place, name, data in (
        ("instances", ID, INSTANCE),
        ("routers", ROUTER, {"192.168.1.11": {"instance": ID, "project": "demo"}}),
    ):
        (tmp_path / place).mkdir()
        (tmp_path / place / f"{name}.json").write_text(json.dumps(data))
    return tmp_path


def request(path: str = "/openstack", **headers: str) -> Request:
    return Request("GET", path, {f"HTTP_{name}": value for name, value in headers.items()})


def signature(instance: str, secret: bytes = b"shared") -> str:
    return hmac.new(secret, instance.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"X_INSTANCE_ID": ID, "X_INSTANCE_ID_SIGNATURE": signature(ID)}, 400),
        ({"X_INSTANCE_ID": ID, "X_TENANT_ID": "demo"}, 403),
        ({"X_INSTANCE_ID": ID, "X_TENANT_ID": "demo", "X_INSTANCE_ID_SIGNATURE": signature(ID, b"guessed")}, 403),
        ({"X_INSTANCE_ID": ID, "X_TENANT_ID": "demo", "X_INSTANCE_ID_SIGNATURE": signature(OTHER)}, 403),
        ({"X_INSTANCE_ID": ID, "X_TENANT_ID": "other", "X_INSTANCE_ID_SIGNATURE": signature(ID)}, 404),
        ({"X_INSTANCE_ID": OTHER, "X_TENANT_ID": "demo", "X_INSTANCE_ID_SIGNATURE": signature(OTHER)}, 404),
        ({"X_INSTANCE_ID": "../secret", "X_TENANT_ID": "x", "X_INSTANCE_ID_SIGNATURE": signature("../secret")}, 404),
        ({"X_INSTANCE_ID": ID, "X_TENANT_ID": "demo", "X_INSTANCE_ID_SIGNATURE": signature(ID)}, 200),
    ],
)
def test_the_api_believes_a_signature_only(directory: pathlib.Path, headers: dict[str, str], status: int) -> None:
    assert metadata_api.handle(directory, request(**headers)).status == status


def test_a_signature_that_is_no_text_is_refused(directory: pathlib.Path) -> None:
    headers = {"X_INSTANCE_ID": ID, "X_TENANT_ID": "demo", "X_INSTANCE_ID_SIGNATURE": "é"}
    assert metadata_api.handle(directory, request(**headers)).status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X_FORWARDED_FOR": "192.168.1.11"}, 400),
        ({"X_FORWARDED_FOR": "192.168.1.11", "X_NEUTRON_ROUTER_ID": ROUTER, "X_NEUTRON_NETWORK_ID": ROUTER}, 400),
        ({"X_FORWARDED_FOR": "192.168.1.11", "X_NEUTRON_NETWORK_ID": ROUTER}, 404),
        ({"X_FORWARDED_FOR": "192.168.1.11", "X_NEUTRON_ROUTER_ID": "../instances/x"}, 404),
        ({"X_FORWARDED_FOR": "192.168.1.12", "X_NEUTRON_ROUTER_ID": ROUTER}, 404),
        ({"X_FORWARDED_FOR": "192.168.1.12, 192.168.1.11", "X_NEUTRON_ROUTER_ID": ROUTER}, 404),
        ({"X_NEUTRON_ROUTER_ID": ROUTER}, 404),
        ({"X_FORWARDED_FOR": "192.168.1.11", "X_NEUTRON_ROUTER_ID": ROUTER}, 200),
    ],
)
def test_the_agent_knows_who_asks(directory: pathlib.Path, headers: dict[str, str], status: int) -> None:
    known = metadata_agent.identify(directory, request(**headers))
    assert known == {"instance": ID, "project": "demo"} if status == 200 else known.status == status


def test_what_the_agent_signs_the_api_believes(directory: pathlib.Path) -> None:
    headers = metadata_agent.signed(directory / "secret", {"instance": ID, "project": "demo"}, "192.168.1.11")
    sent = {name.upper().replace("-", "_"): value for name, value in headers.items()}
    assert metadata_api.handle(directory, request("/latest/meta-data/hostname", **sent)).body == b"web"


def test_without_an_api_the_agent_says_so_soon(directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_agent, "API_SECONDS", 0.05)
    known = request(X_FORWARDED_FOR="192.168.1.11", X_NEUTRON_ROUTER_ID=ROUTER)
    assert metadata_agent.handle(directory, ["127.0.0.1:1"], known).status == 503


def test_metadata_can_only_be_read() -> None:
    said: list[str] = []
    application(lambda asked: Reply(200))(
        {"REQUEST_METHOD": "POST", "PATH_INFO": "/"}, lambda status, headers: said.append(status)
    )
    assert said == ["405 Method Not Allowed"]


def test_haproxy_understands_its_configuration(tmp_path: pathlib.Path) -> None:
    if not (program := shutil.which("haproxy", path="/usr/sbin:/usr/bin:/sbin:/bin")):
        pytest.skip("haproxy is not installed")
    file = tmp_path / "haproxy.conf"
    file.write_text(haproxy.config("127.0.0.1:9697", "X-Neutron-Router-ID", ROUTER, str(tmp_path / "socket")))
    done = subprocess.run([program, "-c", "-f", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# ------------------------------------------------------------------------------------------------- secrets and passes

SECRET = File(slice="metadata", path="secret", content="", mode=0o600, secret="metadata")
PLANNED = NodeState(deployment="test", node="network", resources=(SECRET,))


def test_a_plan_knows_no_secrets_and_a_node_does() -> None:
    filled = PLANNED.filled({"metadata": "shared"})
    (file,) = filled.resources
    assert isinstance(file, File)
    assert file.content == "shared"
    assert from_json(to_json(filled)).filled({}) == filled, "what is recorded needs nobody to tell it again"
    with pytest.raises(ValueError, match="needs the secret 'metadata'"):
        PLANNED.filled({})


def test_a_secret_is_not_shown_and_does_not_make_a_plan_another_one() -> None:
    filled, other = PLANNED.filled({"metadata": "shared"}), PLANNED.filled({"metadata": "another"})
    assert fingerprint(to_json(filled)) == fingerprint(to_json(PLANNED))
    shown = changes.text(filled.resources)
    assert shown == changes.text(other.resources)
    assert "shared" not in shown + Change(filled.resources[0], other.resources[0]).describe()


def test_a_secret_is_made_once_for_its_owner(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.secret"
    assert lookup.secret(path, check=True) != lookup.secret(path, check=True)
    assert not path.exists()
    made = lookup.secret(path)
    assert lookup.secret(path) == lookup.secret(path, check=True) == made
    assert len(made) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
