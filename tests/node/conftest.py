# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A scratch node: the test's own thread in namespaces of its own, with our drivers, all programs and a real kernel."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import pathlib
import typing

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import kernel
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import Change, diff
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers import Context, Driver
from ansible_collections.tenantnet.ovs.plugins.module_utils.netns import Netns
from ansible_collections.tenantnet.ovs.plugins.module_utils.ovsdb import Ovsdb
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import Key, Resource

DEPLOYMENT = "test"

DriverClass = typing.Callable[[Context], Driver]


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "who supervises daemons; systemd: of the PID and network namespaces that pytest was started in"
    parser.addoption("--supervisor", choices=["s6", "systemd"], default="s6", help=words)


@pytest.fixture
def guest_of_systemd(monkeypatch: pytest.MonkeyPatch) -> typing.Iterator[None]:
    """What systemd, which here is process 1, and its services see of files and processes; the rest is this host's."""
    monkeypatch.setenv("SYSTEMD_IGNORE_CHROOT", "1")  # its root is not ours, which systemctl notices
    with _own_namespaces("mnt"):
        kernel.mount("proc", "/proc", "proc")
        _mount_from("/proc/1/ns/mnt", "/run", "/var/log", "/etc/machine-id")
        yield


def _mount_from(namespace: str, *paths: str) -> None:
    """Mount here what is at some paths in another mount namespace, by way of mounts that are in neither."""
    libc = ctypes.CDLL(None, use_errno=True)
    here, everything, open_tree, move_mount = -100, 0x8001, 428, 429  # AT_FDCWD, AT_RECURSIVE | OPEN_TREE_CLONE

    def call(function: typing.Any, *arguments: typing.Any) -> int:
        if (result := function(*arguments)) < 0:
            raise OSError(ctypes.get_errno(), f"{function.__name__}{arguments}")
        return int(result)

    home, other = (os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in ("/proc/thread-self/ns/mnt", namespace))
    call(libc.setns, other, kernel.CLONE_NEWNS)
    trees = [call(libc.syscall, open_tree, here, path.encode(), everything) for path in paths]
    call(libc.setns, home, kernel.CLONE_NEWNS)
    for tree, path in zip(trees, paths, strict=True):
        call(libc.syscall, move_mount, tree, b"", here, path.encode(), 0x4)  # MOVE_MOUNT_F_EMPTY_PATH
    for fd in (home, other, *trees):
        os.close(fd)


@pytest.fixture
def scratch() -> typing.Iterator[None]:
    """Network and mount namespaces of the test's own, with an empty /run: nothing of this host is seen or changed."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with _own_namespaces("net", "mnt"):
        kernel.mount("tmpfs", "/run", "tmpfs")
        kernel.mount("sysfs", "/sys", "sysfs")
        yield


@contextlib.contextmanager
def _own_namespaces(*kinds: str) -> typing.Iterator[None]:
    """Have the test's thread in new namespaces for a while."""
    flags = {"net": kernel.CLONE_NEWNET, "mnt": kernel.CLONE_NEWNS}
    libc, here = ctypes.CDLL(None, use_errno=True), pathlib.Path.cwd()
    homes = [os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds]
    kernel.unshare(sum(flags[kind] for kind in kinds))
    try:
        kernel.make_private()
        yield
    finally:
        for fd in homes:
            if libc.setns(fd, 0) != 0:
                raise OSError(ctypes.get_errno(), "setns: the thread is lost in the scratch node")
            os.close(fd)
        os.chdir(here)


@dataclasses.dataclass(frozen=True)
class Node:
    """The scratch node as its drivers see it."""

    context: Context
    drivers: tuple[Driver, ...]

    @property
    def netns(self) -> Netns:
        return self.context.netns

    def read(self, *desired: Resource) -> list[Resource]:
        return [resource for driver in self.drivers for resource in driver.read(_of(driver, desired)).values()]

    def foreign(self, *desired: Resource) -> list[str]:
        return [sentence for driver in self.drivers for sentence in driver.foreign(_of(driver, desired))]

    def diff(self, *desired: Resource) -> list[Change]:
        """What differs from the desired things; nothing else of ours is to be there."""
        wanted = [(driver, _of(driver, desired)) for driver in self.drivers]
        return [change for driver, mine in wanted for change in diff(driver.read(mine), mine)]

    def apply(self, *desired: Resource) -> list[Change]:
        """Carry out what differs, like the engine: build, then prune in reverse; return what that was."""
        changes = self.diff(*desired)
        self._carry_out(self.drivers, [change for change in changes if change.after is not None])
        self._carry_out(self.drivers[::-1], [change for change in changes if change.after is None])
        return changes

    def converge(self, *desired: Resource) -> list[Change]:
        """Apply, and expect that nothing differs afterwards."""
        changes = self.apply(*desired)
        assert self.diff(*desired) == []
        return changes

    def _carry_out(self, drivers: typing.Iterable[Driver], changes: list[Change]) -> None:
        for driver in drivers:
            if mine := [change for change in changes if change.kind is driver.kind]:
                driver.apply(mine)


def _of(driver: Driver, resources: typing.Iterable[Resource]) -> dict[Key, Resource]:
    return {resource.key: resource for resource in resources if isinstance(resource, driver.kind)}


def changed(changes: typing.Iterable[Change]) -> list[tuple[Key, set[str]]]:
    """Keys and the fields that differ."""
    return [(c.key, _differing(c.before, c.after)) for c in changes if c.before and c.after]


def _differing(before: Resource, after: Resource) -> set[str]:
    return {f.name for f in dataclasses.fields(after) if getattr(before, f.name) != getattr(after, f.name)}


@pytest.fixture
def make_node(scratch: None) -> typing.Iterator[typing.Callable[..., Node]]:
    """A scratch node with drivers of the given classes, in the order in which they build."""
    with nodes() as make:
        yield make


@contextlib.contextmanager
def nodes() -> typing.Iterator[typing.Callable[..., Node]]:
    """The same, wherever the test is."""
    contexts: list[Context] = []

    def make(*classes: DriverClass) -> Node:
        contexts.append(Context(DEPLOYMENT, Ovsdb(), Netns()))
        return Node(contexts[-1], tuple(cls(contexts[-1]) for cls in classes))

    try:
        yield make
    finally:
        for context in contexts:
            context.close()
