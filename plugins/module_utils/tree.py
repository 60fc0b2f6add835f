# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The regular files below a directory of ours: read as a whole, written one at a time, each at once or not at all.

Nothing below the directory is ever reached through a symbolic link: one that stands there is an entry like any other,
and goes when it is in the way.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import stat
import typing

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Entry(typing.NamedTuple):
    """What stands at a path; anything but a regular file has the mode 0 and no content."""

    mode: int
    content: bytes


class Tree:
    """Paths are relative to `base`, which itself is trusted and made when something is written."""

    def __init__(self, base: str) -> None:
        self._base = base

    def read(self, directory: str) -> dict[str, Entry]:
        """Everything below a directory that is not a directory, by its path relative to it, sorted."""
        top = f"{self._base}/{directory}"
        found: dict[str, Entry] = {}
        if not pathlib.Path(top).exists():
            return found
        for path, directories, files, fd in os.fwalk(top, follow_symlinks=False):
            for name in (*directories, *files):
                entry = _entry(name, fd)
                if entry is not None:
                    found[os.path.relpath(f"{path}/{name}", top)] = entry
        return dict(sorted(found.items()))

    def write(self, path: str, content: bytes, mode: int) -> None:
        """Put a file in place, whatever stood there before; directories on the way are made."""
        *directories, name = _parts(path)
        with self._open(directories) as fd:
            temporary = f".{name}.new"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=fd)
            with open(temporary, "xb", opener=lambda p, flags: os.open(p, flags | os.O_NOFOLLOW, dir_fd=fd)) as file:
                os.fchmod(file.fileno(), mode)
                file.write(content)
            if _is_directory(name, fd):
                shutil.rmtree(name, dir_fd=fd)
            os.replace(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            os.fsync(fd)

    def remove(self, path: str) -> None:
        """Take a file away; what has gone already, or is a directory by now, is left."""
        *directories, name = _parts(path)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), self._open(directories, make=False) as fd:
            if not _is_directory(name, fd):
                os.unlink(name, dir_fd=fd)

    def tidy(self, directory: str) -> None:
        """Remove the directories that are empty, `directory` included."""
        for path, _directories, _files in os.walk(f"{self._base}/{directory}", topdown=False):
            with contextlib.suppress(OSError):  # not empty
                pathlib.Path(path).rmdir()

    @contextlib.contextmanager
    def _open(self, directories: typing.Sequence[str], make: bool = True) -> typing.Iterator[int]:
        """Descriptor of a directory, each step of the way a real directory."""
        if make:
            pathlib.Path(self._base).mkdir(mode=0o755, parents=True, exist_ok=True)
        fd = os.open(self._base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in directories:
                inner = _step(name, fd, make)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if not path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} is not a path below a directory")
    return parts


def _step(name: str, fd: int, make: bool) -> int:
    """Open a directory in a directory; something else of that name makes way for it."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=fd)
    except FileNotFoundError:
        if not make:
            raise
    except NotADirectoryError:
        if not make:
            raise
        os.unlink(name, dir_fd=fd)
    os.mkdir(name, 0o755, dir_fd=fd)
    return os.open(name, _DIRECTORY, dir_fd=fd)


def _is_directory(name: str, fd: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _entry(name: str, fd: int) -> Entry | None:
    """What stands at a name; None for a directory, and for what has gone since."""
    try:
        mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            return None
        if not stat.S_ISREG(mode):
            return Entry(0, b"")
        with open(name, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NOFOLLOW, dir_fd=fd)) as file:
            return Entry(stat.S_IMODE(mode), file.read())
    except FileNotFoundError:
        return None
