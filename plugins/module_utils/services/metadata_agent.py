# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The metadata agent on a network node: it tells from the router or network and the address which instance is asking.

    tenantnet-metadata-agent --socket PATH --group GROUP --directory DIRECTORY --api ADDRESS:PORT...

Only haproxy reaches the socket, and it alone writes the headers that are believed here.
"""

from __future__ import annotations

import argparse
import http.client
import os
import pathlib
import shutil
import sys
import typing
import urllib.parse

from ..errors import TenantnetError
from ..wait import until
from .metadata_http import (
    ADDRESS,
    INSTANCE,
    NETWORK,
    PROJECT,
    ROUTER,
    SIGNATURE,
    TEXT,
    Json,
    Reply,
    Request,
    load,
    refusal,
    server,
    sign,
)

API_SECONDS = 2.0  # that all APIs may be away, while a controller restarts one
ANSWER_SECONDS = 10.0

Headers = dict[str, str]


def main() -> int:
    """Serve until told to end; 1 when that cannot begin."""
    parser = argparse.ArgumentParser(prog="tenantnet-metadata-agent", description="Pass on what guests ask.")
    parser.add_argument("--socket", required=True, type=pathlib.Path)
    parser.add_argument("--group", required=True, help="group that may connect: haproxy's")
    parser.add_argument("--directory", required=True, type=pathlib.Path, help="holds secret, routers/ and networks/")
    parser.add_argument("--api", required=True, action="append", metavar="ADDRESS:PORT")
    arguments = parser.parse_args()
    try:
        _serve(arguments)
    except (TenantnetError, OSError, LookupError) as exc:
        sys.stderr.write(f"tenantnet-metadata-agent: {arguments.socket}: {exc}\n")
        return 1
    return 0


def _serve(arguments: argparse.Namespace) -> None:
    arguments.socket.parent.mkdir(parents=True, exist_ok=True)
    os.umask(0o177)  # until it has its group the socket is root's alone
    where = {"unix_socket": str(arguments.socket), "unix_socket_perms": "660"}
    listener = server(lambda request: handle(arguments.directory, arguments.api, request), **where)
    shutil.chown(arguments.socket, group=arguments.group)
    listener.run()


def handle(directory: pathlib.Path, apis: typing.Sequence[str], request: Request) -> Reply:
    """Answer a guest: what the API says of the instance that it is."""
    known = identify(directory, request)
    if isinstance(known, Reply):
        return known
    headers = signed(directory / "secret", known, request.header(ADDRESS))
    try:
        return typing.cast(Reply, until(lambda: _ask(apis, request.path, headers), "an API to answer", API_SECONDS))
    except TenantnetError:
        return refusal(503)


def identify(directory: pathlib.Path, request: Request) -> Json | Reply:
    """The instance that asks and its project; 400 when haproxy does not say from where, 404 when it is none."""
    router, network = request.header(ROUTER), request.header(NETWORK)
    if bool(router) == bool(network):
        return refusal(400)
    known = load(directory / ("routers" if router else "networks"), router or network) or {}
    instance: Json | None = known.get(request.header(ADDRESS))
    return instance or refusal(404)


def signed(secret: pathlib.Path, instance: Json, address: str) -> Headers:
    """Headers that tell the API who asks."""
    headers = {ADDRESS: address, INSTANCE: instance["instance"], PROJECT: instance["project"]}
    return headers | {SIGNATURE: sign(secret, instance["instance"])}


def _ask(apis: typing.Sequence[str], path: str, headers: Headers) -> Reply | None:
    """The answer of the first API that gives one; None when none does."""
    for api in apis:
        connection = http.client.HTTPConnection(api, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", urllib.parse.quote(path, encoding="latin-1"), headers=headers)
            response = connection.getresponse()
            return Reply(response.status, response.read(), response.headers.get("Content-Type", TEXT))
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
    return None


if __name__ == "__main__":
    raise SystemExit(main())
