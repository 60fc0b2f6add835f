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
import pathlib
import typing

from .changes import Change
from .errors import TenantnetError
from .state import STATE_DIR, NodeState, from_json, owner_name, to_json
from .wait import until

RECORD = pathlib.Path(STATE_DIR, "state.json")
JOURNAL = pathlib.Path(STATE_DIR, "journal.json")
OWNERS = pathlib.Path(STATE_DIR, "owners")  # records and journals of owners, who stand beside the deployment
LOCK = pathlib.Path("/run/tenantnet/lock")
LOCK_SECONDS = 180.0  # longer than a process stands by that nobody asks any more (services/handover.py)


def load(deployment: str = "") -> NodeState | None:
    """The recorded state of this node's deployment or of an owner, None when there is none.

    Raises TenantnetError when it cannot be understood.
    """
    path = _path(RECORD, deployment)
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as exc:
        raise TenantnetError(f"the recorded state {path} cannot be understood: {exc}") from exc


def save(state: NodeState, slices: typing.Collection[str], whole: bool) -> None:
    """Record the given slices as in `state` and the others as they were.

    `whole`: what is not in it is gone from the node, so that a state without resources leaves no record.
    """
    old, path = load(state.deployment), _path(RECORD, state.deployment)
    mine = state.only(slices).resources
    taken = {(type(r), r.key) for r in mine}  # a thing may have passed from a slice that is not applied now
    kept = [r for r in old.resources if r.slice not in slices and (type(r), r.key) not in taken] if old else []
    new = NodeState(deployment=state.deployment, node=state.node, resources=(*kept, *mine))
    text = json.dumps(to_json(new))
    if whole and not new.resources:
        _remove(path)
    elif old is None or text != json.dumps(to_json(old)):  # == would not see whether something has arrived
        _write(path, text)


def interrupted(deployment: str = "") -> bool:
    """Whether an earlier run was cut short, and nothing has converged the node since."""
    return _path(JOURNAL, deployment).exists()


def begin(changes: typing.Sequence[Change], deployment: str = "") -> None:
    """Write the journal, before the first change."""
    _write(_path(JOURNAL, deployment), json.dumps([change.describe() for change in changes], indent=1))


def end(deployment: str = "") -> None:
    """Remove the journal: the node is in a state that was meant."""
    _remove(_path(JOURNAL, deployment))


@contextlib.contextmanager
def lock(seconds: float = LOCK_SECONDS) -> typing.Iterator[None]:
    """Be the only one who changes this node; raises TenantnetError when another run still does at the deadline."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a+", encoding="utf-8") as file:
        file.seek(0)
        until(lambda: _locked(file), f"another run on this node (process {file.read().strip()}) to end", seconds)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _path(path: pathlib.Path, deployment: str) -> pathlib.Path:
    """The deployment's file, or an owner's of the same meaning."""
    name = owner_name(deployment)
    return OWNERS / f"{name}-{path.name}" if name else path


def _locked(file: typing.TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(path: pathlib.Path, content: str) -> None:
    """Replace a file at once, for root's eyes only; it is on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _remove(path: pathlib.Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync(path.parent)


def _sync(directory: pathlib.Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
