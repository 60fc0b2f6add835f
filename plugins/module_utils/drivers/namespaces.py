# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Network namespaces with their sysctls; kernel modules and sysctls of the node itself.

A namespace of ours carries its deployment and slice as the alias of its loopback device, from before it has a name.
"""

from __future__ import annotations

import functools
import pathlib
import typing

from .. import sysctl
from ..changes import Change
from ..netns import Session
from ..run import run
from ..state import Key, Module, Namespace, Resource, Sysctl, maker, owner_name
from . import Context

LOOPBACK = 1  # its index in every namespace


def mark(deployment: str, slice_: str) -> str:
    """Alias of the loopback device of a namespace of ours."""
    return f"tenantnet {deployment}/{slice_}"


def marked_slice(alias: str | None, deployment: str) -> str | None:
    """The slice that a loopback device's alias names, if the namespace is this deployment's."""
    prefix = mark(deployment, "")
    return alias.removeprefix(prefix) if alias and alias.startswith(prefix) else None


class ModuleDriver:
    """Kernel modules: loaded when their feature is not there, never unloaded."""

    kind: type[Resource] = Module

    def __init__(self, context: Context) -> None:
        pass

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """A feature that is there, in whatever way, is as good as the module."""
        return {key: m for key, m in desired.items() if isinstance(m, Module) and pathlib.Path(m.probe).exists()}

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """Nothing is in the way of a module."""
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        """Load it; what its loading switches on for everybody is set right at once."""
        for module in (change.after for change in changes):
            if isinstance(module, Module):
                run(["modprobe", module.name])
                _write(module.sysctls)


class SysctlDriver:
    """Settings of the node's own namespace: only desired ones are looked at, and none is ever taken back."""

    kind: type[Resource] = Sysctl

    def __init__(self, context: Context) -> None:
        pass

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """What the kernel does not know is left out."""
        values = {key: sysctl.read(*key) for key in desired}
        return {
            key: Sysctl(slice=desired[key].slice, name=key[0], value=value)
            for key, value in values.items()
            if value is not None
        }

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """Nothing: a setting has no owner."""
        return []

    def apply(self, changes: typing.Sequence[Change]) -> None:
        """Write the values."""
        for setting in (change.after for change in changes):
            if isinstance(setting, Sysctl):
                sysctl.write(setting.name, setting.value)


class NamespaceDriver:
    """Named network namespaces."""

    kind: type[Resource] = Namespace

    def __init__(self, context: Context) -> None:
        self._netns = context.netns
        self._deployment = context.deployment

    def read(self, desired: typing.Mapping[Key, Resource]) -> dict[Key, Resource]:
        """Sysctls are those that the desired namespace of the same name mentions."""
        live: dict[Key, Resource] = {}
        for name in self._netns.names():
            slice_ = marked_slice(self._alias(name), self._deployment)
            if slice_ is not None:
                wanted = desired.get((name,))
                keys = wanted.sysctls if isinstance(wanted, Namespace) else ()
                live[(name,)] = Namespace(slice=slice_, name=name, sysctls=self._sysctls(name, keys))
        return live

    def foreign(self, desired: typing.Mapping[Key, Resource]) -> list[str]:
        """Namespaces of others with a name of ours."""
        names = [name for (name,) in desired if self._netns.exists(name)]
        who = maker(self._deployment) if owner_name(self._deployment) else "this deployment"
        return [
            f"network namespace {name} exists and was not made by {who}: its lo has the alias {alias or ''!r}"
            for name, alias in ((name, self._alias(name)) for name in names)
            if marked_slice(alias, self._deployment) is None
        ]

    def apply(self, changes: typing.Sequence[Change]) -> None:
        """Make, mark and set up, or delete; loopback is up in each."""
        for change in changes:
            before, after = change.before, change.after
            if not isinstance(after, Namespace):
                self._netns.delete(*change.key)
                continue
            if before is None:
                self._netns.create(after.name, functools.partial(self._prepare, after.slice))
            elif before.slice != after.slice:
                self._prepare(after.slice, self._netns.ipr(after.name))
            with self._netns.enter(after.name):
                _write(after.sysctls)

    def _prepare(self, slice_: str, ipr: Session) -> None:
        ipr.link("set", index=LOOPBACK, state="up", ifalias=mark(self._deployment, slice_))

    def _alias(self, name: str) -> str | None:
        return typing.cast("str | None", self._netns.ipr(name).link("get", index=LOOPBACK)[0].get("ifalias"))

    def _sysctls(self, name: str, keys: typing.Iterable[str]) -> dict[str, str]:
        with self._netns.enter(name):
            return {key: value for key in keys if (value := sysctl.read(key)) is not None}


def _write(sysctls: typing.Mapping[str, str]) -> None:
    for name, value in sysctls.items():
        sysctl.write(name, value)
