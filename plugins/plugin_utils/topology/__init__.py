# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The topology: what people write, read with its places (`load`), and what it means once resolved (`model`)."""
