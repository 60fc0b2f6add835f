# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Measure the checks of a plan on running machines.

    pytest tests/datapath --checks checks.json --hosts 'nsenter://network?namespace=lab,nsenter://compute1?namespace=lab'

`playbooks/verify.yml` runs this and writes the file. --hosts and --ansible-inventory are testinfra's options; in the
place of --hosts, `--lab NAME` stands for all machines of a lab. What can't be asked (the outside where there is no
machine of a lab, a virtual machine) is skipped: *not measured* is no success.
"""

from __future__ import annotations

import functools
import json
import pathlib
import sys
import typing

import pytest
import testinfra
from ansible_collections.tenantnet.ovs.plugins.module_utils.errors import TenantnetError
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.lab import Lab
from ansible_collections.tenantnet.ovs.plugins.module_utils.lab.spec import FABRIC
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.check import Check, from_json
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.crew import Crew
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.diagnostics import diagnostics
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.kinds import measure
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.outcome import Unmet
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.verify.session import Session
from testinfra.backend import BACKENDS

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for the back end's name below
BACKENDS["nsenter"] = "nsenter.NsenterBackend"

CHECKS = pytest.StashKey[list[Check]]()
MAX_DIAGNOSED = 5  # failed checks that get diagnostics: the first ones tell most


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tenantnet")
    group.addoption("--checks", type=pathlib.Path, help="JSON file with the checks to measure, a list")
    group.addoption("--lab", help="name of a lab: without --hosts, all of its machines")
    group.addoption("--report", type=pathlib.Path, help="file (or pipe) for one line of JSON a check")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("checks", None)  # without them the directory is collected, and empty
    config.stash[CHECKS] = [from_json(c) for c in json.loads(path.read_text())] if path else []
    if report := config.getoption("report", None):
        config.pluginmanager.register(Reporter(report))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "check" in metafunc.fixturenames:
        checks = metafunc.config.stash[CHECKS]
        metafunc.parametrize("check", checks, ids=[c.id for c in checks])


@pytest.fixture(scope="session")
def machines(pytestconfig: pytest.Config) -> Session:
    """Connections to all machines of --hosts or of --lab, by name."""
    specs = [spec for spec in (pytestconfig.option.hosts or "").split(",") if spec]
    if not specs and (name := pytestconfig.option.lab):
        specs = [f"nsenter://{machine}?namespace={name}" for machine in Lab(name).names() if machine != FABRIC]
    hosts = testinfra.get_hosts(specs, ansible_inventory=pytestconfig.option.ansible_inventory)
    return Session({host.backend.get_hostname(): host for host in hosts}, pytestconfig.stash[CHECKS])


@pytest.fixture(scope="session")
def crew(machines: Session, request: pytest.FixtureRequest) -> typing.Iterator[Crew]:
    """Those who measure the checks that were chosen, from the first test that asks on."""
    chosen = [check for item in request.session.items if (check := _check_of(item))]
    crew = Crew(chosen, functools.partial(measure, machines))
    yield crew
    crew.dismiss()


def _check_of(item: pytest.Item) -> Check | None:
    """The check that a test measures; tests of a role's own, in extensions/molecule, have none."""
    callspec = getattr(item, "callspec", None)
    check = callspec.params.get("check") if callspec else None
    return check if isinstance(check, Check) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> typing.Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach diagnostics to a failure, and what the report line needs to every result."""
    report = yield
    check = _check_of(item)
    if check and report.when == "call":
        report.user_properties.append(("check", check.id))
        report.duration = item.funcargs["crew"].outcome(check).seconds  # not how long it was waited for
        if call.excinfo:
            known = isinstance(call.excinfo.value, (Unmet, RuntimeError, TenantnetError, pytest.skip.Exception))
            report.user_properties.append(("message", str(call.excinfo.value) if known else report.longreprtext))
        if call.excinfo and call.excinfo.errisinstance(Unmet) and _diagnosed(item.session) < MAX_DIAGNOSED:
            report.sections += diagnostics(item.funcargs["machines"], check)
    return report


def _diagnosed(session: pytest.Session) -> int:
    """How many failed checks got diagnostics; counts this one."""
    count = getattr(session, "tenantnet_diagnosed", 0)
    session.tenantnet_diagnosed = count + 1  # type: ignore[attr-defined]
    return count


class Reporter:
    """Writes each result as soon as it is there, for the one who shows progress."""

    def __init__(self, path: pathlib.Path) -> None:
        self.file = path.open("w")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if report.when == "call" or report.failed:
            line = {
                "id": properties.get("check", report.nodeid),
                "outcome": report.outcome,
                "seconds": round(report.duration, 3),
                "message": properties.get("message", "" if report.passed else report.longreprtext),
                "diagnostics": [list(section) for section in report.sections],
            }
            print(json.dumps(line), file=self.file, flush=True)

    def pytest_sessionfinish(self) -> None:
        self.file.close()
