# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Views: how each resource module sees the things that drivers drive (see resources.View)."""
