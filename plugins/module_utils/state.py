# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Node state: plain data naming everything that one node must have.

The plan writes it, drivers read and change it, the engine compares it with `==`. Every class here is frozen, canonical
and complete: whatever a driver reads from the kernel or from Open vSwitch it returns in exactly this form, so that the
difference between what is and what should be is a comparison of dictionaries.

A driver knows bridges, links and rules. Nothing in this file knows a network, a router or a project.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing

VERSION = 1

#: The compilers, in the order in which their slices are applied. A slice is what one compiler gives one node.
SLICES = ("switching", "routing", "dhcp", "metadata", "instances", "guests")

#: The slices of an owner: what each resource module gives a node (see `owner`).
MODULES = ("bridges", "flows", "namespaces", "links", "iptables", "daemons")

#: Directory of everything that must survive a power failure: recorded state, files of daemons, the runtime.
STATE_DIR = "/var/lib/tenantnet"

Key = tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing on a node. `slice` names the compiler that asked for it and is written on the thing itself."""

    slice: str

    @property
    def key(self) -> Key:
        """What makes two resources of one kind the same thing."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Module(Resource):
    """A kernel module that must be loaded; `sysctls` are set only if it was us who loaded it."""

    name: str
    probe: str  # a path that exists when the feature is there, as a module or built in
    sysctls: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> Key:
        return (self.name,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Namespace(Resource):
    """A named network namespace with its sysctls (dotted names as in sysctl(8)); loopback is up in each."""

    name: str
    sysctls: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> Key:
        return (self.name,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl(Resource):
    """A sysctl of the node's own network namespace, for devices that are not ours (a NIC in one of our bridges)."""

    name: str
    value: str

    @property
    def key(self) -> Key:
        return (self.name,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Link(Resource):
    """A network device that is ours.

    `veth`: each end is a Link of its own that names the other as `peer` (namespace, name); both are born in their
    namespaces. An end with `peer_mac` has a far end that is not a Link of ours: a guest's NIC, which is born with that
    MAC and then belongs to the guest, who may change all of it. `bridge`: a Linux bridge. `internal`: an Open vSwitch
    internal port that is moved into its namespace. `tap`: what a virtual machine of the user `owner` is plugged into.
    `late` as of a Port: one of its addresses, or the guest behind it.
    """

    namespace: str  # "" is the node's own
    name: str
    kind: typing.Literal["veth", "bridge", "internal", "tap"]
    peer: tuple[str, str] | None = None
    peer_mac: str | None = None  # MAC at birth of a far end that belongs to a guest
    alias: str = ""  # for people: what this is in the words of the topology
    mac: str | None = None  # None: whatever the kernel chose
    mtu: int = 1500  # bytes
    master: str = ""  # Linux bridge that this link is a port of
    addresses: tuple[str, ...] = ()  # address/prefix length, sorted
    up: bool = True
    promiscuous: bool = False
    tx_checksum: bool = True  # False where the far end is Open vSwitch's userspace datapath: nobody there fills it in
    owner: str = ""  # user who may open a tap
    multi_queue: bool = False  # of a tap
    bridge: dict[str, int] = dataclasses.field(default_factory=dict)  # IFLA_BR_* of a bridge, lower case without prefix
    sysctls: dict[str, str] = dataclasses.field(
        default_factory=dict
    )  # below net.<family>.conf.<device>: {"ipv4.arp_ignore": "8"}
    late: bool = dataclasses.field(default=False, compare=False)

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Route(Resource):
    """A static IPv4 route (protocol static, table main) in one of our namespaces."""

    namespace: str
    destination: str  # prefix in CIDR form; "0.0.0.0/0" is the default route
    device: str
    via: str | None = None  # None: on link

    @property
    def key(self) -> Key:
        return (self.namespace, self.destination)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bridge(Resource):
    """An Open vSwitch bridge. `adopt`: it is an administrator's, and only our ports and flows in it are ours."""

    name: str
    datapath_type: str
    fail_mode: str = "secure"
    protocols: tuple[str, ...] = ("OpenFlow10", "OpenFlow13", "OpenFlow14")
    other_config: dict[str, str] = dataclasses.field(default_factory=dict)
    mcast_snooping: bool = False
    controllers: tuple[str, ...] = ()  # of OpenFlow, as in ovs-vsctl(8): tcp:192.0.2.1:6653; sorted
    external_ids: dict[str, str] = dataclasses.field(default_factory=dict)  # an owner's only, our own mark left out
    adopt: bool = False

    @property
    def key(self) -> Key:
        return (self.name,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Port(Resource):
    """An Open vSwitch port with its one interface, or a bond of several devices of the kernel.

    `late`: another node may still have what is behind it, so it comes to life, or changes, only in the pass `arrive`.
    `awaited`: its device belongs to whoever runs a machine, and may come later; it has the number that it asks for.
    When something happens is no part of what it is, and is not compared.
    """

    bridge: str
    name: str
    type: typing.Literal["", "internal", "patch", "vxlan", "gre", "geneve"] = ""  # "": a device of the kernel
    tag: int | None = None
    trunks: tuple[int, ...] = ()  # VLANs, sorted; empty: all
    vlan_mode: str = ""  # "": access with a tag, trunk without
    members: tuple[str, ...] = ()  # devices of a bond, sorted; empty: the one of the port's name
    bond_mode: str = ""  # "": active-backup
    lacp: str = ""  # "": off
    bond_updelay: int = 0  # milliseconds that a member must be up, or down, before it counts
    bond_downdelay: int = 0
    ofport_request: int | None = None
    options: dict[str, str] = dataclasses.field(default_factory=dict)  # of the interface
    other_config: dict[str, str] = dataclasses.field(default_factory=dict)  # of the port
    external_ids: dict[str, str] = dataclasses.field(default_factory=dict)  # of the interface, our own mark left out
    late: bool = dataclasses.field(default=False, compare=False)
    awaited: bool = dataclasses.field(default=False, compare=False)
    up: bool = False  # for a NIC that nobody else raises; False leaves it as it is

    @property
    def key(self) -> Key:
        return (self.bridge, self.name)

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of its interfaces."""
        return self.members or (self.name,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Flow(Resource):
    """An OpenFlow rule, in the text form of `ovs-ofctl --names dump-flows`: ports by name, in double quotes."""

    bridge: str
    table: int
    priority: int
    match: str  # 'in_port="patch-tun",dl_vlan=1'; "" matches everything
    actions: str

    @property
    def key(self) -> Key:
        return (self.bridge, str(self.table), str(self.priority), self.match)

    @property
    def way_into(self) -> str:
        """The VLAN (as vlan_vid, with its bit CFI) in which packets from outside go on in the pipeline; "" for none."""
        found = re.search(r"set_field:(\d+)->vlan_vid,goto_table:", self.actions)
        return found[1] if found else ""

    @property
    def ways_out(self) -> frozenset[tuple[str, str]]:
        """Tunnel ids, each with a port by which packets leave that carry it."""
        found = re.search(r"set_field:(0x[\da-f]+)->tun_id", self.actions)
        return (
            frozenset((found[1], port) for port in re.findall(r'output:"([^"]+)"', self.actions))
            if found
            else frozenset()
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ipset(Resource):
    """A set of IPv4 prefixes (hash:net) of the node's own namespace."""

    name: str
    members: tuple[str, ...]  # sorted prefixes; a /32 is written without its length, as ipset prints it

    @property
    def key(self) -> Key:
        return (self.name,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Resource):
    """An iptables chain and all its rules.

    Rules are in the form of iptables-save without `-A CHAIN`. A chain of ours is named after its slice's prefix (see
    `chain_prefix`). For a built-in chain (upper case) the rules are our jumps only: they stand at its top, in this
    order, and whatever else is in it belongs to others.
    """

    namespace: str
    family: typing.Literal["ipv4", "ipv6"]
    table: str
    name: str
    rules: tuple[str, ...]

    @property
    def key(self) -> Key:
        # With the slice: several slices have jumps of their own in one built-in chain.
        return (self.slice, self.namespace, self.family, self.table, self.name)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Zone(Resource):
    """A conntrack zone of all IPv4 packets that come in by a device of the node's own namespace, fragments included."""

    device: str
    zone: int

    @property
    def key(self) -> Key:
        return (self.device,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ethertype(Resource):
    """Frames that a device of a Linux bridge brings have an Ethernet type: those with an LLC header are dropped."""

    device: str

    @property
    def key(self) -> Key:
        return (self.device,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class File(Resource):
    """A file below `STATE_DIR/<slice>/`; everything else in that directory is stale."""

    path: str  # relative to the slice's directory
    content: str
    mode: int = 0o644
    initial: bool = False  # written when absent only: a daemon owns it afterwards (leases)
    secret: str = ""  # name of the secret that is its content; a plan knows no secrets (see `NodeState.filled`)

    @property
    def key(self) -> Key:
        return (self.slice, self.path)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Daemon(Resource):
    """A supervised process. It is restarted when `restart` changes, sent SIGHUP when `reload` changes.

    Of a dnsmasq that has a directory `leases`, the leases that its hosts do not have are released after either.
    """

    name: str
    namespace: str
    command: tuple[str, ...]
    restart: str = ""  # digest of what it reads only at its start
    reload: str = ""  # digest of what it reads again on SIGHUP
    leases: str = ""  # directory of dnsmasq's `leases` and `host`

    @property
    def key(self) -> Key:
        return (self.slice, self.name)

    def reads(self, file: File) -> bool:
        """Whether a file is named in the command, or is in the directory `leases`."""
        directory = file.path.rpartition("/")[0]
        inside = bool(directory and self.leases) and self.leases.endswith(f"/{directory}")
        return self.slice == file.slice and (inside or any(word.endswith(f"/{file.path}") for word in self.command))


KINDS: dict[str, type[Resource]] = {
    "modules": Module,
    "namespaces": Namespace,
    "sysctls": Sysctl,
    "links": Link,
    "routes": Route,
    "bridges": Bridge,
    "ports": Port,
    "flows": Flow,
    "ipsets": Ipset,
    "chains": Chain,
    "zones": Zone,
    "ethertypes": Ethertype,
    "files": File,
    "daemons": Daemon,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """Everything that one node must have, from all slices."""

    deployment: str
    node: str
    resources: tuple[Resource, ...] = ()

    def __post_init__(self) -> None:
        """One order, whoever put it together: by kind, then by key."""
        order = {cls: index for index, cls in enumerate(KINDS.values())}
        canonical = sorted(self.resources, key=lambda r: (order[type(r)], r.slice, r.key))
        object.__setattr__(self, "resources", tuple(canonical))

    def of(self, kind: type[Resource]) -> dict[Key, Resource]:
        """Resources of one kind by key."""
        return {r.key: r for r in self.resources if isinstance(r, kind)}

    def filled(self, secrets: typing.Mapping[str, str]) -> NodeState:
        """The same with secrets in the files that are made of one; raises ValueError for one that nobody knows."""
        return dataclasses.replace(self, resources=tuple(_filled(r, secrets) for r in self.resources))

    def arrived(self) -> NodeState:
        """The same when nothing of it may be elsewhere any more."""
        return dataclasses.replace(self, resources=tuple(_arrived(r) for r in self.resources))

    def only(self, slices: typing.Collection[str]) -> NodeState:
        """The part that belongs to the given slices."""
        return dataclasses.replace(self, resources=tuple(r for r in self.resources if r.slice in slices))


def _arrived(resource: Resource) -> Resource:
    if isinstance(resource, Link | Port) and resource.late:
        return dataclasses.replace(resource, late=False)
    return resource


def _filled(resource: Resource, secrets: typing.Mapping[str, str]) -> Resource:
    if not isinstance(resource, File) or not resource.secret:
        return resource
    content = secrets.get(resource.secret) or resource.content
    if not content:
        raise ValueError(f"the node state needs the secret '{resource.secret}', which was not given")
    return dataclasses.replace(resource, content=content)


def digest(*texts: str) -> str:
    """Short, stable name for a text, to tell whether a daemon has read the present one."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


_OWNER = "owner:"


def owner(name: str) -> str:
    """What stands in the place of a deployment on things of a person's own playbooks, beside any deployment's."""
    return f"{_OWNER}{name}"


def owner_name(deployment: str) -> str:
    """Name of the owner that stands in a deployment's place; "" for a deployment."""
    return deployment.removeprefix(_OWNER) if deployment.startswith(_OWNER) else ""


def maker(deployment: str) -> str:
    """Who makes the things of a deployment or of an owner, for sentences."""
    name = owner_name(deployment)
    return f"owner {name}" if name else "tenantnet"


def slices_of(deployment: str) -> tuple[str, ...]:
    """The slices that a deployment's or an owner's things may be of, in the order in which they are applied."""
    return MODULES if owner_name(deployment) else SLICES


def home(deployment: str, slice_: str) -> str:
    """Directory below STATE_DIR of a slice's files, and infix of its services' names."""
    name = owner_name(deployment)
    return f"owner-{name}" if name else slice_


def owner_prefix(name: str) -> str:
    """Prefix of an owner's iptables chains: short, as people write it themselves."""
    return f"tn-{name}-"


def chain_prefix(slice_: str) -> str:
    """Prefix of a slice's iptables chains and ipsets: the mark of their owner (28 characters are a chain's limit)."""
    short = {"switching": "sw", "routing": "l3", "dhcp": "dh", "metadata": "md", "instances": "sg"}
    return f"tenantnet-{short[slice_]}-"


def cookie(deployment: str, slice_: str) -> int:
    """OpenFlow cookie of a slice; "learned" marks flows that a learn action made, which no diff touches."""
    return int.from_bytes(hashlib.sha256(f"{deployment}/{slice_}".encode()).digest()[:8], "big") | 1


def link_group(deployment: str, slice_: str) -> int:
    """Link group of a slice's devices: their mark from birth (IFLA_GROUP, 31 bits, never the default group 0)."""
    return int.from_bytes(hashlib.sha256(f"{deployment}/{slice_}".encode()).digest()[:4], "big") >> 1 | 1


def to_json(state: NodeState) -> dict[str, typing.Any]:
    """Plain data for transport: {version, deployment, node, <kind>: [resource, ...]}; empty kinds are left out."""
    data: dict[str, typing.Any] = {"version": VERSION, "deployment": state.deployment, "node": state.node}
    for kind, cls in KINDS.items():
        if items := [dataclasses.asdict(r) for r in state.resources if isinstance(r, cls)]:
            data[kind] = items
    return data


def from_json(data: typing.Mapping[str, typing.Any]) -> NodeState:
    """The inverse of `to_json`; raises ValueError for another version or for fields that this version does not know."""
    if data.get("version") != VERSION:
        raise ValueError(f"node state of version {data.get('version')!r}; this runtime reads version {VERSION}")
    resources: list[Resource] = []
    for kind, cls in KINDS.items():
        tuples = {f.name for f in dataclasses.fields(cls) if str(f.type).startswith("tuple")}
        for item in data.get(kind, ()):
            try:
                lists = {k: tuple(v) for k, v in item.items() if k in tuples and v is not None}
                resources.append(cls(**{**item, **lists}))
            except TypeError as exc:
                raise ValueError(f"node state, {kind}: {exc}") from exc
    return NodeState(deployment=str(data["deployment"]), node=str(data["node"]), resources=tuple(resources))
