# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Daemons and the files that they read.

Files are ours because of their directory, daemons because of their service's name. Whether a daemon is restarted or
told to read again is decided here; how that is done, by the supervisor.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing

from ..changes import Change
from ..state import SLICES, STATE_DIR, Daemon, File, Key, Resource, home, owner_name
from ..supervisor import supervisor
from ..tree import Tree
from . import Context

PREFIX = "tenantnet-"

#: Stands for the digest of what a daemon has read when it does not run, so that it differs from any that should.
NOT_RUNNING = "not running"


class FileDriver:
    """Files below the directory of a slice."""

    kind: type[Resource] = File

    def __init__(self, context: Context) -> None:
        self._tree = Tree(STATE_DIR)
        self._homes = homes(context.deployment)

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        live: dict[Key, Resource] = {}
        for home_, slice_ in self._homes.items():
            for path, entry in self._tree.read(home_).items():
                content = entry.content.decode(errors="surrogateescape")
                file = File(slice=slice_, path=path, content=content, mode=entry.mode)
                wanted = desired.get(file.key)
                if isinstance(wanted, File):
                    kept = wanted.initial and entry.mode
                    file = wanted if kept else dataclasses.replace(file, secret=wanted.secret)
                live[file.key] = file
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        directories = {slice_: home_ for home_, slice_ in self._homes.items()}
        for change in changes:
            file = typing.cast(File, change.subject)
            path = f"{directories[file.slice]}/{file.path}"
            if change.after is None:
                self._tree.remove(path)
            else:
                self._tree.write(path, file.content.encode(errors="surrogateescape"), file.mode)
        for slice_ in {change.slice for change in changes}:
            self._tree.tidy(directories[slice_])


class DaemonDriver:
    """Supervised processes."""

    kind: type[Resource] = Daemon

    def __init__(self, context: Context) -> None:
        self._supervisor = supervisor()
        self._prefixes = {slice_: f"{PREFIX}{home_}-" for home_, slice_ in homes(context.deployment).items()}

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        found = [daemon for service in self._supervisor.names(PREFIX) if (daemon := self._recorded(service))]
        pids = self._supervisor.pids([self._service(daemon) for daemon in found])
        running = {daemon.key for daemon in found if self._runs(daemon, pids.get(self._service(daemon)))}
        return {d.key: d if d.key in running else dataclasses.replace(d, restart=NOT_RUNNING) for d in found}

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        self._supervisor.remove([self._service(change.subject) for change in changes if change.after is None])
        wanted = [typing.cast(Daemon, change.after) for change in changes if change.after is not None]
        reloaded = {c.key for c in changes if c.before and c.after and _only_reload(c.before, c.after)}
        started = [daemon for daemon in wanted if daemon.key not in reloaded]
        for daemon in started:
            self._supervisor.write(self._service(daemon), daemon.namespace, daemon.command)
        # One that did not run before a change that failed is not expected to run after its rollback.
        self._supervisor.start([self._service(daemon) for daemon in started if daemon.restart != NOT_RUNNING])
        self._supervisor.reload([self._service(daemon) for daemon in wanted if daemon.key in reloaded])
        for daemon in wanted:
            self._supervisor.record(self._service(daemon), json.dumps(dataclasses.asdict(daemon), indent=1) + "\n")

    def _recorded(self, service: str) -> Daemon | None:
        """The daemon of a service of ours as it was last started; None when the service is no slice's."""
        found = [slice_ for slice_, prefix in self._prefixes.items() if service.startswith(prefix)]
        if not found:
            return None
        slice_, name = found[0], service.removeprefix(self._prefixes[found[0]])
        try:
            fields = json.loads(self._supervisor.recorded(service))
            return Daemon(**{**fields, "command": tuple(fields["command"]), "slice": slice_, "name": name})
        except (ValueError, TypeError, KeyError):  # killed before it was recorded
            return Daemon(slice=slice_, name=name, namespace="", command=("true",))

    def _service(self, daemon: Resource) -> str:
        slice_, name = daemon.key
        return f"{self._prefixes[slice_]}{name}"

    def _runs(self, daemon: Daemon, pid: int | None) -> bool:
        """Whether it is up, with the command that it should have, in the namespace that has the name now."""
        written = self._supervisor.is_written(self._service(daemon), daemon.namespace, daemon.command)
        return written and pid is not None and _inhabits(pid, daemon.namespace)


def homes(deployment: str) -> dict[str, str]:
    """Slices that may have files and daemons by their directory; an owner's are the slice of one module."""
    if owner_name(deployment):
        return {home(deployment, "daemons"): "daemons"}
    return {home(deployment, slice_): slice_ for slice_ in SLICES}


def _only_reload(before: Resource, after: Resource) -> bool:
    """Whether nothing differs but what the daemon reads again on SIGHUP."""
    daemon = typing.cast(Daemon, after)
    return dataclasses.replace(typing.cast(Daemon, before), reload=daemon.reload) == daemon


def _inhabits(pid: int, namespace: str) -> bool:
    """Whether a process is in the network namespace of a name; a namespace made anew is another one."""
    home = f"/run/netns/{namespace}" if namespace else "/proc/self/ns/net"
    try:
        return pathlib.Path(f"/proc/{pid}/ns/net").samefile(home)
    except (FileNotFoundError, ProcessLookupError):
        return False
