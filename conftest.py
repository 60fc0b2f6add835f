# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Make the checkout importable as the collection tenantnet.ovs, wherever pytest is started."""

from __future__ import annotations

import pathlib

LINK = pathlib.Path(__file__).parent / ".ansible/collections/ansible_collections/tenantnet/ovs"

if not LINK.is_symlink():
    LINK.parent.mkdir(parents=True, exist_ok=True)
    LINK.symlink_to("../../../..")
