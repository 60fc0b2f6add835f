# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Screen output of a deployment: a line for each role or task, then what changed on each node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: A line for each role or task, and a table of what changed on each node
version_added: 0.1.0
description:
  - Prints one line for each role, or task outside of a role, with the nodes that it changed, found right or failed on.
  - A failure is printed in full and once, however many nodes it struck; nothing is printed of tasks that were skipped.
  - At the end of each playbook that applied node states, prints what changed on each node, and how long applying took.
  - In check mode, says C(would change). Differences are printed only with C(--diff).
  - With C(-v), everything but that table is Ansible's own default output.
author: tenantnet developers (@tenantnet)
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

import dataclasses
import functools
import shutil
import sys
import textwrap
import time
import typing

from ansible import constants as C
from ansible import context
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Default

from ..module_utils.printable import printable_lines

if typing.TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

#: They return what they changed on a node by kind.
APPLYING = ("tenantnet.ovs.node", "tenantnet.ovs.handover")

#: From harmless to bad: of several tasks of a role, the worst outcome counts for a node.
OUTCOMES = ("ok", "changed", "failed", "unreachable")
COLORS = dict(zip(OUTCOMES, (C.COLOR_OK, C.COLOR_CHANGED, C.COLOR_ERROR, C.COLOR_UNREACHABLE), strict=True))
MARGIN = " " * 8


@dataclasses.dataclass
class Step:
    """Consecutive tasks of one role, or one task outside of a role."""

    name: str
    outcomes: dict[str, str] = dataclasses.field(default_factory=dict)  # node -> worst outcome
    changes: dict[str, int] = dataclasses.field(default_factory=dict)  # node -> number, where the module counted
    failures: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # message -> nodes
    notes: list[str] = dataclasses.field(default_factory=list)  # lines that a task wants to be read

    def add(self, node: str, outcome: str) -> None:
        """Take in the outcome of one task on one node."""
        self.outcomes[node] = max(outcome, self.outcomes.get(node, "ok"), key=OUTCOMES.index)

    def nodes(self, outcome: str) -> str:
        """Nodes with this outcome, with the number of changes where it is known."""
        names = sorted(node for node, its in self.outcomes.items() if its == outcome)
        return ", ".join(f"{n} ({self.changes[n]})" if self.changes.get(n) else n for n in names)


@dataclasses.dataclass
class Applied:
    """What applying its state did to one node."""

    counts: dict[str, int] = dataclasses.field(default_factory=dict)  # kind of resource -> changes
    seconds: float = 0.0


def compact(method: typing.Callable[..., None], name: str = "") -> typing.Callable[..., None]:
    """Let Ansible's own method (of this name) take the place of ours under -v."""
    default = getattr(Default, name or method.__name__)

    @functools.wraps(method)
    def choose(self: CallbackModule, *args: typing.Any, **kwargs: typing.Any) -> None:
        (default if self._display.verbosity else method)(self, *args, **kwargs)

    return choose


def messages(result: typing.Mapping[str, typing.Any]) -> list[str]:
    """What a failed task says to a person; of a loop, what its failed items say."""
    items = [item for item in result.get("results", ()) if item.get("failed")]
    if items:
        return [message for item in items for message in messages(item)]
    message, said = str(result.get("msg") or "failed"), result.get("stderr") or result.get("stdout") or ""
    return [f"{message}\n{said}".strip() if result.get("rc") else message]


def visible(diff: typing.Any) -> typing.Any:
    """What a module says it changed, with what is not visible escaped."""
    if isinstance(diff, list):
        return [visible(one) for one in diff]
    return {key: printable_lines(value) if isinstance(value, str) else value for key, value in diff.items()}


class CallbackModule(Default):
    """The callback plugin."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "tenantnet.ovs.progress"

    def __init__(self) -> None:
        super().__init__()
        self._begin = time.monotonic()
        self._step = Step("")
        self._started: dict[tuple[str, str], float] = {}  # (node, task) -> when
        self._applied: dict[str, Applied] = {}  # node -> what this playbook did to it
        self._checks = False  # whether the play only looks what would change

    def _line(self, text: str, color: str | None = None) -> None:
        """Print a line in the place of the transient one. Whoever wrote it has no say about the terminal."""
        self._transient("")
        self._display.display(printable_lines(text), color=color)

    def _transient(self, text: str) -> None:
        """Show on a terminal what is being waited for; the next line takes its place."""
        if sys.stdout.isatty():
            sys.stdout.write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}\r")
            sys.stdout.flush()

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._begin), 60)
        return f"{minutes:3}:{seconds:02}"

    def _flush(self) -> None:
        """Print the step that has ended, a line for each outcome."""
        step, self._step = self._step, Step("")
        name = f"{self._clock()}  {step.name}"
        for outcome in reversed(OUTCOMES):
            if nodes := step.nodes(outcome):
                word = "would change" if outcome == "changed" and self._checks else outcome
                self._line(f"{name:<36}  {word:<12}  {nodes}", COLORS[outcome])
                name = ""
        for note in step.notes:
            self._line(textwrap.indent(note, MARGIN))
        for message, nodes in step.failures.items():
            self._line(f"\n{MARGIN}{', '.join(sorted(nodes))}:\n{textwrap.indent(message, MARGIN)}\n", C.COLOR_ERROR)

    def _record(self, result: CallbackTaskResult) -> None:
        """Add up what applying node states changed."""
        begin = self._started.pop((result.host.name, result.task._uuid), time.monotonic())
        counts = result.result.get("counts")
        if result.task.resolved_action not in APPLYING or not isinstance(counts, dict):
            return
        applied = self._applied.setdefault(result.host.name, Applied())
        applied.seconds += time.monotonic() - begin
        for kind, number in counts.items():
            applied.counts[kind] = applied.counts.get(kind, 0) + number
        self._step.changes[result.host.name] = sum(counts.values())

    def _fail(self, result: CallbackTaskResult, outcome: str) -> None:
        self._handle_warnings(result.result)
        self._step.add(self.host_label(result), outcome)
        for message in messages(result.result):
            if message.startswith("Task failed: "):  # Ansible's own words, about the playbook: tell where that is
                message += f"\nOrigin: {result.task.get_path()}"
            self._step.failures.setdefault(message, []).append(self.host_label(result))

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        self._applied = {}
        if self._display.verbosity:
            super().v2_playbook_on_start(playbook)

    @compact
    def v2_playbook_on_play_start(self, play: Play) -> None:
        self._flush()
        self._play = play
        self._checks = bool(play.check_mode)
        self._line(f"\n{play.get_name()}{' (check mode: nothing is changed)' if play.check_mode else ''}")

    @compact
    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        name = task._role.get_name(include_role_fqcn=False) if task._role else task.get_name().strip()
        if name != self._step.name:
            self._flush()
            self._step.name = name
        self._transient(f"{self._clock()}  {name} …")

    @compact
    def v2_playbook_on_handler_task_start(self, task: Task) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        self._started[host.name, task._uuid] = time.monotonic()

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        self._record(result)
        if self._display.verbosity:
            super().v2_runner_on_ok(result)
        elif not isinstance(result.task, TaskInclude):
            self._ok(result)

    def _ok(self, result: CallbackTaskResult) -> None:
        self._handle_warnings(result.result)
        self._step.add(self.host_label(result), "changed" if result.result.get("changed") else "ok")
        self._transient(f"{self._clock()}  {self._step.name}: {', '.join(self._step.outcomes)} done …")
        if result.task.action in C._ACTION_DEBUG and "msg" in result.result:
            self._step.notes.append(str(result.result["msg"]))

    @compact
    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._fail(result, "failed")

    @compact
    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        self._fail(result, "unreachable")

    def _warn(self, result: CallbackTaskResult) -> None:
        self._handle_warnings(result.result)

    def _nothing(self, *ignored: typing.Any) -> None:
        """Say nothing: the line of the step will do."""

    v2_runner_on_skipped = compact(_warn, "v2_runner_on_skipped")
    v2_runner_item_on_ok = compact(_warn, "v2_runner_item_on_ok")
    v2_runner_item_on_failed = compact(_warn, "v2_runner_item_on_failed")
    v2_runner_item_on_skipped = compact(_warn, "v2_runner_item_on_skipped")
    v2_playbook_on_include = compact(_nothing, "v2_playbook_on_include")
    v2_playbook_on_no_hosts_remaining = compact(_nothing, "v2_playbook_on_no_hosts_remaining")

    @compact
    def v2_on_file_diff(self, result: CallbackTaskResult) -> None:
        results = result.result.get("results", [result.result]) if result.task.loop else [result.result]
        diffs = [self._get_diff(visible(one["diff"])) for one in results if one.get("diff") and one.get("changed")]
        if text := "".join(diffs).strip("\n"):
            self._transient("")
            self._display.display(f"{self.host_label(result)}:\n{text}\n")  # with Ansible's own colors

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        self._flush()
        if self._display.verbosity:
            super().v2_playbook_on_stats(stats)
        if self._applied:
            self._table()
        if bad := sorted({*stats.failures, *stats.dark}):
            self._line(f"\nFailed after {time.monotonic() - self._begin:.1f} s on {', '.join(bad)}", C.COLOR_ERROR)

    def _table(self) -> None:
        """Print what changed on each node, by kind, and how long applying took."""
        nodes = max(len("node"), *map(len, self._applied)) + 2
        width = max(shutil.get_terminal_size((120, 24)).columns - nodes - 9, 40)
        self._line(f"\n{'node':<{nodes}}{'apply':>7}  {'would change' if context.CLIARGS['check'] else 'changed'}")
        for node, applied in sorted(self._applied.items()):
            kinds = ", ".join(f"{number} {kind}" for kind, number in applied.counts.items() if number) or "none"
            text = textwrap.indent(textwrap.fill(kinds, width), " " * (nodes + 9)).lstrip()
            self._line(f"{node:<{nodes}}{applied.seconds:>5.1f} s  {text}")
