# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What an instance may read about itself: the trees of OpenStack and of EC2, as Nova has them.

Pure: an instance is what plan/metadata.py wrote about it; a page is a path in one of the trees. Both are needed by
everybody, as cloud-init's OpenStack data source reads the EC2 tree too.
"""

from __future__ import annotations

import base64
import json
import os
import typing

from .metadata_http import JSON, TEXT, Reply

#: File of the OpenStack tree -> first version that has it.
FILES = {
    "meta_data.json": "2012-08-10",
    "user_data": "2012-08-10",
    "vendor_data.json": "2013-10-17",
    "network_data.json": "2015-10-15",
    "vendor_data2.json": "2016-10-06",
}
OPENSTACK = (
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "2025-04-04",
    "latest",
)
EC2 = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
)

SEED_BYTES = 512

Json = typing.Mapping[str, typing.Any]
Tree = typing.Mapping[str, typing.Any]  # name -> text, or a tree


def page(instance: Json, path: str) -> Reply | None:
    """What stands at a path; None when there is nothing."""
    first, *rest = [part for part in path.split("/") if part] or [""]
    if first == "":
        return _text("\n".join(EC2))
    if first == "openstack":
        return _openstack(instance, rest)
    return _ec2(instance, rest) if first in EC2 else None


def _text(text: str) -> Reply:
    return Reply(200, text.encode(), TEXT)


def _json(data: Json) -> Reply:
    return Reply(200, json.dumps(data, sort_keys=True).encode(), JSON)


# ---------------------------------------------------------------------------------------------------------- OpenStack


def _openstack(instance: Json, parts: typing.Sequence[str]) -> Reply | None:
    if not parts:
        return _text("\n".join(OPENSTACK))
    version, *rest = parts
    if version not in OPENSTACK:
        return None
    # "latest" is a word, and greater than any date.
    files = [f for f, first in FILES.items() if first <= version and (f != "user_data" or instance["user_data"])]
    if not rest:
        return _text("\n".join(files))
    return _file(instance, rest[0]) if len(rest) == 1 and rest[0] in files else None


def _file(instance: Json, name: str) -> Reply:
    if name == "user_data":
        return Reply(200, instance["user_data"].encode(), "application/octet-stream")
    if name == "network_data.json":
        return _json(instance["network_data"])
    return _json(_meta_data(instance) if name == "meta_data.json" else {})


def _meta_data(instance: Json) -> Json:
    keys = instance["public_keys"]
    return {
        "uuid": instance["uuid"],
        "name": instance["name"],
        "hostname": instance["hostname"],
        "project_id": instance["project_id"],
        "availability_zone": instance["availability_zone"],
        "launch_index": 0,
        "public_keys": keys,
        "keys": [{"name": name, "type": "ssh", "data": key} for name, key in keys.items()],
        "devices": [],
        "random_seed": base64.b64encode(os.urandom(SEED_BYTES)).decode(),
    }


# ---------------------------------------------------------------------------------------------------------------- EC2


def _ec2(instance: Json, parts: typing.Sequence[str]) -> Reply | None:
    found: Tree | str | None = {"meta-data": _ec2_meta_data(instance)}
    if instance["user_data"]:
        found = {"meta-data": _ec2_meta_data(instance), "user-data": instance["user_data"]}
    for part in parts:
        found = found.get(part) if isinstance(found, dict) else None
    if found is None:
        return None
    return _text(found if isinstance(found, str) else _listing(found, parts[-1:]))


def _listing(tree: Tree, of: typing.Sequence[str]) -> str:
    """Names, directories with a slash at their end; a public key stands there with its number and its name."""
    if list(of) == ["public-keys"]:
        return "\n".join(f"{number}={key['name']}" for number, key in tree.items())
    return "\n".join(f"{name}/" if isinstance(tree[name], dict) else name for name in sorted(tree))


def ec2_id(prefix: str, uuid: str) -> str:
    """Id of an instance in EC2's form, which some guests insist on: `i-` and the beginning of its UUID."""
    return f"{prefix}-{uuid.replace('-', '')[:17]}"


def _ec2_meta_data(instance: Json) -> Tree:
    keys = enumerate(instance["public_keys"].items())
    tree: dict[str, typing.Any] = {
        "ami-id": "ami-00000000",
        "ami-launch-index": "0",
        "ami-manifest-path": "unknown",
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
        "hostname": instance["hostname"],
        "instance-action": "none",
        "instance-id": ec2_id("i", instance["uuid"]),
        "instance-type": "unknown",
        "local-hostname": instance["hostname"],
        "local-ipv4": instance["local_ipv4"],
        "placement": {"availability-zone": instance["availability_zone"]},
        "public-hostname": instance["hostname"],
        "public-ipv4": instance["public_ipv4"],
        "reservation-id": ec2_id("r", instance["uuid"]),
        "security-groups": "\n".join(instance["security_groups"]),
    }
    if instance["public_keys"]:
        tree["public-keys"] = {str(n): {"openssh-key": key, "name": name} for n, (name, key) in keys}
    return tree
