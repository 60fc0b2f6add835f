# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The inventory's hosts as nodes: roles from its groups, the rest from the few `tenantnet_` variables of a host.

The values come from Ansible, which has evaluated them; hosts.yml is read only to tell the line of a mistake.
"""

from __future__ import annotations

import dataclasses
import json
import typing

from ..third_party import pydantic
from .errors import suggest
from .messages import collect
from .model import Firewall, Node
from .parts import Part
from .source import Path, Report
from .words import Address, Device, Items, Name, User

FILE: typing.Final = "hosts.yml"
PREFIX: typing.Final = "tenantnet_"

Role = typing.Literal["controller", "network", "compute"]
GROUPS: typing.Final[dict[str, Role]] = {
    "controllers": "controller",
    "network_nodes": "network",
    "compute_nodes": "compute",
}


class Host(typing.TypedDict):
    """A host as Ansible knows it: its name, all its groups and all its variables."""

    name: str
    groups: typing.Sequence[str]
    vars: typing.Mapping[str, typing.Any]


class Settings(Part):
    """The variables of a node, without their prefix."""

    deployment: Name = pydantic.Field(description="Name of the deployment, part of every id; one for all nodes.")
    datapath: typing.Literal["system", "netdev"] = pydantic.Field(
        description="Open vSwitch's datapath: system is the kernel's, netdev a program's."
    )
    interfaces: dict[str, Device] = pydantic.Field(
        default_factory=dict, description="NICs by their use: management, tunnel, or the name of a physical network."
    )
    management_ip: Address | None = pydantic.Field(
        default=None, description="Address on the management network; a controller serves metadata there."
    )
    tunnel_ip: Address | None = pydantic.Field(
        default=None, description="Address between which tunnels run. Left out, the node carries no tunnels."
    )
    firewall: Firewall = pydantic.Field(
        default="iptables_hybrid", description="What carries out security groups on a compute node."
    )
    adopt_bridges: Items[Device] = pydantic.Field(
        default=(), description="Bridges of the administrators' own that physical networks may use as they are."
    )
    guests: bool = pydantic.Field(
        default=False, description="Whether instances are namespaces that tenantnet makes itself, as in a lab."
    )
    tap_owner: User = pydantic.Field(
        default="root", description="User who runs virtual machines, for whom taps are made where there are no guests."
    )
    underlay_mtu: int = pydantic.Field(
        default=1500, ge=576, le=65535, description="Bytes that its tunnel and physical networks carry."
    )


class Others(Part):
    """Variables that playbooks and roles read: known here so that a misspelt one is noticed."""

    install: bool = pydantic.Field(default=True, description="Whether roles install programs and start services.")
    lab: str = pydantic.Field(default="", description="Name of the lab whose machines the nodes are.")
    lab_kind: typing.Literal["namespaces", "systemd"] = pydantic.Field(
        default="namespaces",
        description="What a lab's machine is: namespaces of this host, or a system of its own too.",
    )
    lock: str = pydantic.Field(default="", description="The lock file. Left out, it is beside the topology.")
    metadata_secret: str = pydantic.Field(
        default="", description="What metadata agents sign with. Left out, it is generated once beside the inventory."
    )
    topology: str = pydantic.Field(default="", description="Directory of provider.yml and projects/.")
    verify_groups: Items[str] = pydantic.Field(
        default=(), description="Groups of checks that verify.yml and attack.yml measure."
    )
    wheels: str = pydantic.Field(
        default="", description="Directory of wheels for the Python of nodes that reach no package index."
    )


def hosts(variables: typing.Mapping[str, typing.Any]) -> list[Host]:
    """Every host of the inventory, as plain data, from the variables of a task: Ansible's own types stay outside."""
    return [
        {
            "name": str(name),
            "groups": [str(group) for group in host["group_names"]],
            "vars": json.loads(json.dumps({k: host[k] for k in host if k.startswith(PREFIX)}, default=str)),
        }
        for name, host in ((name, variables["hostvars"][name]) for name in variables["groups"]["all"])
    ]


def nodes(hosts: typing.Sequence[Host], report: Report) -> tuple[str, dict[str, Node]]:
    """The deployment's name and its nodes by name; what is wrong with them goes to the report."""
    found: dict[str, Node] = {}
    deployments: dict[str, str] = {}
    for host in sorted(hosts, key=lambda h: h["name"]):
        report.sources.groups[host["name"]] = {*host["groups"], "all"}
        roles = tuple(role for group, role in GROUPS.items() if group in host["groups"])
        if not roles:
            _outsider(host, report)
        elif settings := _settings(host, report):
            deployments[host["name"]] = settings.deployment
            fields = settings.model_dump(exclude={"deployment"})
            found[host["name"]] = Node(name=host["name"], roles=roles, **fields)
    if not any(GROUPS.keys() & set(host["groups"]) for host in hosts):
        report.add(FILE, (), f"no host is in any of the groups {', '.join(GROUPS)}")
    first = next(iter(deployments.values()), "")
    for name, deployment in deployments.items():
        if deployment != first:
            message = f"'{deployment}' differs from the '{first}' of other hosts; an inventory is one deployment"
            at(report, name, "deployment", message)
    return first, found


def at(report: Report, host: str, key: str, message: str, hint: str = "", inner: Path = ()) -> None:
    """Report a problem with a variable of a host, in the place of hosts.yml that sets it."""
    if path := _place(report, host, key):
        report.add(FILE, (*path, *inner), message, hint)
        return
    origins = report.sources.origins.get(FILE, {})
    path = next((p for p in origins if p[-2:] == ("hosts", host)), ())
    found = report.sources.problem(FILE, path, message, hint, key=True)
    report.problems.append(dataclasses.replace(found, path=f"{found.path or host}.{PREFIX}{key}"))


def _place(report: Report, host: str, key: str) -> Path:
    """Where hosts.yml sets a variable: at the host, in one of its groups, or nowhere (it stands in group_vars)."""
    origins = report.sources.origins.get(FILE, {})
    groups = report.sources.groups.get(host, set())
    of_host = (p for p in origins if p[-3:] == ("hosts", host, PREFIX + key))
    of_group = (p for p in origins if p[-2:] == ("vars", PREFIX + key) and p[-3:-2] and p[-3] in groups)
    return next(of_host, ()) or max(of_group, key=lambda p: (p[-3] != "all", len(p)), default=())


def _settings(host: Host, report: Report) -> Settings | None:
    ours = {k.removeprefix(PREFIX): v for k, v in host["vars"].items() if k.startswith(PREFIX)}
    ours = {k: v for k, v in ours.items() if k not in Others.model_fields}
    for key in sorted(set(ours) - set(Settings.model_fields)):
        known = [PREFIX + k for k in (*Settings.model_fields, *Others.model_fields)]
        at(report, host["name"], key, f"'{PREFIX}{key}' is not a variable of tenantnet", suggest(PREFIX + key, known))
    if ours.get("datapath") == "auto":
        at(
            report,
            host["name"],
            "datapath",
            "must be 'system' or 'netdev' here",
            "'auto' is for the playbook to resolve",
        )
        ours["datapath"] = "system"
    try:
        return Settings.model_validate({k: v for k, v in ours.items() if k in Settings.model_fields})
    except pydantic.ValidationError as error:
        _relate(host, error, report)
        return None


def _relate(host: Host, error: pydantic.ValidationError, report: Report) -> None:
    own = Report(report.sources)
    collect(own, "", Settings, error)
    for found, problem in zip(error.errors(), own.problems, strict=True):
        key = str(found["loc"][0])
        if found["type"] == "missing":
            at(report, host["name"], key, f"'{PREFIX}{key}' is missing")
        else:
            at(report, host["name"], key, problem.message, problem.hint, found["loc"][1:2])


def _outsider(host: Host, report: Report) -> None:
    path = _place(report, host["name"], "interfaces")
    if path[-3:-2] == ("hosts",):
        message = "the host is in none of the groups controllers, network_nodes, compute_nodes"
        report.add(FILE, path[:-1], message, key=True)
