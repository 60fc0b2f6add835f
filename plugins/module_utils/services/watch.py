# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The command `tenantnet-watch`: flows come back after ovs-vswitchd was started anew, which forgets them.

It waits for the end of the process, and when there is another one, has `tenantnet-node restore` put right whatever is
missing. It is small and imports nothing of the engine, for it only waits.
"""

from __future__ import annotations

import os
import pathlib
import select
import subprocess
import sys
import time

from ..state import STATE_DIR

PID_FILE = pathlib.Path("/run/openvswitch/ovs-vswitchd.pid")
NAME = "ovs-vswitchd"
PAUSE = 0.5  # seconds between two looks for a process
LONGEST = 30.0  # seconds between two attempts to restore, after many


def main() -> int:
    """Watch until this process is told to end."""
    watched = running()  # of the one that is there at the beginning, a deployment or a boot takes care
    while True:
        wait_for_end(watched)
        watched = wait_for_another()
        sys.stderr.write(f"tenantnet-watch: {NAME} was started anew (process {watched}); restoring\n")
        pause = PAUSE
        while running() == watched and not restore():
            time.sleep(pause)
            pause = min(2 * pause, LONGEST)


def running() -> int | None:
    """Process id of ovs-vswitchd, if it runs."""
    try:
        pid = int(PID_FILE.read_text(encoding="ascii"))
        name = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):  # it does not run, or has not written its number yet
        return None
    return pid if name == NAME else None


def wait_for_end(pid: int | None) -> None:
    """Return when the process does not exist (any longer)."""
    if pid is None:
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


def wait_for_another() -> int:
    """Wait for ovs-vswitchd to run, and return its process id."""
    while (pid := running()) is None:
        time.sleep(PAUSE)
    return pid


def restore() -> bool:
    """Whether the node could be made what was last applied to it; the reason why not is on standard error."""
    return subprocess.run([f"{STATE_DIR}/bin/tenantnet-node", "restore"], check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
