# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Configuration of a metadata proxy (datapath.md 4.1).

It says who asks, and nobody else does: all headers of the guest's that begin with X- are dropped, in whatever spelling,
before ours are set. A guest that asks too much gets 429, and only it.
"""

from __future__ import annotations

import string

USER = GROUP = "haproxy"  # who the package's processes are; a guest's requests are nothing for root

#: Requests a guest may send within seconds: in the long run, and at once. A boot of cloud-init needs about 60.
BASE_SECONDS, BASE_REQUESTS = 60, 600
BURST_SECONDS, BURST_REQUESTS = 10, 200

_CONFIG = string.Template("""\
# Requests are not logged: a guest could fill the disk with them.
global
    log stdout format raw daemon notice
    user $user
    group $group
    maxconn 1024
    nbthread 2

defaults
    log global
    mode http
    option dontlognull
    option http-server-close
    retries 3
    timeout http-request 30s
    timeout connect 30s
    timeout client 32s
    timeout server 32s
    timeout http-keep-alive 30s

backend base
    stick-table type ip size 10k expire ${base_seconds}s store http_req_rate(${base_seconds}s)

backend burst
    stick-table type ip size 10k expire ${burst_seconds}s store http_req_rate(${burst_seconds}s)

listen metadata
    bind $bind
    http-request track-sc0 src table base
    http-request track-sc1 src table burst
    http-request deny deny_status 429 if { sc_http_req_rate(0) gt $base_requests }
    http-request deny deny_status 429 if { sc_http_req_rate(1) gt $burst_requests }
    http-request del-header ^x[-_] -m reg
    http-request set-header X-Forwarded-For %[src]
    http-request set-header $header $id
    server agent unix@$socket
""")


def config(bind: str, header: str, id_: str, socket: str) -> str:
    """A proxy that listens at `bind` and tells the agent behind `socket` the id of its router or network."""
    return _CONFIG.substitute(
        user=USER,
        group=GROUP,
        bind=bind,
        header=header,
        id=id_,
        socket=socket,
        base_seconds=BASE_SECONDS,
        base_requests=BASE_REQUESTS,
        burst_seconds=BURST_SECONDS,
        burst_requests=BURST_REQUESTS,
    )
