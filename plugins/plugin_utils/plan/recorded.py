# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The recorded plan: what site.yml last set out to build, kept beside the lock file, a file for each project.

A project's file holds what its members may know of the deployment, and nothing else: the nodes, what administrators
offer it, the networks that others share with it, its own objects and addresses. With it and their own file they plan
without privilege (`preview`). What others have is not in there, so neither is any clash with it: an address that only
site.yml can choose, or refuse, is said to be chosen when deployed.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing

from ...module_utils.errors import TenantnetError
from ..third_party import pydantic
from ..topology import model, raw
from ..topology.load import part
from ..topology.relations import is_offered
from ..topology.source import Report, Sources
from . import lock
from .allocate import resolve
from .outline import Outline, outline

VERSION: typing.Final = 1
CHOSEN: typing.Final = "(chosen when deployed)"

Json = dict[str, typing.Any]


def directory(lock_file: pathlib.Path) -> pathlib.Path:
    """Where the plans of a deployment are recorded."""
    return lock_file.resolve().parent / f"{lock_file.name.removesuffix('.lock.yml')}.plan"


def record(
    folder: pathlib.Path, topology: pathlib.Path, of: raw.Raw, resolved: model.Topology, pins: lock.Lock
) -> None:
    """Record a plan: each project's for whoever may read the project's own file, the whole for administrators."""
    lock.make_directory(folder)
    lock.make_directory(folder / "projects")
    whole = json.dumps({"version": VERSION, "objects": outline(resolved)}, indent=1)
    lock.replace(folder / "plan.json", whole + "\n", like=topology / "provider.yml")
    for project in of.provider.projects:
        text = json.dumps(view(of, resolved, pins, project), indent=1) + "\n"
        like = topology / f"projects/{project}.yml"
        lock.replace(
            folder / f"projects/{project}.json", text, like=like if like.exists() else topology / "provider.yml"
        )
    for path in (folder / "projects").iterdir():
        if path.name.removesuffix(".json") not in of.provider.projects:
            path.unlink()


def whole(folder: pathlib.Path) -> Outline:
    """What was recorded of all projects; nothing when nothing was."""
    path = folder / "plan.json"
    return typing.cast(Outline, _read(path)["objects"]) if path.exists() else {}


def view(of: raw.Raw, resolved: model.Topology, pins: lock.Lock, project: str) -> Json:
    """What the members of a project may know, as plain data."""
    shared = {
        owner: raw.Project(networks={n: net for n, net in theirs.networks.items() if project in net.shared_with})
        for owner, theirs in of.projects.items()
        if owner != project
    }
    own = [pin for pin in (*pins.pins, *pins.retiring) if pin.kind in ("address", "mac")]
    own = [pin for pin in own if lock.owner(pin.name) == project]
    return {
        "version": VERSION,
        "deployment": of.deployment,
        "nodes": {name: dataclasses.asdict(node) for name, node in of.nodes.items()},
        "provider": _dump(_offer(of.provider, project)),
        "shared": {owner: _without_shares(_dump(part)) for owner, part in shared.items() if part.networks},
        "pins": [dataclasses.asdict(pin) for pin in own],
        "objects": outline(resolved, project),
    }


def _offer(provider: raw.Provider, project: str) -> raw.Provider:
    """What provider.yml says as far as it concerns one project."""
    fields = {
        "external_networks": {n: of for n, of in provider.external_networks.items() if is_offered(of, project)},
        "networks": {n: of for n, of in provider.networks.items() if is_offered(of, project)},
        "projects": {project: provider.projects[project]},
    }
    return provider.model_copy(update=fields)


def _dump(part: pydantic.BaseModel) -> Json:
    """What was written, in a form that can be read again."""
    return part.model_dump(mode="json", exclude_unset=True)


def _without_shares(part: Json) -> Json:
    """With whom else a network is shared is the business of its owner."""
    for network in part["networks"].values():
        network.pop("shared_with", None)
    return part


def preview(folder: pathlib.Path, topology: pathlib.Path, project: str) -> tuple[Outline, Outline]:
    """What was recorded of a project, and what its file now asks for. Raises TopologyErrors for what is wrong."""
    path = folder / f"projects/{project}.json"
    try:
        recorded = _read(path)
    except FileNotFoundError:
        message = f"nothing is recorded for project '{project}': {path} is written when administrators run site.yml"
        raise TenantnetError(message) from None
    except PermissionError:
        raise TenantnetError(f"{path} may be read by the members of project '{project}' only") from None
    of = _raw(recorded, topology, project)
    before = _pins(recorded)
    resolved = resolve(of, before)[0]
    uncertain = _uncertain(of, resolved, before, project)
    return recorded["objects"], _masked(outline(resolved, project), uncertain)


def _read(path: pathlib.Path) -> Json:
    found = json.loads(path.read_text(encoding="utf-8"))
    if found.get("version") != VERSION:
        raise TenantnetError(f"{path} is not a plan of version {VERSION}; it is written anew when site.yml runs")
    return typing.cast(Json, found)


def _raw(recorded: Json, topology: pathlib.Path, project: str) -> raw.Raw:
    """A topology in which there is nothing but what the project may know, and its own file."""
    report = Report(Sources())
    own = part(topology / f"projects/{project}.yml", f"{topology.name}/projects/{project}.yml", raw.Project, report)
    report.stop()
    owners = {owner: raw.Project.model_validate(shared) for owner, shared in recorded["shared"].items()}
    provider = raw.Provider.model_validate(recorded["provider"])
    return raw.Raw(
        deployment=recorded["deployment"],
        nodes=pydantic.TypeAdapter(dict[str, model.Node]).validate_python(recorded["nodes"]),
        provider=provider.model_copy(update={"projects": provider.projects | {o: raw.Limits() for o in owners}}),
        projects={owner: _shared(of, project) for owner, of in owners.items()} | {project: own or raw.Project()},
        sources=report.sources,
        directory=topology.name,
    )


def _shared(of: raw.Project, project: str) -> raw.Project:
    networks = {name: net.model_copy(update={"shared_with": (project,)}) for name, net in of.networks.items()}
    return of.model_copy(update={"networks": networks})


def _pins(recorded: Json) -> lock.Lock:
    pins = pydantic.TypeAdapter(list[lock.Pin]).validate_python(recorded["pins"])
    return lock.Lock(pins=tuple(pin for pin in pins if not pin.nodes), retiring=tuple(pin for pin in pins if pin.nodes))


def _uncertain(of: raw.Raw, resolved: model.Topology, before: lock.Lock, project: str) -> set[str]:
    """Addresses on networks where others have some, too, which were neither written down nor chosen before."""
    settled = {(pin.id, pin.value) for pin in before.pins}
    written = set(_texts(_dump(of.projects[project])))
    mine = {name for name, network in of.projects[project].networks.items() if not network.shared_with}
    found = {(f.id, f.address) for f in resolved.floating_ips.values()}
    for port in resolved.ports.values():
        network = resolved.networks[port.network]
        if network.project != project or network.name not in mine:
            found |= {(port.id, ip.address) for ip in port.fixed_ips}
    return {address for id_, address in found - settled if address not in written}


def _texts(value: typing.Any) -> typing.Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item)


def _masked(value: typing.Any, hidden: set[str]) -> typing.Any:
    if isinstance(value, dict):
        return {key: _masked(item, hidden) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, hidden) for item in value]
    return CHOSEN if isinstance(value, str) and value in hidden else value
