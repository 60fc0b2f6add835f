# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The metadata API on a controller: it answers what an agent has signed, with what the plan wrote about the instance.

tenantnet-metadata-api --listen ADDRESS:PORT --directory DIRECTORY

Nothing is kept in memory: a page is read from the instance's file when it is asked for.
"""

from __future__ import annotations

import argparse
import hmac
import pathlib
import sys

from ..errors import TenantnetError
from . import metadata_http as http
from .metadata_tree import page


def main() -> int:
    """Serve until told to end; 1 when that cannot begin."""
    parser = argparse.ArgumentParser(prog="tenantnet-metadata-api", description="Answer the agents of network nodes.")
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--directory", required=True, type=pathlib.Path, help="holds secret and instances/<id>.json")
    arguments = parser.parse_args()
    try:
        http.server(lambda request: handle(arguments.directory, request), listen=arguments.listen).run()
    except (TenantnetError, OSError) as exc:
        sys.stderr.write(f"tenantnet-metadata-api: {arguments.listen}: {exc}\n")
        return 1
    return 0


def handle(directory: pathlib.Path, request: http.Request) -> http.Reply:
    """Answer an agent: 400 when it does not say for whom, 403 when the signature is not that of the secret."""
    instance, signature = request.header(http.INSTANCE), request.header(http.SIGNATURE)
    if not instance or not request.header(http.PROJECT):
        return http.refusal(400)
    if not hmac.compare_digest(http.sign(directory / "secret", instance).encode(), signature.encode()):
        return http.refusal(403)
    data = http.load(directory / "instances", instance)
    if data is None or data["project_id"] != request.header(http.PROJECT):
        return http.refusal(404)
    return page(data, request.path) or http.refusal(404)


if __name__ == "__main__":
    raise SystemExit(main())
