# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Who supervises the daemons of this node: systemd where it runs, s6 elsewhere.

A service is a name, a command and a record: any text that is kept beside it for whoever wrote it. All of it is gone
after a boot; what was recorded of the node brings it back.
"""

from __future__ import annotations

import pathlib
import typing

from .s6 import S6
from .systemd import Systemd

#: Exists where systemd is the init, sd_booted(3).
_BOOTED = pathlib.Path("/run/systemd/system")


class Supervisor(typing.Protocol):
    """What there is to ask and to do. A method that takes several services does its work on all at the same time."""

    def names(self, prefix: str) -> list[str]:
        """Services there are, running or not."""

    def write(self, name: str, namespace: str, command: typing.Sequence[str]) -> None:
        """Make a service, or give one another command; neither starts anything."""

    def is_written(self, name: str, namespace: str, command: typing.Sequence[str]) -> bool:
        """Whether the service has exactly this command, whichever interpreter is to start it."""

    def record(self, name: str, text: str) -> None:
        """Keep a text beside the service."""

    def recorded(self, name: str) -> str:
        """The text that was kept; "" when there is none."""

    def pids(self, names: typing.Sequence[str]) -> dict[str, int]:
        """Processes of the services that are up; one that dies again and again is not."""

    def start(self, names: typing.Sequence[str]) -> None:
        """Start services, those that run anew; each is up afterwards, or an error says why."""

    def reload(self, names: typing.Sequence[str]) -> None:
        """Send SIGHUP."""

    def remove(self, names: typing.Sequence[str]) -> None:
        """End services and remove all that there is of them."""


def supervisor() -> Supervisor:
    """The one of this node."""
    return Systemd() if _BOOTED.is_dir() else S6()
