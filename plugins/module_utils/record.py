# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""What a node remembers: the state that was last applied to it, and whether a run was cut short.

The record is what a boot restores. The journal exists from the first change of a run to its end, so one that is found
at the start of a run was left by a run that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import typing

from .changes import Change
from .errors import TenantnetError
from .state import STATE_DIR, NodeState, from_json, to_json

RECORD = f"{STATE_DIR}/state.json"
JOURNAL = f"{STATE_DIR}/journal.json"
LOCK = "/run/tenantnet/lock"
LOCK_SECONDS = 60.0


def load() -> NodeState | None:
    """The recorded state, None when there is none; raises TenantnetError when it cannot be understood."""
    try:
        with open(RECORD, encoding="utf-8") as file:
            return from_json(json.load(file))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as exc:
        raise TenantnetError(f"the recorded state {RECORD} cannot be understood: {exc}") from exc


def save(state: NodeState, slices: typing.Collection[str]) -> None:
    """Record the given slices as in `state` and the others as they were; a state without resources leaves no record."""
    old = load()
    kept = () if old is None else tuple(r for r in old.resources if r.slice not in slices)
    new = NodeState(deployment=state.deployment, node=state.node, resources=kept + state.only(slices).resources)
    if not new.resources:
        _remove(RECORD)
    elif new != old:
        _write(RECORD, json.dumps(to_json(new)))


def interrupted() -> bool:
    """Whether an earlier run was cut short, and nothing has converged the node since."""
    return os.path.exists(JOURNAL)


def begin(changes: typing.Sequence[Change]) -> None:
    """Write the journal, before the first change."""
    _write(JOURNAL, json.dumps([change.describe() for change in changes], indent=1))


def end() -> None:
    """Remove the journal: the node is in a state that was meant."""
    _remove(JOURNAL)


@contextlib.contextmanager
def lock(seconds: float = LOCK_SECONDS) -> typing.Iterator[None]:
    """Be the only one who changes this node; raises TenantnetError when another run still does at the deadline."""
    os.makedirs(os.path.dirname(LOCK), exist_ok=True)
    deadline = time.monotonic() + seconds
    with open(LOCK, "a+", encoding="utf-8") as file:
        while not _locked(file):
            if time.monotonic() > deadline:
                file.seek(0)
                holder = file.read().strip()
                raise TenantnetError(f"waited {seconds:g} s for another run on this node (process {holder}) to end")
            time.sleep(0.05)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _locked(file: typing.TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(path: str, content: str) -> None:
    """Replace a file at once, for root's eyes only; it is on the disk when this returns."""
    directory = os.path.dirname(path)
    os.makedirs(directory, exist_ok=True)
    temporary = f"{path}.new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync(directory)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        _sync(os.path.dirname(path))


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
