# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""HTTP as a client asks. A module of its own: what it imports takes longer to load than all the rest."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable

from . import Json


def pages(args: Json, ready: Callable[[], None]) -> Json:
    """HTTP GET of several `paths` of an address, each with the `headers`: path -> `status`, `body`, `sha256`."""
    return {"pages": {path: _page(args, path) for path in args["paths"]}}


def _page(args: Json, path: str) -> Json:
    connection = http.client.HTTPConnection(
        args["address"], timeout=args["seconds"], source_address=(args["source"], 0)
    )
    try:
        connection.request("GET", path, headers=args.get("headers", {}))
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as exc:
        return {"status": 0, "body": str(exc) or type(exc).__name__, "sha256": ""}
    finally:
        connection.close()
    text = body[:65536].decode(errors="replace")
    return {"status": response.status, "body": text, "sha256": hashlib.sha256(body).hexdigest()}


def get(args: Json, ready: Callable[[], None]) -> Json:
    """HTTP GET; `status` and `body`, or `error`."""
    source = (args["source"], 0) if "source" in args else None
    port = args.get("port", 80)
    connection = http.client.HTTPConnection(args["address"], port, timeout=args["seconds"], source_address=source)
    try:
        connection.request("GET", args.get("path", "/"))
        response = connection.getresponse()
        return {"status": response.status, "body": response.read(65536).decode(errors="replace").strip()}
    except (OSError, http.client.HTTPException) as exc:
        return {"error": str(exc) or type(exc).__name__}
