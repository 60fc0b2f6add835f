# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Resource modules as people use them: real playbooks against a machine that knows nothing of a topology."""

from __future__ import annotations

import importlib
import itertools
import os
import pathlib
import re
import typing

import pytest
import yaml

from .ansible_node import ROOT, AnsibleNode, Result, bare
from .names import lab_name

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

COLLECTION = "tenantnet.ovs"
MODULES = ("namespaces", "links", "bridges", "flows", "iptables", "daemons")

Config = list[dict[str, typing.Any]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[AnsibleNode]:
    """What one module needs of another is there, as another owner's."""
    with bare(lab_name("modules"), tmp_path_factory.mktemp("modules")) as found:
        bridge = {"name": "br-base", "datapath_type": "netdev", "ports": [{"name": "base0", "type": "internal"}]}
        base = {"namespaces": [{"name": "base"}], "bridges": [bridge], "links": [*cards("eth8"), *cards("eth9")]}
        results = found.tasks(*(task(module, config, owner="base") for module, config in base.items()))
        assert not [result["msg"] for result in results if result["failed"]]
        yield found


def cards(name: str) -> Config:
    """A network card and its other end."""
    ends = {"namespace": "", "name": name}, {"namespace": "base", "name": f"far-{name}"}
    return [{**one, "kind": "veth", "peer": other} for one, other in itertools.permutations(ends)]


def task(module: str, config: typing.Any = None, state: str = "merged", check: bool = False, **more: str) -> Result:
    arguments = {"state": state, **more, **({} if config is None else {"config": config})}
    return {f"{COLLECTION}.{module}": arguments, "check_mode": check}


#: What there is first, what some of it becomes, and what is left in the end.
STORIES: dict[str, tuple[Config, Config, Config]] = {
    "namespaces": (
        [{"name": "red", "sysctls": {"net.ipv4.ip_forward": 1}}, {"name": "blue"}],
        [{"name": "red"}, {"name": "blue", "sysctls": {"net.ipv4.ip_forward": 1}}],
        [{"name": "green"}],
    ),
    "links": (
        [
            {
                "name": "near",
                "kind": "veth",
                "peer": {"namespace": "base", "name": "far"},
                "addresses": ["192.0.2.1/24"],
                "routes": [{"destination": "198.51.100.0/24", "via": "192.0.2.2"}],
            },
            {"name": "far", "namespace": "base", "kind": "veth", "peer": {"name": "near"}, "mac": "02:00:00:00:00:0A"},
            {"name": "base0", "namespace": "base", "kind": "internal", "mtu": 1400, "addresses": ["203.0.113.1/24"]},
        ],
        [
            {
                "name": "near",
                "kind": "veth",
                "peer": {"namespace": "base", "name": "far"},
                "alias": "to base",
                "mtu": 1400,
            }
        ],
        [{"name": "lan", "kind": "bridge", "bridge": {"stp_state": 1}, "sysctls": {"ipv4.arp_ignore": 1}}],
    ),
    "bridges": (
        [
            {
                "name": "br0",
                "datapath_type": "netdev",
                "protocols": ["OpenFlow14", "OpenFlow13"],
                "other_config": {"mac-aging-time": 60},
                "ports": [
                    {"name": "p0", "type": "internal", "tag": 10, "external_ids": {"iface-id": "x=y"}},
                    {"name": "vx0", "type": "vxlan", "options": {"remote_ip": "192.0.2.7", "key": 5}},
                    {"name": "bond0", "members": ["eth9", "eth8"], "bond_mode": "balance-slb", "lacp": "passive"},
                ],
                "controllers": ["tcp:127.0.0.1:6653", "ptcp:6634:127.0.0.1"],
            },
            {"name": "br1", "datapath_type": "netdev", "fail_mode": "secure"},
        ],
        [
            {
                "name": "br0",
                "datapath_type": "netdev",
                "ports": [
                    {"name": "p0", "type": "internal", "trunks": [30, 20], "vlan_mode": "trunk"},
                    {"name": "eth9"},
                ],
            }
        ],
        [{"name": "br2", "datapath_type": "netdev", "mcast_snooping": True}],
    ),
    "flows": (
        [
            {"bridge": "br-base", "priority": 9, "match": "tcp, in_port=base0", "actions": "output:LOCAL"},
            {"bridge": "br-base", "table": 1, "actions": "drop"},
        ],
        [{"bridge": "br-base", "priority": 9, "match": "in_port=base0,tcp", "actions": "drop"}],
        [{"bridge": "br-base", "match": "arp", "actions": "NORMAL"}],
    ),
    "iptables": (
        [
            {"name": "FORWARD", "namespace": "base", "rules": ["-i eth0 -j tn-local-web"]},
            {"name": "tn-local-web", "namespace": "base", "rules": ["-p tcp --dport http -j ACCEPT", "-j DROP"]},
        ],
        [{"name": "tn-local-web", "namespace": "base", "rules": ["-j RETURN"]}],
        [{"name": "tn-local-six", "family": "ipv6", "table": "mangle", "rules": ["-p ipv6-icmp -j ACCEPT"]}],
    ),
    "daemons": (
        [
            {
                "name": "tail",
                "namespace": "base",
                "command": ["tail", "-f", "/var/lib/tenantnet/owner-local/tail/words"],
                "files": [{"path": "words", "content": "one\n", "mode": "0600"}],
            },
            {"name": "sleep", "command": ["sleep", "1000"]},
        ],
        [{"name": "tail", "command": ["tail", "-f", "/dev/null"]}],
        [{"name": "sleep", "command": ["sleep", "2000"]}],
    ),
}


@pytest.mark.parametrize("module", MODULES)
def test_every_state(node: AnsibleNode, module: str) -> None:
    first, second, last = STORIES[module]
    asked, made, again, found, back, would, replaced, left, rest = node.tasks(
        task(module, first, check=True),
        task(module, first),
        task(module, first),
        task(module, state="gathered"),
        task(module, "{{ result_3.gathered }}", state="overridden"),
        task(module, second, state="replaced", check=True),
        task(module, second, state="replaced"),
        task(module, last, state="overridden"),
        task(module, last, state="deleted"),
    )
    assert [made[name] for name in ("changed", "changes", "after")] == [
        asked[name] for name in ("changed", "changes", "after")
    ], asked.get("msg")
    assert made["changed"] and asked["before"] == made["before"] == []
    assert not again["changed"] and again["before"] == again["after"] == made["after"]
    assert found["gathered"] == made["after"]
    assert not back["changed"]
    assert replaced["changed"] and (would["changes"], would["after"]) == (replaced["changes"], replaced["after"])
    assert left["before"] == replaced["after"] and len(left["after"]) == len(last)
    assert rest["changed"] and rest["before"] == left["after"] and rest["after"] == []


def test_the_examples_of_the_documentation(node: AnsibleNode) -> None:
    tasks: list[Result] = []
    for module in MODULES:
        plugin = importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.modules.{module}")
        examples = yaml.safe_load(plugin.EXAMPLES)
        used = {name.rpartition(".")[2] for example in examples for name in example}
        tasks += [*examples, *(task(name, state="deleted") for name in reversed(MODULES) if name in used)]
    results = node.tasks(*tasks)
    assert not [result["msg"] for result in results if result["failed"]]
    done = [result["changed"] for one, result in zip(tasks, results, strict=True) if "name" in one]
    assert done.count(False) == 2  # those that only look


def test_bad_input_fails_in_one_sentence(node: AnsibleNode) -> None:
    told = [
        (task("namespaces", [{"name": "a b"}]), "namespace 'a b': a name has 1 to 63 letters"),
        (task("links", [{"name": "l0"}]), "link l0 is a new one and needs a kind"),
        (
            task("bridges", [{"name": "br0", "datapath_type": "netdev", "ports": [{"name": "nic9"}]}]),
            "could not open network device",
        ),
        (task("bridges", [{"name": "br-base"}]), "bridge br-base exists and was not made by owner local"),
        (task("flows", [{"bridge": "no-such", "actions": "drop"}]), "bridge no-such does not exist"),
        (task("flows", [{"bridge": "br-base", "actions": "fly"}]), "unknown action fly"),
        (task("iptables", [{"name": "web"}]), "chain web: names of chains of owner local begin with tn-local-"),
        (task("daemons", [{"name": "d", "command": ["false"]}]), "tenantnet-owner-local-d does not stay up"),
        (task("daemons", [{"name": "d", "command": ["no-such"]}]), "does not stay up: FileNotFoundError"),
    ]
    for result, (_task, sentence) in zip(node.tasks(*(task for task, _sentence in told)), told, strict=True):
        assert result["failed"] and sentence in result["msg"], result["msg"]
        assert "\n" not in result["msg"]
        assert "Traceback" not in str(result)
    left = node.tasks(*(task(module, state="gathered") for module in ("bridges", "daemons")))
    assert [result["gathered"] for result in left] == [[], []]


def test_diff_mode_shows_what_changes(node: AnsibleNode) -> None:
    said = node.play([task(module, STORIES[module][0], check=True) for module in MODULES], "--diff")
    for module in MODULES:
        assert f"--- before: {module} of owner local\n+++ after: {module} of owner local" in said
    for what in ("namespace red:", "link near:", "port br0 bond0:", "flow br-base 0 9", "chain base", "daemon sleep:"):
        assert f"\n+{what}" in said, what


PAGE = ROOT / "docs/modules.md"
_EXAMPLE = re.compile(r"```yaml\n(?P<tasks>.*?)```\n(?:\n```text\n(?P<said>.*?)```\n)?", re.DOTALL)


def test_the_page_about_modules_says_what_happens(node: AnsibleNode) -> None:
    """Its examples are one story, told from its beginning to its end."""
    pieces = [(yaml.safe_load(found["tasks"]), found["said"]) for found in _EXAMPLE.finditer(PAGE.read_text())]
    results = node.tasks(*(part for tasks, _said in pieces for part in tasks))
    assert not [result["msg"] for result in results if result["failed"]]
    iterator = iter(results)
    for tasks, said in pieces:
        mine = [next(iterator) for _task in tasks]
        if said is not None:
            assert "".join(f"{line}\n" for result in mine for line in shown(result)) == said


def shown(result: Result) -> list[str]:
    """What of a result is worth a reader's time."""
    if "gathered" in result:
        return yaml.safe_dump(result["gathered"], sort_keys=False).splitlines()
    return typing.cast("list[str]", result["changes"] if "changes" in result else result["stdout_lines"])


def test_the_page_names_every_module() -> None:
    assert all(f"[`{module}`]" in PAGE.read_text() for module in MODULES)
    assert pathlib.Path(PAGE).stat().st_size < 16_000
