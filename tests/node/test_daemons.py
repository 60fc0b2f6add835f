# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Files and supervised processes: a real s6, and daemons that tell what happens to them."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import kernel, s6, steady
from ansible_collections.tenantnet.ovs.plugins.module_utils.changes import Change
from ansible_collections.tenantnet.ovs.plugins.module_utils.drivers.daemons import NOT_RUNNING, DaemonDriver, FileDriver
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.run import run
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import STATE_DIR, Daemon, File
from ansible_collections.tenantnet.ovs.plugins.module_utils.wait import until

DHCP = pathlib.Path(STATE_DIR, "dhcp")

HOSTS = File(slice="dhcp", path="net1/host", content="fa:16:3e:00:00:01,10.0.0.5\n")
LEASES = File(slice="dhcp", path="net1/leases", content="0 first\n", initial=True)
SECRET = File(slice="routing", path="secret", content="ü\n", mode=0o600)
FILES = (HOSTS, LEASES, SECRET)

#: Says its arguments, then each SIGHUP that it gets; SIGTERM ends it unless it was told to be stubborn.
TALKER = """\
import signal, sys
print(sys.argv[1:], flush=True)
signal.signal(signal.SIGHUP, lambda *_: print("reload", flush=True))
if sys.argv[1:] == ["stubborn"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    signal.pause()
"""


def talker(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-IS", "-c", TALKER, *arguments)


PLAIN = Daemon(slice="guests", name="guest-1", namespace="", command=talker("it's", '"a"', "$(b)", "\n"))
INSIDE = Daemon(slice="dhcp", name="dnsmasq-1", namespace="qdhcp-1", command=talker(), restart="r1", reload="l1")


@pytest.fixture
def disk(scratch):
    for directory in ("/var/lib", "/var/log"):
        kernel.mount("tmpfs", directory, "tmpfs")


@pytest.fixture
def files(disk, make_node):
    return make_node(FileDriver)


@pytest.fixture
def node(disk, make_node):
    if not shutil.which("s6-svscan"):
        pytest.skip("needs s6")
    s6.SCAN_DIR.mkdir()
    run(["ip", "netns", "add", "qdhcp-1"])
    svscan = subprocess.Popen(["s6-svscan", s6.SCAN_DIR], stderr=subprocess.DEVNULL)
    until((s6.SCAN_DIR / ".s6-svscan/control").exists, "s6-svscan to be up")
    yield make_node(DaemonDriver)
    svscan.terminate()  # ends all services first
    svscan.wait(timeout=10)


def pid(daemon: Daemon) -> int:
    service = f"tenantnet-{daemon.slice}-{daemon.name}"
    return s6.S6().pids([service]).get(service, 0)


def log(daemon: Daemon) -> list[str]:
    return (s6.LOG_DIR / f"tenantnet-{daemon.slice}-{daemon.name}.log").read_text().splitlines()


# -------------------------------------------------------------------------------------------------------------- files


def test_files_are_written_once_and_removed_to_the_last_directory(files):
    assert len(files.converge(*FILES)) == 3
    assert DHCP.joinpath("net1/host").read_text() == HOSTS.content
    assert pathlib.Path(STATE_DIR, "routing/secret").stat().st_mode & 0o777 == 0o600
    files.converge()
    assert list(pathlib.Path(STATE_DIR).iterdir()) == []


def test_a_first_file_belongs_to_its_daemon_afterwards(files):
    files.converge(*FILES)
    DHCP.joinpath("net1/leases").write_text("written by the daemon\n")
    assert files.diff(*FILES) == []
    files.converge(dataclasses.replace(HOSTS, content="new\n"), LEASES, SECRET)
    assert DHCP.joinpath("net1/leases").read_text() == "written by the daemon\n"
    (removal,) = files.converge(HOSTS, SECRET)[1:]
    assert removal.before == dataclasses.replace(LEASES, content="written by the daemon\n", initial=False)


def by_hand_replace(path: pathlib.Path) -> None:
    path.write_bytes(b"\xff\xfe")


def by_hand_link(path: pathlib.Path) -> None:
    path.unlink()
    path.symlink_to("/var/log/precious")


def by_hand_directory(path: pathlib.Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "by_hand", [by_hand_replace, pathlib.Path.unlink, by_hand_link, by_hand_directory, lambda path: path.chmod(0o600)]
)
def test_a_file_changed_by_hand_is_shown_and_repaired(files, by_hand):
    precious = pathlib.Path("/var/log/precious")
    precious.write_text("theirs")
    files.converge(*FILES)
    by_hand(DHCP.joinpath("net1/host"))
    assert [change.key for change in files.converge(*FILES)] == [HOSTS.key]
    assert precious.read_text() == "theirs"


def test_leftovers_go(files):
    files.converge(*FILES)
    DHCP.joinpath("net2/deep").mkdir(parents=True)
    DHCP.joinpath("net2/deep/stale").touch()
    DHCP.joinpath("net1/.host.new").write_text("half")  # of a run that was killed
    assert len(files.converge(*FILES)) == 2
    assert sorted(path.name for path in DHCP.rglob("*")) == ["host", "leases", "net1"]


@pytest.mark.parametrize("link", ["dhcp", "dhcp/net1"])
def test_a_link_to_elsewhere_is_replaced_and_not_followed(files, link):
    elsewhere = pathlib.Path("/var/log/elsewhere")
    elsewhere.joinpath("net1").mkdir(parents=True)
    elsewhere.joinpath("precious").touch()
    path = pathlib.Path(STATE_DIR, link)
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    files.apply(*FILES)
    assert files.diff(*FILES) == []
    assert not path.is_symlink()
    files.converge()
    assert sorted(path.name for path in elsewhere.rglob("*")) == ["net1", "precious"]


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a//b", ""])
def test_a_path_stays_in_its_directory(files, path):
    with pytest.raises(ValueError, match="is not a path below a directory"):
        files.apply(File(slice="dhcp", path=path, content=""))


# ------------------------------------------------------------------------------------------------------------ daemons


def test_daemons_run_and_go_to_the_last_process(node):
    assert len(node.converge(PLAIN, INSIDE)) == 2
    assert log(PLAIN) == [str(list(PLAIN.command[4:]))]
    pids = pid(PLAIN), pid(INSIDE)
    assert os.stat(f"/proc/{pids[1]}/ns/net").st_ino == os.stat("/run/netns/qdhcp-1").st_ino
    node.converge()
    assert [p for p in pids if pathlib.Path(f"/proc/{p}").exists()] == []
    assert [path.name for path in s6.SCAN_DIR.iterdir()] == [".s6-svscan"]
    assert list(s6.LOG_DIR.iterdir()) == []


def test_reload_keeps_the_process_and_restart_does_not(node):
    node.converge(PLAIN, INSIDE)
    before = pid(INSIDE)
    node.converge(PLAIN, dataclasses.replace(INSIDE, reload="l2"))
    until(lambda: "reload" in log(INSIDE), "the daemon to get its SIGHUP")
    assert pid(INSIDE) == before
    node.converge(PLAIN, dataclasses.replace(INSIDE, reload="l2", restart="r2"))
    after = pid(INSIDE)
    assert after != before
    node.converge(PLAIN, dataclasses.replace(INSIDE, reload="l2", restart="r2", command=talker("other")))
    assert pid(INSIDE) != after
    assert log(INSIDE)[-1] == "['other']"


def test_a_daemon_that_is_killed_comes_back_by_itself(node):
    node.converge(INSIDE)
    before = pid(INSIDE)
    os.kill(before, signal.SIGKILL)
    until(lambda: pid(INSIDE) not in (0, before) and node.diff(INSIDE) == [], "the daemon to come back")


def ignored_signals(process: pathlib.Path) -> set[int]:
    """What the process ignores; 32 and 33 may be among it, which the C library lets no program set (signal(7))."""
    (line,) = re.findall(r"^SigIgn:\t(\w+)$", process.joinpath("status").read_text(), re.MULTILINE)
    return {number for number in range(1, 65) if int(line, 16) >> (number - 1) & 1}


def test_a_daemon_inherits_nothing_of_what_starts_it(node):
    sleeper = dataclasses.replace(PLAIN, command=("sleep", "1000"))
    node.converge(sleeper)
    process = pathlib.Path(f"/proc/{pid(sleeper)}")
    assert ignored_signals(process).isdisjoint(signal.valid_signals())
    assert sorted(fd.name for fd in process.joinpath("fd").iterdir()) == ["0", "1", "2"]


def down(service: pathlib.Path) -> None:
    run(["s6-svc", "-wD", "-d", str(service)])


def other_command(service: pathlib.Path) -> None:
    service.joinpath("run").write_text("#!/usr/bin/env true\n")


def lost_record(service: pathlib.Path) -> None:
    service.joinpath("data/tenantnet.json").unlink()


def lost_service(service: pathlib.Path) -> None:
    shutil.rmtree(service)
    run(["s6-svscanctl", "-an", str(s6.SCAN_DIR)])


def not_taken_up(service: pathlib.Path) -> None:
    """As a run leaves it that is killed before it tells s6-svscan."""
    copy = service.with_name(".copy")
    shutil.copytree(service, copy, ignore=shutil.ignore_patterns("event", "supervise"))
    lost_service(service)
    copy.rename(service)


def new_namespace(service: pathlib.Path) -> None:
    run(["ip", "netns", "delete", "qdhcp-1"])
    run(["ip", "netns", "add", "qdhcp-1"])


@pytest.mark.parametrize("by_hand", [down, other_command, lost_record, lost_service, not_taken_up, new_namespace])
def test_drift_is_shown_and_repaired(node, by_hand):
    node.converge(INSIDE)
    before = pid(INSIDE)
    by_hand(s6.SCAN_DIR / "tenantnet-dhcp-dnsmasq-1")
    assert len(node.diff(INSIDE)) == 1
    node.converge(INSIDE)
    assert pid(INSIDE) not in (0, before)


def test_a_daemon_that_cannot_run_is_told_with_its_last_words(node):
    broken = dataclasses.replace(INSIDE, command=(sys.executable, "-c", "raise SystemExit('no such interface')"))
    node.converge(INSIDE)
    with pytest.raises(TenantnetError, match="tenantnet-dhcp-dnsmasq-1 does not stay up: no such interface"):
        node.apply(broken)
    (change,) = node.diff(broken)
    assert (change.verb, change.before.restart) == ("change", NOT_RUNNING)
    node.converge(INSIDE)
    node.converge()


def test_a_daemon_that_did_not_run_before_a_failure_is_left_so_by_its_rollback(node):
    node.converge(PLAIN)
    asleep = dataclasses.replace(INSIDE, restart=NOT_RUNNING)
    node.drivers[0].apply([Change(None, asleep)])
    assert [r.key for r in node.read()] == [INSIDE.key, PLAIN.key]
    node.converge(PLAIN, INSIDE)


def test_a_stubborn_daemon_is_killed(node, monkeypatch):
    monkeypatch.setattr(steady, "KILL_AFTER", 0.2)
    node.converge(dataclasses.replace(PLAIN, command=talker("stubborn")))
    before = pid(PLAIN)
    node.converge()
    assert not pathlib.Path(f"/proc/{before}").exists()


def test_services_of_others_are_left(node):
    other = s6.SCAN_DIR / "ovsdb-server"
    other.mkdir()
    other.joinpath("run").write_text("#!/usr/bin/env -S tail -f\n")
    other.joinpath("run").chmod(0o755)
    node.converge(PLAIN)
    node.converge()
    assert run(["s6-svstat", "-o", "up", str(other)]) == "true\n"


def test_a_node_without_a_supervisor_reads_as_empty_and_refuses(disk, make_node):
    node = make_node(DaemonDriver)
    assert node.read() == []
    with pytest.raises(TenantnetError, match="s6-svscan"):
        node.apply(PLAIN)
