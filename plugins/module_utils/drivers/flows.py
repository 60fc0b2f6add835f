# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""OpenFlow rules. The cookie says which deployment and slice a flow belongs to.

A flow can be written in many ways and names ports that have numbers only on the node. So desired flows go through the
parser of ovs-ofctl with stand-in numbers for their ports, live ones come from its dump, and both are compared in the
form that ovs-ofctl prints, with names for numbers. A live flow that means the same as a desired one is returned in the
latter's spelling. Numbers of ports that are gone stay numbers, so that their flows differ and can be deleted.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import typing

from .. import vswitchd
from ..changes import Change, line
from ..errors import TenantnetError
from ..ovsdb import Row
from ..run import run
from ..state import Flow, Key, Resource, cookie, maker, owner_name, slices_of
from . import Context
from .bridges import owner_of

_OFCTL = ("ovs-ofctl", "-O", "OpenFlow14", "--no-names")

_NAME = re.compile(r'"([^"]+)"')
_NUMBER = re.compile(r"(\bin_port=|\boutput:|\bresubmit[:(])(\d+)")
_FIRST_STAND_IN = 40000  # above every number that Open vSwitch gives by itself, below OFPP_MAX

#: A cookie of 0, which many flows of others have, is not printed.
_DUMPED = re.compile(
    r"^ *(?:cookie=(?P<cookie>\w+), ?)?(?:table=(?P<table>\d+), ?)?(?P<rest>.*?)actions=(?P<actions>.*)", re.MULTILINE
)
_PARSED = re.compile(r": ADD (?:table:(?P<table>\d+) )?(?P<rest>.*?)cookie:(?P<cookie>0x1) actions=(?P<actions>.*)")
_EXTRA = re.compile(r"\w+_timeout=|importance=|send_flow_rem|check_overlap|no_\w+_counts")
#: What was learned is about such a match, in a flow of a VLAN or of a MAC in it.
_LEARNABLE = re.compile(r"dl_vlan=(?P<vlan>\d+)(?:,dl_dst=(?P<mac>[\da-f:]+))?")
_SOURCE = re.compile(r"in_port=(\d+)")
_OLD = "reset_counts"  # what is printed of a flow that was added with an OpenFlow that knew no flags
_DEFAULT_PRIORITY = 32768  # not printed


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    """A flow as ovs-ofctl prints it, ports by name. `slice` is "" for flows of others."""

    table: int
    priority: int
    match: str
    actions: str
    slice: str = ""

    def key(self, bridge: str) -> Key:
        return (bridge, str(self.table), str(self.priority), self.match)


#: What Open vSwitch itself puts into a bridge whose fail_mode is (or was) standalone.
_STANDALONE = _Rule(table=0, priority=0, match="", actions="NORMAL")


class FlowDriver:
    """Flows in any bridge of the node, as far as their cookies are ours."""

    kind: type[Resource] = Flow

    def __init__(self, context: Context) -> None:
        self._ovsdb = context.ovsdb
        self._deployment = context.deployment
        self._slices = {cookie(context.deployment, slice_): slice_ for slice_ in slices_of(context.deployment)}
        self._learned = cookie(context.deployment, "learned")
        self._canonical: dict[Flow, _Rule] = {}
        self._numbers: dict[str, dict[str, int]] = {}  # bridge -> port -> number, of ports gone since the dump as well

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """A flow of others that does just what is desired counts as satisfied: an adopted bridge may have some."""
        wanted = self._wanted(desired)
        live: dict[Key, Resource] = {}
        for bridge, rule in self._dumped():
            flow, canonical = wanted.get(rule.key(bridge), (None, None))
            same = canonical is not None and canonical.actions == rule.actions
            if flow is not None and same and not rule.slice:
                live[flow.key] = flow
            elif rule.slice:
                found = _flow(bridge, rule, flow, same)
                live[found.key] = found
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """A flow of others with the match and priority of a desired one, which would overwrite it."""
        wanted = self._wanted(desired)
        return [
            f"a flow of bridge {bridge} is in the way and was not made by {maker(self._deployment)}: "
            f"table={rule.table}, priority={rule.priority}, {rule.match or 'any packet'}, actions={rule.actions}"
            for bridge, rule in self._dumped()
            if not rule.slice and rule != _STANDALONE and rule.key(bridge) in wanted
            if wanted[rule.key(bridge)][1].actions != rule.actions
        ]

    def apply(self, changes: typing.Sequence[Change]) -> None:
        """One bundle for each bridge: all of its flows change at once, or none."""
        for bridge, bundle in _bundles(changes).items():
            numbers = self._resolve(bridge, [change.after for change in bundle if change.after is not None])
            lines = [*(self._line(change, numbers) for change in bundle), *self._stale(bundle, numbers)]
            self._send(bridge, lines)
        self._forget_macs(changes)

    def forget(self, changes: typing.Sequence[Change]) -> None:
        """Forget once more what was learned before these changes.

        Open vSwitch's revalidators count what cached flows have carried, and with each count teach what those taught
        when they were made: one that was at work during the changes may have taught it after them, for the next 300 s
        (XC_LEARN and XC_NORMAL in ofproto-dpif-xlate-cache.c). When all have been looked at again, none does.
        """
        if owner_name(self._deployment):  # nothing of theirs was learned for us
            return
        there = {row["name"] for row in self._ovsdb.rows("Bridge").values()}
        changed = [change for change in changes if change.before is not None and change.key[0] in there]
        portless = _bundles(
            change for change in changed if not _NAME.search(change.key[-1])
        )  # ports may be gone by now
        stale = {bridge: lines for bridge, bundle in portless.items() if (lines := self._stale(bundle, {}))}
        if stale or self._replaced(changed):
            vswitchd.revalidate(self._ovsdb.rundir)
        for bridge, lines in stale.items():
            self._send(bridge, lines)
        self._forget_macs(changed)

    def _socket(self, bridge: str) -> pathlib.Path:
        return self._ovsdb.rundir / f"{bridge}.mgmt"

    def _at(self, bridge: str) -> str:
        """A bridge for ovs-ofctl, of whichever ovs-vswitchd."""
        return f"unix:{self._socket(bridge)}"

    def _send(self, bridge: str, lines: typing.Iterable[str]) -> None:
        run([*_OFCTL, "--bundle", "add-flows", self._at(bridge), "-"], stdin="\n".join(lines) + "\n")

    def _forget_macs(self, changes: typing.Sequence[Change]) -> None:
        if self._replaced(changes):  # who is in that VLAN is behind another port of the bridge from now on
            there = {row["name"] for row in self._ovsdb.rows("Bridge").values()}
            vswitchd.forget_macs(self._ovsdb.rundir, sorted({flow.bridge for flow in self._canonical} & there))

    def _replaced(self, changes: typing.Sequence[Change]) -> set[str]:
        gone = [flow for flow in (change.before for change in changes) if isinstance(flow, Flow)]
        return replaced(gone, self._canonical)

    def _line(self, change: Change, numbers: typing.Mapping[str, int]) -> str:
        flow = typing.cast(Flow, change.subject)
        own = hex(cookie(self._deployment, flow.slice))
        if change.after is None:
            return f"delete_strict cookie={own}/-1,{_match(flow, numbers)}"
        return f"add cookie={own},{_match(flow, numbers)} actions={_numbered(flow.actions, numbers)}"

    def _stale(self, bundle: typing.Sequence[Change], numbers: typing.Mapping[str, int]) -> list[str]:
        """What was learned of a VLAN or MAC whose flow changes, or leads to a port whose flow goes: it may be wrong.

        When a tunnel id is let in no longer, all of it: as long as it was, packets from nodes that did not know the new
        one yet taught the old one again. Whatever is still right is learned again from the next packet.
        """
        found = set()
        for change in bundle:
            match = _numbered(typing.cast(Flow, change.subject).match, numbers)
            if about := _LEARNABLE.fullmatch(match):
                mac = f",dl_dst={about['mac']}" if about["mac"] else ""
                found.add(f",vlan_tci={int(about['vlan']):#06x}/0x0fff{mac}")
            elif change.after is None and (source := _SOURCE.fullmatch(match)):
                found.add(f",out_port={source[1]}")
            elif change.after is None and match.startswith("tun_id="):
                found.add("")
        return [f"delete cookie={self._learned:#x}/-1{what}" for what in sorted(found)]

    def _resolve(self, bridge: str, flows: typing.Sequence[Resource]) -> dict[str, int]:
        """Numbers of the ports of a bridge; raises TenantnetError when one that a new flow names has none."""
        if bridge not in {row["name"] for row in self._ovsdb.rows("Bridge").values()}:
            raise TenantnetError(f"flows cannot be added: bridge {bridge} does not exist")
        names = {name for flow in flows for name in _names(typing.cast(Flow, flow))}
        if absent := sorted(names - self._ovsdb.interfaces(bridge).keys()):
            raise TenantnetError(f"flows of bridge {bridge} name ports that it does not have: {', '.join(absent)}")
        what = f"Open vSwitch to number the ports {', '.join(sorted(names))} of bridge {bridge}"
        self._ovsdb.wait(lambda: names <= self._ovsdb.ofports(bridge).keys(), what)
        return {**self._numbers.get(bridge, {}), **self._ovsdb.ofports(bridge)}

    def _dumped(self) -> typing.Iterator[tuple[str, _Rule]]:
        """Flows of all bridges, except those that a learn action made."""
        for row in self._ovsdb.rows("Bridge").values():
            bridge = row["name"]
            understood = not row["protocols"] or "OpenFlow14" in row["protocols"]
            if not understood or not self._socket(bridge).exists() or self._loses_its_flows(row):
                continue
            self._numbers[bridge] = self._ovsdb.ofports(bridge)
            names = {number: name for name, number in self._numbers[bridge].items()}
            for found in _DUMPED.finditer(run([*_OFCTL, "dump-flows", "--no-stats", self._at(bridge)])):
                mark = int(found["cookie"] or "0", 16)
                if mark != self._learned:
                    yield bridge, _rule(found, names, self._slices.get(mark, ""))

    def _loses_its_flows(self, row: Row) -> bool:
        """Whether Open vSwitch will forget them all: no bridge of a deployment has controllers, and so they go."""
        return bool(row["controller"]) and owner_of(row) == self._deployment and not owner_name(self._deployment)

    def _wanted(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, tuple[Flow, _Rule]]:
        """Desired flows, and how ovs-ofctl would print them, by the key that they then have."""
        if not self._ovsdb.running:
            return {}
        flows = [flow for flow in desired.values() if isinstance(flow, Flow)]
        if new := [flow for flow in flows if flow not in self._canonical]:
            self._canonical.update(zip(new, _parse(new), strict=True))
        return {self._canonical[flow].key(flow.bridge): (flow, self._canonical[flow]) for flow in flows}


def _bundles(changes: typing.Iterable[Change]) -> dict[str, list[Change]]:
    """Changes by bridge."""
    bundles: dict[str, list[Change]] = {}
    for change in changes:
        bundles.setdefault(change.key[0], []).append(change)
    return bundles


def replaced(gone: typing.Iterable[Flow], wanted: typing.Iterable[Flow]) -> set[str]:
    """VLANs into which the way of some flows that go leads no longer, but that of others, in another bridge, does."""
    old = [(flow.way_into, flow.bridge) for flow in gone if flow.way_into]
    new = [(flow.way_into, flow.bridge) for flow in wanted if flow.way_into]
    return {vlan for vlan, bridge in old if any(v == vlan and b != bridge for v, b in new)}


def _parse(flows: typing.Sequence[Flow]) -> list[_Rule]:
    """Flows as ovs-ofctl prints them. No bridge is needed; raises TenantnetError when one of them is malformed."""
    names = sorted({name for flow in flows for name in _names(flow)})
    numbers = {name: _FIRST_STAND_IN + index for index, name in enumerate(names)}
    lines = [f"cookie=0x1,{_match(flow, numbers)} actions={_numbered(flow.actions, numbers)}\n" for flow in flows]
    try:
        printed = run([*_OFCTL, "parse-flows", "-"], stdin="".join(lines))
    except TenantnetError as exc:
        if found := re.search(r" -:(\d+): (.*)", str(exc)):
            raise TenantnetError(f"{line(flows[int(found[1]) - 1])}: {found[2]}") from exc
        raise
    return [_rule(found, dict(zip(numbers.values(), names, strict=True)), "") for found in _PARSED.finditer(printed)]


def _rule(found: re.Match[str], names: typing.Mapping[int, str], slice_: str) -> _Rule:
    """A line of ovs-ofctl. Timeouts and flags, which no flow of ours has, stay visible as part of the actions."""
    extras = [word for word in re.split(r",? ", found["rest"].strip(" ,")) if word not in ("", _OLD)]
    last = extras.pop() if extras and not _EXTRA.match(extras[-1]) else ""
    priority, match = re.fullmatch(r"(?:priority=(\d+),?)?(.*)", last).groups()  # type: ignore[union-attr]
    return _Rule(
        table=int(found["table"] or 0),
        priority=int(priority or _DEFAULT_PRIORITY),
        match=_named(match, names),
        actions=" ".join([*extras, _named(found["actions"], names)]),
        slice=slice_,
    )


def _flow(bridge: str, rule: _Rule, wanted: Flow | None, same: bool) -> Flow:
    """A live flow of ours, in the spelling of the desired one as far as it means the same."""
    return Flow(
        slice=rule.slice,
        bridge=bridge,
        table=rule.table,
        priority=rule.priority,
        match=wanted.match if wanted else rule.match,
        actions=wanted.actions if wanted and same else rule.actions,
    )


def _match(flow: Flow, numbers: typing.Mapping[str, int]) -> str:
    match = f",{_numbered(flow.match, numbers)}" if flow.match else ""
    return f"table={flow.table},priority={flow.priority}{match}"


def _names(flow: Flow) -> set[str]:
    return set(_NAME.findall(f"{flow.match} {flow.actions}"))


def _numbered(text: str, numbers: typing.Mapping[str, int]) -> str:
    return _NAME.sub(lambda found: str(numbers[found[1]]), text)


def _named(text: str, names: typing.Mapping[int, str]) -> str:
    def name(found: re.Match[str]) -> str:
        number = int(found[2])
        return f'{found[1]}"{names[number]}"' if number in names else found[0]

    return _NUMBER.sub(name, text)
