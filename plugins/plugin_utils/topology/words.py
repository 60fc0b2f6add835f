# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The words of a topology file: one type for each kind of text or number that may stand in a field.

Each takes what people write, refuses what cannot be meant with a sentence, and returns the canonical form.
"""

from __future__ import annotations

import ipaddress
import re
import typing
import uuid

from ..third_party import pydantic, pydantic_core
from .errors import shown, suggest

T = typing.TypeVar("T")

#: Protocols by number, under the names that iptables prints (Neutron's "ipip" is 4, which iptables calls ipencap).
PROTOCOLS: typing.Final = {
    1: "icmp", 2: "igmp", 4: "ipencap", 6: "tcp", 8: "egp", 17: "udp", 33: "dccp", 41: "ipv6", 46: "rsvp", 47: "gre",
    50: "esp", 51: "ah", 58: "ipv6-icmp", 89: "ospf", 94: "ipip", 112: "vrrp", 113: "113", 115: "l2tp", 132: "sctp",
    136: "udplite", 137: "mpls-in-ip",
}  # fmt: skip
NUMBERS = {name: number for number, name in PROTOCOLS.items()} | {"ipip": 4, "pgm": 113}
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DOMAIN = re.compile(rf"{_NAME.pattern}(\.{_NAME.pattern})*")
_DEVICE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_BRIDGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


def wrong(message: str, hint: str = "") -> pydantic_core.PydanticCustomError:
    """The error of a value, in our own words."""
    return pydantic_core.PydanticCustomError("wrong", "{message}", {"message": message, "hint": hint})


def _not(value: object, kind: str, hint: str = "") -> pydantic_core.PydanticCustomError:
    if "{{" in str(value) or "{%" in str(value):
        hint = "templates are not evaluated here, write the value itself"
    return wrong(f"{shown(value)} is not {kind}", hint)


def name(text: str) -> str:
    """What objects of a topology are called."""
    if _NAME.fullmatch(text):
        return text
    meant = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    hint = f"for example '{meant}'" if _NAME.fullmatch(meant) else ""
    raise _not(text, "a name: lower-case letters, digits and inner hyphens, at most 63", hint)


def _network_name(text: str) -> str:
    """A network of the project or of the administrators, or one that another project shares."""
    project, slash, network = text.rpartition("/")
    if slash:
        name(project)
    name(network)
    return text


def domain(text: str) -> str:
    """The canonical form of a DNS domain, which leaves room for the name of an instance before it."""
    name = text.lower().removesuffix(".")
    if not _DOMAIN.fullmatch(name) or len(name) > 189:
        raise _not(text, "a DNS domain such as example.org, at most 189 characters")
    return name


def _device(text: str) -> str:
    if not _DEVICE.fullmatch(text) or text in (".", ".."):
        raise _not(text, "the name of an interface: at most 15 characters, no spaces or slashes")
    return text


def _user(text: str) -> str:
    if not _USER.fullmatch(text):
        raise _not(text, "the name of a user")
    return text


def _bridge(text: str) -> str:
    if text in ("br-int", "br-tun"):
        raise wrong(f"'{text}' is tenantnet's own bridge", "name one of the physical network's own, such as 'br-ex'")
    if not _BRIDGE.fullmatch(text):
        raise _not(text, "the name of a bridge: at most 15 letters, digits, dots and hyphens")
    return text


def address(text: str) -> str:
    """The canonical form of an IPv4 address."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise _not(text, "an IPv4 address") from None


def _prefix(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError:
        pass
    try:
        hint = f"did you mean '{ipaddress.IPv4Network(text, strict=False)}'?"
    except ValueError:
        hint = ""
    raise _not(text, "an IPv4 prefix such as 192.168.1.0/24", hint)


def _cidr(text: str) -> str:
    net = ipaddress.IPv4Network(_prefix(text))
    if net.prefixlen > 30:
        raise wrong(f"'{net}' is too small for a subnet", "use a prefix length of 30 or less")
    if net.prefixlen < 8 or net.is_multicast or net.is_loopback or net.is_link_local or net.is_reserved:
        raise wrong(f"'{net}' is not a range of unicast addresses for a subnet")
    return str(net)


def _mac(text: str) -> str:
    mac = text.lower().replace("-", ":")
    if not _MAC.fullmatch(mac):
        raise _not(text, "a MAC address such as fa:16:3e:00:00:01")
    if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise wrong(f"'{text}' is not the MAC address of one interface", "its first byte must be even")
    return mac


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise _not(text, "a UUID") from None


def numbers(kind: str, low: int, high: int, noun: str) -> typing.Callable[[object], tuple[int, int]]:
    """Parser of "first:last" (or one number) within bounds; both ends belong to the range."""

    def parse(value: object) -> tuple[int, int]:
        match = re.fullmatch(r"([0-9]{1,10})(?::([0-9]{1,10}))?", str(value))
        if isinstance(value, bool) or not isinstance(value, str | int) or not match:
            raise _not(value, kind)
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise wrong(f"'{value}' begins after its end", f"did you mean '{last}:{first}'?")
        if first < low or last > high:
            raise wrong(f"'{value}' is out of bounds", f"a {noun} is between {low} and {high}")
        return first, last

    return parse


def _pool(value: object) -> tuple[str, str]:
    if isinstance(value, dict) and set(value) == {"start", "end"}:  # the Neutron API's own form
        value = f"{value['start']}-{value['end']}"
    parts = value.split("-") if isinstance(value, str) else ()
    if len(parts) != 2:
        raise _not(value, "a pool of addresses such as 192.168.1.10-192.168.1.99")
    first, last = address(parts[0].strip()), address(parts[1].strip())
    if ipaddress.IPv4Address(first) > ipaddress.IPv4Address(last):
        raise wrong(f"'{value}' begins after its end", f"did you mean '{last}-{first}'?")
    return first, last


def _protocol(value: object) -> str | None:
    text = str(value).lower()
    if isinstance(value, bool) or not isinstance(value, str | int) or (text.isdigit() and int(text) > 255):
        raise _not(value, "a protocol", "write a name such as tcp, or a number from 0 to 255")
    if text in ("any", "0"):
        return None
    if not text.isdigit() and text not in NUMBERS:
        raise _not(
            value,
            "a protocol",
            suggest(text, sorted(NUMBERS)) or "write a name such as tcp, or a number from 0 to 255",
        )
    number = int(text) if text.isdigit() else NUMBERS[text]
    return PROTOCOLS.get(number, str(number))


def _key_pair(text: str) -> str:
    line = text.strip()
    if not line.isprintable() or not re.match(r"(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]+", line):
        begins = line[:20] + ("…" if len(line) > 20 else "")
        raise _not(begins, "an SSH public key: one line such as 'ssh-ed25519 AAAA… me@example'")
    return line


def _own_address(text: str) -> str:
    """An address or a prefix that a port may use; an address is written without its length."""
    prefix = _prefix(text)
    if prefix.endswith("/0"):
        raise wrong(f"'{prefix}' is every address", "write 'port_security_enabled: false' for a port that may use any")
    return prefix.removesuffix("/32")


def _any_prefix(text: str) -> str | None:
    prefix = _prefix(text)
    return None if prefix == "0.0.0.0/0" else prefix


def _floating_ip(value: object) -> object:
    """An address, "" for any, None for none."""
    if isinstance(value, bool):
        return "" if value else None
    return address(value) if isinstance(value, str) else value


def _shape(pattern: str, *examples: object, **more: object) -> typing.Any:
    """What an editor is told of a text: a necessary pattern, which need not say everything."""
    shown = {"examples": examples} if examples else {}
    return pydantic.WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$", **shown, **more})


def _number(pattern: str, *examples: object) -> typing.Any:
    """The same of a number that may also be written as a text."""
    text = {"type": "string", "pattern": f"^(?:{pattern})$"}
    return pydantic.WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, text], "examples": examples})


def _range(kind: str, low: int, high: int, noun: str, *examples: object) -> typing.Any:
    """Both ends of "first:last", or of one number."""
    return typing.Annotated[
        tuple[int, int],
        pydantic.BeforeValidator(numbers(kind, low, high, noun)),
        pydantic.PlainSerializer(lambda ends: f"{ends[0]}:{ends[1]}"),
        _number("[0-9]+(:[0-9]+)?", *examples),
    ]


_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_PREFIX = f"{_IPV4}(/({_IPV4}|3[0-2]|[12]?[0-9]))?"
_POOL = {
    "anyOf": [
        {"type": "string", "pattern": f"^{_IPV4} *- *{_IPV4}$"},
        {
            "type": "object",
            "properties": {end: {"type": "string", "pattern": f"^{_IPV4}$"} for end in ("start", "end")},
            "required": ["start", "end"],
            "additionalProperties": False,
        },
    ],
    "examples": ["192.168.1.10-192.168.1.99"],
}
_FLOATING_IP = {"anyOf": [{"type": "boolean"}, {"type": "null"}, {"type": "string", "pattern": f"^{_IPV4}$"}]}

Name = typing.Annotated[str, pydantic.AfterValidator(name), _shape(_NAME.pattern)]
NetworkName = typing.Annotated[
    str, pydantic.AfterValidator(_network_name), _shape(f"({_NAME.pattern}/)?{_NAME.pattern}")
]
Domain = typing.Annotated[str, pydantic.AfterValidator(domain), _shape(r"[A-Za-z0-9.-]{1,190}", "example.org")]
Device = typing.Annotated[str, pydantic.AfterValidator(_device), _shape(_DEVICE.pattern, "eth1")]
User = typing.Annotated[str, pydantic.AfterValidator(_user), _shape(_USER.pattern, "libvirt-qemu")]
BridgeName = typing.Annotated[str, pydantic.AfterValidator(_bridge), _shape(_BRIDGE.pattern, "br-ex")]
Address = typing.Annotated[str, pydantic.AfterValidator(address), _shape(_IPV4, "192.168.1.1")]
Prefix = typing.Annotated[str, pydantic.AfterValidator(_prefix), _shape(_PREFIX, "192.168.1.0/24")]
OwnAddress = typing.Annotated[str, pydantic.AfterValidator(_own_address), _shape(_PREFIX, "192.168.1.100")]
Cidr = typing.Annotated[str, pydantic.AfterValidator(_cidr), _shape(_PREFIX, "192.168.1.0/24")]
RemotePrefix = typing.Annotated[
    typing.Annotated[str, _shape(_PREFIX, "203.0.113.0/24")] | None,
    pydantic.AfterValidator(lambda v: None if v is None else _any_prefix(v)),
]
Mac = typing.Annotated[
    str, pydantic.AfterValidator(_mac), _shape("([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", "fa:16:3e:00:00:01")
]
Uuid = typing.Annotated[str, pydantic.AfterValidator(_uuid), _shape(r"[0-9A-Fa-f{}:urnid-]{32,45}", format="uuid")]
KeyPair = typing.Annotated[
    str, pydantic.AfterValidator(_key_pair), _shape(r"\s*(ssh|ecdsa|sk)-\S+ .*\s*", "ssh-ed25519 AAAA me@example")
]
Protocol = typing.Annotated[
    str | None, pydantic.BeforeValidator(_protocol), _number("[A-Za-z0-9-]+", "tcp", "icmp", 89)
]
Pool = typing.Annotated[
    tuple[str, str],
    pydantic.BeforeValidator(_pool),
    pydantic.PlainSerializer("-".join),
    pydantic.WithJsonSchema(_POOL),
]
FloatingIp = typing.Annotated[
    str | None, pydantic.BeforeValidator(_floating_ip), pydantic.WithJsonSchema(_FLOATING_IP)
]  # None for none, "" for any
Vnis = _range("a range such as 1:1000", 1, 16777215, "VNI", "1:10000")
Keys = _range("a range such as 1:1000", 1, 4294967295, "GRE key", "1:1000")
Vlans = _range("a range such as 100:199", 1, 4094, "VLAN", "100:199")
Ports = _range("a port or a range such as 80:443", 1, 65535, "port", "22", "80:443")
Mtu = typing.Annotated[int, pydantic.Field(ge=68, le=65535)]
#: A list; people may not write anything else, but the field itself is immutable.
Items = typing.Annotated[tuple[T, ...], pydantic.Strict(False)]
