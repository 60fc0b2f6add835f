# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Action plugin `tenantnet.ovs.verify`: measure the checks of a plan, show progress, end with what was found."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.plan.attacks import ATTACKS
from ..plugin_utils.plan.check import DISTURBING, GROUPS, Check, from_json, to_json
from ..plugin_utils.verify.summary import Summary, result

#: Groups of the inventory that make a host a node.
NODES = ("controllers", "network_nodes", "compute_nodes")
LAB = "tenantnet.ovs.netns"  # connection to the machines of a lab
#: How testinfra reaches a host is in these variables (ansible_…), worked out here by all of the rules of Ansible.
REACH = ("connection", "host", "port", "user", "ssh_private_key_file", "private_key_file", "ssh_common_args")
OUTSIDE = "outside"  # the machine that stands for the Internet: of a lab, or a host of the inventory
MARGIN = " " * 8

COLLECTION = pathlib.Path(__file__).parents[2]
TESTS = COLLECTION / "tests/datapath"


class ActionModule(ActionBase):
    """Runs on the control host only."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"attacks", "checks", "groups"})

    def run(self, tmp: str | None = None, task_vars: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
        found: dict[str, typing.Any] = super().run(tmp, task_vars)
        spec = {
            "checks": {"type": "list", "elements": "dict", "required": True},
            "groups": {"type": "list", "elements": "str", "choices": list(GROUPS)},
            "attacks": {"type": "bool", "default": False},
        }
        args = self.validate_argument_spec(argument_spec=spec)[1]
        checks = chosen([from_json(json.loads(json.dumps(c))) for c in args["checks"]], args["groups"], args["attacks"])
        if self._task.check_mode:
            return found | {"skipped": True, "msg": f"{len(checks)} checks; nothing is measured in check mode"}
        variables = task_vars or {}
        directory = pathlib.Path(tempfile.mkdtemp(prefix="tenantnet-verify-"))
        (directory / "hosts.json").write_text(json.dumps(inventory(variables, directory)))
        command = _command(directory, checks, hosts(variables))
        summary = self._measure(directory, Summary(checks, "attack" if args["attacks"] else "group"), checks, command)
        if not summary.failed:
            shutil.rmtree(directory)
            return found | {"summary": summary.counts(), "msg": _total(summary)}
        (directory / "diagnostics.txt").write_text(summary.diagnostics())
        return found | {"failed": True, "summary": summary.counts(), "msg": _failure(summary, directory, command)}

    def _measure(
        self, directory: pathlib.Path, summary: Summary, checks: Sequence[Check], command: Sequence[str]
    ) -> Summary:
        """Run pytest and show each section as soon as it has ended."""
        known = {c.id: c for c in checks}

        def show(text: str) -> None:
            self._display.display(MARGIN + text)

        said = directory / "pytest.txt"
        for data in _run(command, said, show):
            if progress := summary.add(result(known, data)):
                show(progress)
        for reason in summary.not_measured():
            show(reason)
        if not summary.failed and len(summary.results) != len(checks):
            output = said.read_text().strip()[-4000:]
            raise AnsibleActionFail(f"pytest measured {len(summary.results)} of {len(checks)} checks:\n{output}")
        if not summary.failed:
            show(_total(summary))
        return summary


def chosen(checks: Sequence[Check], groups: Sequence[str] | None, attacks: bool) -> list[Check]:
    """Checks of some groups, by default of all that nobody feels; or those that are attacks, one after another."""
    if attacks:
        tried, order = [c for c in checks if c.attack and c.group in (groups or GROUPS)], list(ATTACKS)
        return sorted(tried, key=lambda c: order.index(c.attack))
    calm = [g for g in GROUPS if g not in DISTURBING]
    return [c for c in checks if c.group in (groups or calm)]


def hosts(variables: Mapping[str, typing.Any]) -> list[str]:
    """How testinfra reaches each node, and the outside of a lab."""
    specs, labs = [], set()
    for name, mine in _nodes(variables).items():
        if "tenantnet_lab" in mine:
            labs.add(str(mine["tenantnet_lab"]))
        if mine.get("ansible_connection") == LAB:
            machine = mine.get("tenantnet_lab_machine", name)
            specs.append(f"nsenter://{name}?namespace={mine['tenantnet_lab']}&container={machine}")
        else:
            specs.append(f"ansible://{name}?sudo=true")
    return [*specs, *(f"nsenter://{OUTSIDE}?namespace={lab}" for lab in sorted(labs)[:1])]


def inventory(variables: Mapping[str, typing.Any], directory: pathlib.Path) -> dict[str, typing.Any]:
    """The nodes that are not of a lab, for testinfra, with one SSH connection each for all that is asked."""
    found: dict[str, dict[str, typing.Any]] = {}
    for name, mine in _nodes(variables).items():
        known = {f"ansible_{word}": mine[f"ansible_{word}"] for word in REACH if f"ansible_{word}" in mine}
        shared = f"{mine.get('ansible_ssh_extra_args', '')} -o ControlPath={directory}/%n".strip()
        found[name] = known | {"ansible_ssh_extra_args": shared}
    return {"all": {"hosts": found}}


def _nodes(variables: Mapping[str, typing.Any]) -> dict[str, Mapping[str, typing.Any]]:
    """Variables of each node, and of the outside where it is a host of the inventory."""
    groups, hostvars = variables["groups"], variables["hostvars"]
    names = {str(h) for group in NODES for h in groups.get(group, ())} | ({OUTSIDE} & set(groups["all"]))
    return {name: hostvars[name] for name in sorted(names)}


def _command(directory: pathlib.Path, checks: Sequence[Check], specs: Sequence[str]) -> list[str]:
    """The command of pytest, with the checks in a file, and how to reach nodes in another."""
    file = directory / "checks.json"
    file.write_text(json.dumps([to_json(c) for c in checks]))
    options = ["--import-mode=importlib", "-p", "no:cacheprovider", "--quiet", "--no-header", "--tb=short"]
    options += [f"--config-file={os.devnull}", f"--rootdir={TESTS}"]  # not those of the project around a collection
    return [
        sys.executable,
        "-m",
        "pytest",
        *options,
        f"--checks={file}",
        f"--hosts={','.join(specs)}",
        f"--ansible-inventory={directory / 'hosts.json'}",
        str(TESTS),
    ]


def _run(command: Sequence[str], said: pathlib.Path, show: Callable[[str], None]) -> Iterator[dict[str, typing.Any]]:
    """The lines of the report, as they come; what pytest says for people goes to a file."""
    reader, writer = os.pipe()
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"  # testinfra starts ansible-inventory
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(COLLECTION.parents[2])}
    with said.open("w") as output:
        process = subprocess.Popen(
            [*command, f"--report=/dev/fd/{writer}"],
            cwd=COLLECTION,
            env=environment,
            pass_fds=[writer],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    os.close(writer)
    with process, os.fdopen(reader) as lines:
        for line in lines:
            yield json.loads(line)


def _total(summary: Summary) -> str:
    counts = summary.counts().values()
    passed, skipped = (sum(c[word] for c in counts) for word in ("passed", "not_measured"))
    return f"{passed} checks passed" + (f", {skipped} could not be measured" if skipped else "")


def _failure(summary: Summary, directory: pathlib.Path, command: Sequence[str]) -> str:
    """All failures in full, what else there is to read, and how to ask again."""
    again = shlex.join(command)
    return "\n\n".join(
        [
            f"{len(summary.failed)} of {len(summary.results)} checks failed",
            *summary.failures(),
            f"Flows, ports, neighbours and connections of the nodes: {directory / 'diagnostics.txt'}\nAgain: {again}",
        ]
    )
