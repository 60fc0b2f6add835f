# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What the metadata API and the metadata agent have in common: HTTP, files of the plan, and the signature between them.

A handler is a function from a request to a reply; waitress does the rest of HTTP. It drops headers whose names hold an
underscore, so that nobody can pass one off as another in WSGI's spelling.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import http
import json
import logging
import pathlib
import re
import typing

from ..errors import TenantnetError

try:
    import waitress
except ImportError:  # told to the person in serve
    waitress = None

INSTANCE, PROJECT, SIGNATURE = "X-Instance-ID", "X-Tenant-ID", "X-Instance-ID-Signature"
ROUTER, NETWORK, ADDRESS = "X-Neutron-Router-ID", "X-Neutron-Network-ID", "X-Forwarded-For"

JSON, TEXT = "application/json", "text/plain; charset=utf-8"

#: No request of ours is large.
LIMITS = {"max_request_body_size": 1 << 16, "max_request_header_size": 1 << 14, "channel_timeout": 30, "threads": 8}

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Json = dict[str, typing.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """`path` is decoded, byte for byte (latin-1)."""

    method: str
    path: str
    environ: typing.Mapping[str, typing.Any] = dataclasses.field(default_factory=dict)

    def header(self, name: str) -> str:
        """Value of a header; "" when there is none."""
        return str(self.environ.get("HTTP_" + name.upper().replace("-", "_"), ""))


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    body: bytes = b""
    type: str = TEXT


Handler = typing.Callable[[Request], Reply]


def refusal(status: int) -> Reply:
    """A reply that says no more than its status does."""
    return Reply(status, f"{status} {http.HTTPStatus(status).phrase}\n".encode())


def application(handler: Handler) -> typing.Callable[..., list[bytes]]:
    """A handler as a WSGI application; metadata can only be read."""

    def answer(environ: typing.Mapping[str, typing.Any], start_response: typing.Callable[..., object]) -> list[bytes]:
        request = Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ)
        reply = handler(request) if request.method == "GET" else refusal(405)
        status = f"{reply.status} {http.HTTPStatus(reply.status).phrase}"
        headers = [("Content-Type", reply.type), ("Content-Length", str(len(reply.body)))]
        start_response(status, headers if reply.status != 405 else [*headers, ("Allow", "GET")])
        return [reply.body]

    return answer


def server(handler: Handler, **where: typing.Any) -> typing.Any:
    """A server that listens; its run() serves. Raises TenantnetError when the library is not there."""
    if waitress is None:
        raise TenantnetError("the Python library waitress is not installed on this node")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # guests must not be able to fill a disk with it
    # X-Forwarded-For is what haproxy or the agent has written, and the only one that there is.
    return waitress.create_server(
        application(handler), ident="", clear_untrusted_proxy_headers=False, **LIMITS, **where
    )


def load(directory: pathlib.Path, id_: str) -> Json | None:
    """What the plan wrote about a UUID; None when there is nothing. Read anew each time: it may have changed."""
    if not _ID.fullmatch(id_):
        return None
    try:
        found: Json = json.loads((directory / f"{id_}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def sign(secret: pathlib.Path, instance: str) -> str:
    """Signature of an instance's id (HMAC-SHA256, as between Neutron and Nova) with the secret in a file."""
    return hmac.new(secret.read_bytes().strip(), instance.encode(), hashlib.sha256).hexdigest()
