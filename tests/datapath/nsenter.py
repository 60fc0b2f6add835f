# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""testinfra back end for the machines of a lab: some milliseconds a command.

`nsenter://<node>?namespace=<lab>`, and `&container=<machine>` where the machine is not called like the node.
"""

from __future__ import annotations

import os
import shlex
import typing

from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.machine import Machine
from testinfra.backend import base


class NsenterBackend(base.BaseBackend):
    """Commands run in the namespaces of the machine's init."""

    NAME = "nsenter"

    def __init__(self, name: str, namespace: str, container: str = "", *args: typing.Any, **kwargs: typing.Any) -> None:
        self.machine = Machine(namespace, container or name)
        super().__init__(name, *args, **kwargs)

    def run(self, command: str, *args: str, **_: typing.Any) -> base.CommandResult:
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        argv = [*as_root, *self.machine.enter(["/bin/sh", "-c", self.get_command(command, *args)])]
        return self.run_local(shlex.join(argv))
