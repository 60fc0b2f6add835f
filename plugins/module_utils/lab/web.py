# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A web server of the outside world: it answers with the address that it saw the client come from (SNAT is seen by it).

It runs alone, as `python web.py`, on port 80 of each address of its machine.
"""

from __future__ import annotations

import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    """One line for every GET."""

    def do_GET(self) -> None:
        """Answer with the client's address."""
        body = f"{self.client_address[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", 80), Handler).serve_forever()
