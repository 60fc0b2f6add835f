# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Named network namespaces: their life, and one netlink session into each.

A session is opened by entering the namespace with the calling thread and leaving it again: no process is started, and
the socket stays where it was opened. So a Netns belongs to the thread that uses it first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import typing

from . import kernel
from .errors import TenantnetError

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink import exceptions

    NetlinkError = exceptions.NetlinkError
except ImportError:  # told to the person in Netns.ipr
    IPRoute = None

    class NetlinkError(Exception):  # type: ignore[no-redef]
        """The kernel's refusal; `code` is its errno."""

        code = 0


#: A pyroute2.IPRoute; the library has no type hints.
Session = typing.Any

DIRECTORY = pathlib.Path("/run/netns")  # where ip(8) keeps names
_OWN = "/proc/thread-self/ns/net"


class Netns:
    """Sessions into named network namespaces; the name "" is the namespace that the process started in."""

    def __init__(self) -> None:
        self._home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        self._fds: dict[str, int] = {}
        self._sessions: dict[str, Session] = {}
        # One loop for all sessions costs each 1 descriptor instead of 4. Made here, at home: its own sockets would keep
        # any other namespace alive.
        self._loop = asyncio.new_event_loop()

    def ipr(self, name: str = "") -> Session:
        """The IPRoute session of a namespace, opened at its first use; raises TenantnetError when it does not exist."""
        if name not in self._sessions:
            with self.enter(name):
                self._sessions[name] = self._open()
        return self._sessions[name]

    def _open(self) -> Session:
        if IPRoute is None:
            raise TenantnetError("the Python library pyroute2 is not installed on this node")
        return IPRoute(use_event_loop=self._loop, ext_ack=True)

    @contextlib.contextmanager
    def enter(self, name: str) -> typing.Iterator[None]:
        """Be in a namespace for a while: /proc/sys/net and new sockets are its own. Not to be nested."""
        if not name:
            yield
            return
        kernel.setns(self.fd(name))
        try:
            yield
        finally:
            kernel.setns(self._home)

    def fd(self, name: str) -> int:
        """Open descriptor of a namespace, as netlink's `net_ns_fd` wants it; raises TenantnetError."""
        if not name:
            return self._home
        if name not in self._fds:
            if not self.exists(name):
                raise TenantnetError(f"network namespace {name} does not exist")
            self._fds[name] = os.open(DIRECTORY / name, os.O_RDONLY | os.O_CLOEXEC)
        return self._fds[name]

    def exists(self, name: str) -> bool:
        """Whether the name stands for a live namespace, and is not a file that a killed program left behind."""
        try:
            return not name or (DIRECTORY / name).stat().st_dev == os.fstat(self._home).st_dev
        except FileNotFoundError:
            return False

    def names(self) -> list[str]:
        """All named namespaces, sorted."""
        try:
            return sorted(path.name for path in DIRECTORY.iterdir() if self.exists(path.name))
        except FileNotFoundError:
            return []

    def create(self, name: str, prepare: typing.Callable[[Session], None]) -> None:
        """Make a namespace, prepare it through its session, then give it its name: nobody sees it half made."""
        kernel.unshare(kernel.CLONE_NEWNET)
        try:
            session = self._open()
            prepare(session)
            _bind(_OWN, DIRECTORY / name)
        finally:
            kernel.setns(self._home)
        self._sessions[name] = session

    @contextlib.contextmanager
    def scratch(self) -> typing.Iterator[None]:
        """Be in a new namespace that nobody else sees, and that ends with this. Not to be nested."""
        kernel.unshare(kernel.CLONE_NEWNET)
        try:
            yield
        finally:
            kernel.setns(self._home)

    def delete(self, name: str) -> None:
        """Take the name away. The kernel destroys the namespace a little later, when its last process has gone."""
        self.forget(name)
        with contextlib.suppress(OSError):  # a name left behind, with no namespace on it
            kernel.detach(str(DIRECTORY / name))
        (DIRECTORY / name).unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        """Close what is open of a namespace: an open session would keep it alive after its deletion."""
        if name in self._sessions:
            self._sessions.pop(name).close()
        if name in self._fds:
            os.close(self._fds.pop(name))

    def close(self) -> None:
        """Close everything; the object is of no use afterwards."""
        for name in {*self._sessions, *self._fds}:
            self.forget(name)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())  # replies that nobody read to their end
        self._loop.close()
        os.close(self._home)


@contextlib.contextmanager
def ignoring(*numbers: int) -> typing.Iterator[None]:
    """Let pass that there is nothing to do, which the kernel says with one of these errnos."""
    try:
        yield
    except NetlinkError as exc:
        if exc.code not in numbers:
            raise
    except OSError as exc:
        if exc.errno not in numbers:
            raise


def _bind(source: str, target: pathlib.Path) -> None:
    """Mount a namespace on its name, in a directory that other mount namespaces see changes of (as ip(8) does)."""
    directory = str(target.parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        kernel.mount("none", directory, flags=kernel.MS_SHARED | kernel.MS_REC)
    except OSError:  # not a mount point yet
        kernel.mount(directory, directory, flags=kernel.MS_BIND | kernel.MS_REC)
        kernel.mount("none", directory, flags=kernel.MS_SHARED | kernel.MS_REC)
    target.touch()
    kernel.bind(source, str(target))
