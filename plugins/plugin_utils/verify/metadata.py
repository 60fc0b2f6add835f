# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring metadata: what a guest gets from 169.254.169.254."""

from __future__ import annotations

import json
import typing

from ..plan.check import Check
from .outcome import Unmet
from .session import Json, Session, where

ADDRESS = "169.254.169.254"
SECONDS = 15.0  # longer than the proxy itself waits for the API

META_DATA, USER_DATA = "/openstack/latest/meta_data.json", "/openstack/latest/user_data"
EC2 = "/2009-04-04/meta-data"
KEYS, EC2_USER_DATA = f"{EC2}/public-keys/", "/2009-04-04/user-data"
LEAVES = {"ec2_id": f"{EC2}/instance-id", "hostname": f"{EC2}/local-hostname", "local_ipv4": f"{EC2}/local-ipv4"}


def own(session: Session, check: Check) -> None:
    """All that the topology says of the instance, in both trees."""
    place, expected = check.args["place"], check.args["expected"]
    keys = [f"{KEYS}{number}/openssh-key" for number in range(len(expected["public_keys"]))]
    pages = _pages(session, place, [META_DATA, USER_DATA, EC2_USER_DATA, KEYS, *LEAVES.values(), *keys])
    wrong = [*_openstack(pages, expected), *_ec2(pages, expected, keys)]
    if wrong:
        raise Unmet("as the topology says", "; ".join(wrong), _look(place))


def forged(session: Session, check: Check) -> None:
    """Whatever the guest says about itself, it is told about itself."""
    place, expected = check.args["place"], check.args["expected"]
    for headers in check.args["forgeries"]:
        page = _pages(session, place, [META_DATA], headers=headers)[META_DATA]
        if _uuid(page) != expected["uuid"]:
            raise Unmet(f"{place['label']} gets its own metadata with {', '.join(headers)}", _said(page), _look(place))


def _pages(session: Session, place: Json, paths: list[str], **args: typing.Any) -> Json:
    found = session.probe(place, "pages", address=ADDRESS, source=place["ip"], paths=paths, seconds=SECONDS, **args)
    pages: Json = found["pages"]
    return pages


def _openstack(pages: Json, expected: Json) -> list[str]:
    page = pages[META_DATA]
    if page["status"] != 200:
        return [f"{META_DATA}: {_said(page)}"]
    found = json.loads(page["body"])
    names = ("uuid", "hostname", "project_id", "public_keys")
    faults = [f"{n} is {found.get(n)!r} instead of {expected[n]!r}" for n in names if found.get(n) != expected[n]]
    return [*faults, *_user_data(pages, USER_DATA, expected)]


def _ec2(pages: Json, expected: Json, keys: list[str]) -> list[str]:
    wanted = {path: expected[name] for name, path in LEAVES.items()}
    wanted |= dict(zip(keys, expected["public_keys"].values(), strict=True))
    listed = [f"{n}={name}" for n, name in enumerate(expected["public_keys"])]
    if listed:
        wanted[KEYS] = "\n".join(listed)
    bad = [p for p, text in wanted.items() if pages[p]["status"] != 200 or pages[p]["body"] != text]
    faults = [f"{path}: {_said(pages[path])} instead of {wanted[path]!r}" for path in bad]
    return [*faults, *_user_data(pages, EC2_USER_DATA, expected)]


def _user_data(pages: Json, path: str, expected: Json) -> list[str]:
    page, digest = pages[path], expected["user_data"]
    if digest is None:
        return [] if page["status"] == 404 else [f"{path}: status {page['status']} where there is no user-data"]
    right = page["status"] == 200 and page["sha256"] == digest
    return [] if right else [f"{path}: status {page['status']}, not the user-data of the topology"]


def _uuid(page: Json) -> object:
    return json.loads(page["body"]).get("uuid") if page["status"] == 200 else None


def _said(page: Json) -> str:
    """What was answered, without what may be secret in it."""
    if page["status"] == 200:
        return f"it is told that it is {_uuid(page)}" if page["body"].startswith("{") else repr(page["body"][:200])
    return f"status {page['status']}: {page['body'].strip()[:200]}" if page["status"] else str(page["body"])


def _look(place: Json) -> str:
    return f"{where(place)}: ip route get {ADDRESS}; /var/log/tenantnet/tenantnet-metadata-* of the nodes"
