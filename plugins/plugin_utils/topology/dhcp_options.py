# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""DHCP options that a port may be told besides those of its subnet: their names, which are dnsmasq's, and their values.

A value becomes part of a line that dnsmasq reads. What is allowed in it means nothing there but itself, and dnsmasq can
encode it: a line that it refuses would be missing for the client, and nobody would hear of it.
"""

from __future__ import annotations

import ipaddress
import re
import struct
import typing
from collections.abc import Callable

from ..third_party import pydantic
from .errors import shown, suggest
from .parts import Part
from .words import address, domain, wrong

Kind = typing.Literal["addresses", "domains", "routes", "text", "seconds", "byte", "short", "long", "any"]

#: What dnsmasq may be told by name: code (RFC 2132 and its successors) and what its value is.
OPTIONS: typing.Final[dict[str, tuple[int, Kind]]] = {
    "time-offset": (2, "long"), "router": (3, "addresses"), "dns-server": (6, "addresses"),
    "log-server": (7, "addresses"), "lpr-server": (9, "addresses"), "boot-file-size": (13, "short"),
    "domain-name": (15, "text"), "swap-server": (16, "addresses"), "root-path": (17, "text"),
    "extension-path": (18, "text"), "ip-forward-enable": (19, "byte"), "non-local-source-routing": (20, "byte"),
    "policy-filter": (21, "addresses"), "max-datagram-reassembly": (22, "short"), "default-ttl": (23, "byte"),
    "all-subnets-local": (27, "byte"), "router-discovery": (31, "byte"), "router-solicitation": (32, "addresses"),
    "static-route": (33, "addresses"), "trailer-encapsulation": (34, "byte"), "arp-timeout": (35, "long"),
    "ethernet-encap": (36, "byte"), "tcp-ttl": (37, "byte"), "tcp-keepalive": (38, "long"), "nis-domain": (40, "text"),
    "nis-server": (41, "addresses"), "ntp-server": (42, "addresses"), "netbios-ns": (44, "addresses"),
    "netbios-dd": (45, "addresses"), "netbios-nodetype": (46, "byte"), "x-windows-fs": (48, "addresses"),
    "x-windows-dm": (49, "addresses"), "T1": (58, "seconds"), "T2": (59, "seconds"), "vendor-class": (60, "text"),
    "nis+-domain": (64, "text"), "nis+-server": (65, "addresses"), "tftp-server": (66, "text"),
    "bootfile-name": (67, "text"), "mobile-ip-home": (68, "addresses"), "smtp-server": (69, "addresses"),
    "pop3-server": (70, "addresses"), "nntp-server": (71, "addresses"), "irc-server": (74, "addresses"),
    "user-class": (77, "text"), "posix-timezone": (100, "text"), "tzdb-timezone": (101, "text"),
    "ipv6-only": (108, "long"), "domain-search": (119, "domains"), "classless-static-route": (121, "routes"),
    "tftp-server-address": (150, "addresses"),
}  # fmt: skip
_NAMES: typing.Final = {code: name for name, (code, _kind) in OPTIONS.items()}

#: Codes that are not a port's to say, and who says them.
_OTHERS: typing.Final = {
    **dict.fromkeys((0, 1, *range(50, 58), 61, 80, 81, 82, 118, 125, 255), "the DHCP server's own"),
    12: "the instance's name",
    26: "the network's 'mtu'",
}
_OTHER_NAMES: typing.Final = {
    "netmask": 1,
    "hostname": 12,
    "mtu": 26,
    "broadcast": 28,
    "lease-time": 51,
    "client-id": 61,
}

#: dnsmasq reads quotes, backslashes and comments; everything else stands for itself.
_TEXT = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
_UNIT = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES = {"byte": "B", "short": "H", "long": "I"}


_NAME_SCHEMA: typing.Final = pydantic.WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "enum": sorted(OPTIONS)},
            {"type": "string", "pattern": "^[0-9]{1,3}$"},
            {"type": "integer", "minimum": 2, "maximum": 254},
        ],
        "examples": ["ntp-server"],
    }
)
_VALUE_SCHEMA: typing.Final = pydantic.WithJsonSchema(
    {"anyOf": [{"type": "string", "maxLength": 255}, {"type": "integer"}], "examples": ["192.168.1.5"]}
)


def name(value: object) -> str:
    """The name of an option, or the number of one that has no name here."""
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise wrong(f"{shown(value)} is not the name or the number of a DHCP option")
    number = int(text) if re.fullmatch("[0-9]{1,3}", text) else _OTHER_NAMES.get(text)
    if number in _OTHERS:
        raise wrong(f"DHCP option {shown(text)} is not a port's to say: it is {_OTHERS[number]}")
    if number is not None and number < 256:
        return _NAMES.get(number, str(number))
    if text not in OPTIONS:
        hint = suggest(text, OPTIONS) or "a name that dnsmasq knows, or a number from 2 to 254"
        raise wrong(f"there is no DHCP option {shown(text)}", hint)
    return text


def code(option: str) -> int:
    """The number of an option."""
    return OPTIONS[option][0] if option in OPTIONS else int(option)


def value(option: str, text: str) -> str:
    """The canonical form of an option's value. An empty list is an option that this port is not told."""
    kind = _kind(option)
    if not text and kind in ("addresses", "routes"):
        return ""
    if not _TEXT.fullmatch(text) or any(c in text for c in '"\\#'):
        message = f"the value of DHCP option '{option}' is not 1 to 255 printable ASCII characters"
        raise wrong(message, "no quotes, backslashes, # or line ends, and no space at either end")
    items = [item.strip() for item in text.split(",")]
    if kind in ("addresses", "domains"):
        return ",".join((address if kind == "addresses" else domain)(item) for item in items)
    if kind == "routes":
        return ",".join(_route(items))
    if kind == "seconds" and not re.fullmatch("[0-9]{1,9}[smhdw]?", text):
        raise wrong(f"{shown(text)} is not a time such as 3600 or 12h")
    if kind in _SIZES:
        _check_number(option, text, 8 * struct.calcsize(_SIZES[kind]))
    return text


def _route(items: list[str]) -> typing.Iterator[str]:
    if len(items) % 2:
        raise wrong("a list of routes is pairs of destination and next hop", "for example 10.0.0.0/8,192.168.1.9")
    for destination, hop in zip(items[::2], items[1::2], strict=True):
        try:
            yield f"{ipaddress.IPv4Network(destination)},{address(hop)}"
        except ValueError:
            raise wrong(f"{shown(destination)} is not an IPv4 prefix such as 192.168.1.0/24") from None


def _check_number(option: str, text: str, bits: int) -> None:
    signed = option == "time-offset"
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if not re.fullmatch("-?[0-9]{1,10}", text) or not low <= int(text) <= high:
        raise wrong(f"{shown(text)} is not a number from {low} to {high}, as DHCP option '{option}' has it")


def _kind(option: str) -> Kind:
    return OPTIONS[option][1] if option in OPTIONS else "any"


class DhcpOption(Part):
    """What the client of a port is told besides what its network and subnet say, or instead of it."""

    opt_name: typing.Annotated[str, pydantic.BeforeValidator(name), _NAME_SCHEMA] = pydantic.Field(
        description="Name of the option, as dnsmasq has it, or its number."
    )
    opt_value: typing.Annotated[str, _VALUE_SCHEMA] = pydantic.Field(
        description="Its value. Commas separate several addresses; an empty list is an option that is not told."
    )

    @pydantic.field_validator("opt_value", mode="before")
    @classmethod
    def _number(cls, given: object) -> object:
        return str(given) if isinstance(given, int) and not isinstance(given, bool) else given

    @pydantic.field_validator("opt_value")
    @classmethod
    def _canonical(cls, text: str, info: pydantic.ValidationInfo) -> str:
        return value(info.data["opt_name"], text) if "opt_name" in info.data else text


# ------------------------------------------------------------------------------------------------------- on the wire


def wire(option: str, text: str) -> bytes:
    """The bytes that a client gets, which is what verification expects of the server."""
    kind = _kind(option)
    if kind == "any":
        return _guessed(text)
    if kind in _SIZES:
        return (int(text) % 2**32).to_bytes(4, "big")[-struct.calcsize(_SIZES[kind]) :]
    encode: dict[str, Callable[[str], bytes]] = {
        "addresses": _addresses,
        "domains": _domains,
        "routes": _routes,
        "seconds": lambda t: struct.pack("!I", int(t.rstrip("smhdw")) * _UNIT[t.lstrip("0123456789")]),
        "text": str.encode,
    }
    return encode[kind](text)


def _guessed(text: str) -> bytes:
    """How dnsmasq takes the value of an option whose type it doesn't know: numbers in as few bytes as will do."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        number = int(text)
        return number.to_bytes(4 if number > 0xFFFF else 2 if number > 0xFF else 1, "big")
    if re.fullmatch(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2})+", text):
        return bytes(int(part, 16) for part in text.split(":"))
    try:
        return _addresses(text)
    except ValueError:
        return text.encode()


def _addresses(text: str) -> bytes:
    return b"".join(ipaddress.IPv4Address(item).packed for item in text.split(",") if item)


def _routes(text: str) -> bytes:
    items, found = text.split(",") if text else [], b""
    for destination, hop in zip(items[::2], items[1::2], strict=True):
        net = ipaddress.IPv4Network(destination)
        found += bytes([net.prefixlen]) + net.network_address.packed[: (net.prefixlen + 7) // 8] + _addresses(hop)
    return found


def _domains(text: str) -> bytes:
    """RFC 3397: names with pointers to what was there before."""
    found, known = b"", dict[str, int]()
    for item in text.split(","):
        while item and item not in known:
            known[item] = len(found)
            label, _dot, item = item.partition(".")
            found += bytes([len(label)]) + label.encode()
        found += struct.pack("!H", 0xC000 | known[item]) if item else b"\0"
    return found
