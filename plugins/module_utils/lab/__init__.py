# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The lab: machines made of this host's namespaces, the wires between them, and guests inside them."""
