# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The runtime as Ansible installs it, and its command on a node with a real kernel."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from ansible_collections.tenantnet.ovs.plugins.module_utils import kernel
from ansible_collections.tenantnet.ovs.plugins.module_utils.state import (
    STATE_DIR,
    Chain,
    File,
    Namespace,
    NodeState,
    to_json,
)

ROOT = pathlib.Path(__file__).parents[2]
NODE = pathlib.Path(STATE_DIR, "bin/tenantnet-node")
GUEST = pathlib.Path(STATE_DIR, "bin/tenantnet-guest")
LIBRARY = pathlib.Path(STATE_DIR, "lib/tenantnet")

RULES = {"table": "nat", "name": "tenantnet-l3-snat", "rules": ("-j MASQUERADE",)}
RULE = Chain(slice="routing", namespace="qrouter-1", family="ipv4", **RULES)
HOSTS = File(slice="dhcp", path="net1/host", content="fa:16:3e:00:00:01,10.0.0.5\n")
STATE = NodeState(
    deployment="test", node="node1", resources=(Namespace(slice="routing", name="qrouter-1"), RULE, HOSTS)
)


def install(*arguments: str, options: str = "", code: int = 0) -> dict[str, object]:
    """Run the module like a playbook does and return its result."""
    ansible = pathlib.Path(sys.executable).parent / "ansible"
    if not ansible.exists():
        pytest.skip("needs ansible-core")
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
        "ANSIBLE_LOCAL_TEMP": "/run/ansible",
        "ANSIBLE_REMOTE_TEMP": "/run/ansible",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    target = ["-c", "local", "-i", "node1,", "-e", f"ansible_python_interpreter={sys.executable}", "node1"]
    command = [ansible, *target, "-m", "tenantnet.ovs.runtime", "-a", options, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == code, done.stdout + done.stderr
    return json.JSONDecoder().raw_decode(done.stdout.partition(" => ")[2])[0]


@pytest.fixture
def node(scratch):
    """A scratch node with an empty disk, and with neither Open vSwitch nor a supervisor: they read as empty."""
    kernel.mount("tmpfs", "/var/lib", "tmpfs")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """What the first installation made, so that not each test has to wait for Ansible."""
    return tmp_path_factory.mktemp("runtime") / "copy"


@pytest.fixture
def runtime(node, copy):
    if copy.exists():
        shutil.copytree(copy, STATE_DIR)
    else:
        install()
        shutil.copytree(STATE_DIR, copy)


def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    done = subprocess.run([NODE, *arguments], input=stdin, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def apply() -> None:
    code, _said, error = run("apply", "-", stdin=json.dumps(to_json(STATE)))
    assert (code, error) == (0, "")


def test_installation(node):
    checked = install("--check")
    assert checked["changed"]
    assert not LIBRARY.exists()
    first = install()
    assert first["changes"] == checked["changes"]
    some = {"+ bin/tenantnet-node", "+ lib/tenantnet/engine.py", "+ lib/tenantnet/drivers/iptables.py"}
    assert some < set(first["changes"])
    assert not LIBRARY.joinpath("lab/wires.py").exists()
    assert [f"{p.stat().st_mode & 0o777:o}" for p in (NODE, GUEST, LIBRARY / "engine.py")] == ["755", "755", "644"]
    assert subprocess.run([GUEST, "--help"], check=False, capture_output=True).returncode == 0
    assert run("--help")[0] == 0
    assert not install()["changed"]


def test_what_is_changed_by_hand_is_repaired_and_leftovers_go(runtime):
    run("status")  # leaves what Python compiles
    LIBRARY.joinpath("engine.py").write_text("raise SystemExit('broken')\n")
    LIBRARY.joinpath("old").mkdir()
    LIBRARY.joinpath("old/stale.py").touch()
    NODE.chmod(0o600)
    assert install("--diff")["changes"] == [
        "~ bin/tenantnet-node",
        "~ lib/tenantnet/engine.py",
        "- lib/tenantnet/old/stale.py",
    ]
    assert not LIBRARY.joinpath("old").exists()
    assert run("status") == (0, "nothing is recorded on this node\n", "")


def test_another_interpreter(runtime):
    interpreter = pathlib.Path("/run/python3")
    interpreter.symlink_to(shutil.which("python3"))
    assert install(options=f"interpreter={interpreter}")["changes"] == [
        "~ bin/tenantnet-guest",
        "~ bin/tenantnet-handover",
        "~ bin/tenantnet-metadata-agent",
        "~ bin/tenantnet-metadata-api",
        "~ bin/tenantnet-node",
        "~ bin/tenantnet-watch",
    ]
    assert NODE.read_text().startswith("#!/run/python3\n")


def wheel(directory: pathlib.Path) -> None:
    """The smallest package that there can be."""
    with zipfile.ZipFile(directory / "tiny-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")


def test_an_environment_of_the_node_itself(runtime, tmp_path):
    options, interpreter = f"requirements=tiny==1.0 wheels={tmp_path}", pathlib.Path(STATE_DIR, "venv/bin/python")
    checked = install("--check", options=options)
    assert "+ venv/requirements.txt" in checked["changes"]
    assert not interpreter.exists()
    assert "No matching distribution found for tiny==1.0" in install(options=options, code=2)["msg"]
    wheel(tmp_path)
    assert install(options=options)["changes"] == checked["changes"]
    assert NODE.read_text().startswith(f"#!{interpreter}\n")
    assert subprocess.run([interpreter, "-c", "import tiny"], check=False).returncode == 0
    assert not install(options=options)["changed"]


def test_apply_status_restore(runtime):
    apply()
    assert run("status") == (0, "node node1 is as recorded\n", "")
    assert json.loads(run("status", "--json")[1]) == {"recorded": True, "changes": []}
    subprocess.run(["ip", "netns", "delete", "qrouter-1"], check=True)
    pathlib.Path(STATE_DIR, "dhcp/net1/host").unlink()
    code, said, _error = run("status")
    assert code == 1
    assert said.splitlines()[0] == "node node1 differs from what is recorded:"
    assert len(said.splitlines()) == 1 + len(STATE.resources)
    assert len(json.loads(run("status", "--json")[1])["changes"]) == len(STATE.resources)
    code, said, _error = run("restore")
    assert (code, said.splitlines()[0]) == (0, "node node1 was changed:")
    assert run("restore") == (0, "node node1 was so already\n", "")
    assert run("status")[0] == 0


def test_nothing_recorded(runtime):
    assert run("status") == (0, "nothing is recorded on this node\n", "")
    assert run("restore") == (0, "nothing is recorded on this node, so there is nothing to restore\n", "")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "standard input is not a node state: Expecting value"),
        ("[]", "standard input is not a node state: 'list' object"),
        ('{"version": 0}', "standard input is not a node state: node state of version 0"),
    ],
)
def test_errors_are_one_sentence(runtime, text, sentence):
    code, said, error = run("apply", "-", stdin=text)
    assert (code, said) == (2, "")
    assert error.startswith(f"tenantnet-node: {sentence}")
    assert len(error.splitlines()) == 1


def test_a_file_that_does_not_exist(runtime):
    sentence = "tenantnet-node: [Errno 2] No such file or directory: '/nonexistent'\n"
    assert run("apply", "/nonexistent") == (2, "", sentence)
