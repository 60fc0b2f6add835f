# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The command `tenantnet-node`: the engine without Ansible, for a boot, for a look, for a person in trouble."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import typing

from .. import engine, record
from ..changes import Change
from ..errors import TenantnetError
from ..state import NodeState, from_json

IN_SYNC, DRIFT, ERROR = 0, 1, 2


def main(argv: typing.Sequence[str] | None = None) -> int:
    """Run one command; its exit status is 0, 1 when `status` found a difference, 2 after an error."""
    parser = argparse.ArgumentParser(prog="tenantnet-node", description="Make this node what its node state says.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    restoring = commands.add_parser("restore", help="make the node what was recorded when it was last applied")
    restoring.set_defaults(run=lambda arguments: restore())
    applying = commands.add_parser("apply", help="make the node what a file says, and record that")
    applying.add_argument("file", metavar="FILE", help="a node state in JSON; - reads standard input")
    applying.set_defaults(run=lambda arguments: apply(arguments.file))
    looking = commands.add_parser("status", help="tell what differs from what was recorded; 1 when something does")
    looking.add_argument("--json", action="store_true", help="answer in JSON")
    looking.set_defaults(run=lambda arguments: status(arguments.json))
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (TenantnetError, OSError, ValueError) as exc:
        sys.stderr.write(f"tenantnet-node: {exc}\n")
        return ERROR


def restore() -> int:
    """Make the node what was recorded: after a power failure, or after somebody changed it by hand."""
    restored = engine.restore()
    if restored is None:
        _say("nothing is recorded on this node, so there is nothing to restore")
        return IN_SYNC
    return _told(*restored)


def apply(file: str) -> int:
    """Make the node what a file says."""
    text = sys.stdin.read() if file == "-" else pathlib.Path(file).read_text(encoding="utf-8")
    try:
        state = from_json(json.loads(text)).filled({})
    except (ValueError, KeyError, AttributeError) as exc:
        raise TenantnetError(f"{'standard input' if file == '-' else file} is not a node state: {exc}") from exc
    return _told(state, engine.apply(state))


def status(as_json: bool) -> int:
    """Tell what a restore would change."""
    state = record.load()
    changes = engine.apply(state, check=True).changes if state else ()
    if as_json:
        _say(json.dumps({"recorded": state is not None, "changes": [change.describe() for change in changes]}))
    elif state is None:
        _say("nothing is recorded on this node")
    else:
        _tell(changes, f"node {state.node} is as recorded", f"node {state.node} differs from what is recorded:")
    return DRIFT if changes else IN_SYNC


def _told(state: NodeState, result: engine.Result) -> int:
    _tell(result.changes, f"node {state.node} was so already", f"node {state.node} was changed:")
    return IN_SYNC


def _tell(changes: typing.Collection[Change], nothing: str, heading: str) -> None:
    _say("\n".join([heading, *(f"  {change.describe()}" for change in changes)] if changes else [nothing]))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
