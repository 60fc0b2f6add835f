# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The two supervisors as tests look at them from outside, and do by hand what people and accidents do to a service."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import time
import typing

from ansible_collections.tenantnet.ovs.plugins.module_utils import s6, systemd
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until


class S6:
    """s6 with a scan directory of the test's own."""

    def running(self) -> typing.Iterator[S6]:
        s6.SCAN_DIR.mkdir()
        svscan = subprocess.Popen(["s6-svscan", s6.SCAN_DIR], stderr=subprocess.DEVNULL)
        until((s6.SCAN_DIR / ".s6-svscan/control").exists, "s6-svscan to be up")
        yield self
        svscan.terminate()  # ends all services first
        svscan.wait(timeout=10)

    def said(self, service: str) -> list[str]:
        return (s6.LOG_DIR / f"{service}.log").read_text().splitlines()

    def traces(self) -> list[str]:
        """What is left when no service is there."""
        return [path.name for path in (*s6.SCAN_DIR.iterdir(), *s6.LOG_DIR.iterdir()) if path.name != ".s6-svscan"]

    def down(self, service: str) -> None:
        run(["s6-svc", "-wD", "-d", str(s6.SCAN_DIR / service)])

    def other_command(self, service: str) -> None:
        (s6.SCAN_DIR / service / "run").write_text("#!/usr/bin/env true\n")

    def lost_record(self, service: str) -> None:
        (s6.SCAN_DIR / service / "data/tenantnet.json").unlink()

    def lost_service(self, service: str) -> None:
        shutil.rmtree(s6.SCAN_DIR / service)
        run(["s6-svscanctl", "-an", str(s6.SCAN_DIR)])

    def not_taken_up(self, service: str) -> None:
        """As a run leaves it that is killed before it tells s6-svscan."""
        copy = s6.SCAN_DIR / ".copy"
        shutil.copytree(s6.SCAN_DIR / service, copy, ignore=shutil.ignore_patterns("event", "supervise"))
        self.lost_service(service)
        copy.rename(s6.SCAN_DIR / service)

    def foreign(self, name: str) -> None:
        """Somebody else's service, which runs."""
        other = s6.SCAN_DIR / name
        other.mkdir()
        other.joinpath("run").write_text("#!/usr/bin/env -S tail -f\n")
        other.joinpath("run").chmod(0o755)
        run(["s6-svscanctl", "-a", str(s6.SCAN_DIR)])

    def runs(self, name: str) -> bool:
        return run(["s6-svstat", "-o", "up", str(s6.SCAN_DIR / name)]) == "true\n"


class Systemd:
    """The systemd that is process 1."""

    def running(self) -> typing.Iterator[Systemd]:
        # A cursor would not do: where it is at another unit's line, the next one is left out.
        self._began = time.time()
        yield self
        names = [*systemd.Systemd().names("tenantnet-"), *systemd.Systemd().names("somebody")]
        systemd.Systemd().remove(names)

    def said(self, service: str) -> list[str]:
        run(["journalctl", "--sync"])
        journal = ["journalctl", "--quiet", "--all", "--output=cat", f"--since=@{self._began:.6f}"]
        return run([*journal, f"_SYSTEMD_UNIT={service}.service"]).splitlines()

    def traces(self) -> list[str]:
        loaded = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "tenantnet-*-*"]).splitlines()
        files = [*systemd.UNIT_DIR.glob("*tenantnet-*"), *systemd.RECORD_DIR.glob("*")]
        return [*loaded, *map(str, files)]

    def down(self, service: str) -> None:
        run(["systemctl", "stop", f"{service}.service"])

    def other_command(self, service: str) -> None:
        self._path(service).write_text("[Service]\nExecStart=true\n")

    def lost_record(self, service: str) -> None:
        self._record(service).unlink()

    def lost_service(self, service: str) -> None:
        self._path(service).unlink()

    def not_taken_up(self, service: str) -> None:
        """As a run leaves it that is killed before it tells systemd."""
        text = self._path(service).read_text()
        self.down(service)
        self.lost_service(service)
        run(["systemctl", "daemon-reload"])
        self._path(service).write_text(text)

    def foreign(self, name: str) -> None:
        self._path(name).write_text("[Service]\nExecStart=sleep 1000\n")
        run(["systemctl", "start", f"{name}.service"])

    def runs(self, name: str) -> bool:
        return run(["systemctl", "show", "--property=SubState", "--value", f"{name}.service"]) == "running\n"

    @staticmethod
    def _path(name: str) -> pathlib.Path:
        return systemd.UNIT_DIR / f"{name}.service"

    @staticmethod
    def _record(name: str) -> pathlib.Path:
        return systemd.RECORD_DIR / f"{name}.json"
