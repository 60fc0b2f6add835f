# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Verification on the control host: measures the checks of the plan by testinfra's connections to the machines."""
