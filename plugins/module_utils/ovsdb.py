# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""The Open vSwitch database of a node: a replica to read, transactions to write, conditions to wait for.

Rows are read as plain dictionaries; a reference to another row is its UUID. Only the columns in COLUMNS are replicated:
without statistics the replica changes when the configuration does, and not by itself.
"""

from __future__ import annotations

import logging
import pathlib
import threading
import time
import typing
import uuid

from .errors import TenantnetError

try:
    from ovsdbapp.backend import ovs_idl
    from ovsdbapp.backend.ovs_idl import command, connection, idlutils
except ImportError:  # told to the person at the first use
    ovs_idl = None

SOCKET = pathlib.Path("/run/openvswitch/db.sock")
TIMEOUT = 10.0  # seconds for an answer of the database
ACT_TIMEOUT = 60.0  # seconds for ovs-vswitchd to act on a change: it removes about fifty internal ports a second

COLUMNS = {
    "Open_vSwitch": ("bridges", "next_cfg", "cur_cfg"),
    "Bridge": (
        "name",
        "ports",
        "datapath_type",
        "fail_mode",
        "protocols",
        "other_config",
        "mcast_snooping_enable",
        "controller",
        "external_ids",
    ),
    "Controller": ("target",),
    "Port": (
        "name",
        "interfaces",
        "tag",
        "trunks",
        "vlan_mode",
        "bond_mode",
        "lacp",
        "bond_updelay",
        "bond_downdelay",
        "other_config",
        "external_ids",
    ),
    "Interface": ("name", "type", "options", "external_ids", "ofport_request", "ofport", "error"),
}

#: A row as plain data: column -> value. Optional columns are lists of at most one element, as in the database.
Row = dict[str, typing.Any]

#: A part of a transaction. It may run again when the database has changed meanwhile: it decides from the rows it sees.
Command = typing.Callable[["Writer"], None]


class Writer:
    """Rows inside a transaction. Columns are assigned whole, so that a map never keeps a key that is unwanted."""

    def __init__(self, idl: typing.Any, txn: typing.Any) -> None:
        self._idl = idl
        self._txn = txn
        self._names: dict[str, dict[str, typing.Any]] = {}

    def root(self) -> typing.Any:
        """The one row of the table Open_vSwitch."""
        return next(iter(self._idl.tables["Open_vSwitch"].rows.values()))

    def find(self, table: str, name: str) -> typing.Any | None:
        """The row of that name, live or inserted before in this transaction; None when there is none."""
        return self._index(table).get(name)

    def all(self, table: str) -> list[typing.Any]:
        """All live rows of a table."""
        return list(self._index(table).values())

    def insert(self, table: str, columns: Row) -> typing.Any:
        """A new row; it exists only while another row refers to it."""
        row = self.write(self._txn.insert(self._idl.tables[table]), columns)
        if "name" in columns:
            self._index(table)[columns["name"]] = row
        return row

    @staticmethod
    def write(row: typing.Any, columns: Row) -> typing.Any:
        """Assign whole columns of a row."""
        for column, value in columns.items():
            setattr(row, column, value)
        return row

    def _index(self, table: str) -> dict[str, typing.Any]:
        if table not in self._names:
            self._names[table] = {row.name: row for row in self._idl.tables[table].rows.values()}
        return self._names[table]


class Ovsdb:
    """One connection to the database of the node, opened at its first use."""

    def __init__(self, socket: pathlib.Path = SOCKET) -> None:
        self._socket = socket
        self.rundir = socket.parent  # where ovs-vswitchd has its own sockets, too
        self._api: typing.Any = None
        self._changed = threading.Event()

    def close(self) -> None:
        """End the connection and its thread."""
        if self._api is not None:
            self._api.ovsdb_connection.stop()
            self._api = None

    @property
    def running(self) -> bool:
        """Whether there is a database to connect to."""
        return self._socket.exists()

    def rows(self, table: str) -> dict[uuid.UUID, Row]:
        """All rows of a table by UUID; empty where Open vSwitch does not run."""
        if not self.running:
            return {}
        api = self._connected()
        with api.ovsdb_connection.lock:
            return {key: _plain(row, COLUMNS[table]) for key, row in api.tables[table].rows.items()}

    def interfaces(self, bridge: str) -> dict[str, Row]:
        """Interface rows of a bridge by name."""
        ports, interfaces = self.rows("Port"), self.rows("Interface")
        own = [port for row in self.rows("Bridge").values() if row["name"] == bridge for port in row["ports"]]
        found = [interfaces[key] for port in own for key in ports[port]["interfaces"]]
        return {row["name"]: row for row in found}

    def ofports(self, bridge: str) -> dict[str, int]:
        """OpenFlow numbers of the ports of a bridge by name; a port without a device has the one that it asks for."""
        found = self.interfaces(bridge).items()
        numbers = {name: [n for n in (*row["ofport"], *row["ofport_request"]) if n > 0] for name, row in found}
        return {name: first[0] for name, first in numbers.items() if first}

    def transact(self, commands: typing.Sequence[Command]) -> None:
        """Carry out all the commands or none, and wait until ovs-vswitchd has acted on them; raises TenantnetError."""
        api = self._connected()
        transaction = api.create_transaction(check_error=True, log_errors=False)
        batch = transaction.add(_batch(api, commands))
        try:
            transaction.commit()
        except TenantnetError:
            raise
        except Exception as exc:  # ovsdbapp raises bare RuntimeError, and what a command raised
            raise TenantnetError(f"Open vSwitch refused a transaction: {exc}") from exc
        number = batch.result or 0  # none when nothing was different
        self.wait(lambda: self._acted() >= number, "ovs-vswitchd to act on its database; is it running?", ACT_TIMEOUT)

    def wait(self, condition: typing.Callable[[], bool], what: str, seconds: float = TIMEOUT) -> None:
        """Return once the replica fulfils a condition; raises TenantnetError at the deadline, naming `what`."""
        deadline = time.monotonic() + seconds
        while True:
            self._changed.clear()
            if condition():
                return
            if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                raise TenantnetError(f"waited {seconds:g} s for {what}")

    def _acted(self) -> int:
        return max((int(row["cur_cfg"]) for row in self.rows("Open_vSwitch").values()), default=0)

    def _connected(self) -> typing.Any:
        if self._api is None:
            if ovs_idl is None:
                raise TenantnetError("the Python library ovsdbapp is not installed on this node")
            try:
                self._api = _connect(self._socket, self._changed)
            except Exception as exc:  # the libraries raise bare Exception here
                cause = str(exc) if self.running else f"no {self._socket}"
                raise TenantnetError(f"Open vSwitch is not running on this node ({cause})") from exc
        return self._api


def _connect(socket: pathlib.Path, changed: threading.Event) -> typing.Any:
    """Connect and fetch the replica. `changed` is set whenever the replica changes."""
    logging.getLogger("ovsdbapp").addHandler(logging.NullHandler())  # errors are raised, and told once
    remote = f"unix:{socket}"
    helper = idlutils.get_schema_helper(remote, "Open_vSwitch")
    for table, columns in COLUMNS.items():
        helper.register_columns(table, list(columns))

    class Idl(connection.OvsdbIdl):  # type: ignore[misc]
        def notify(self, event: str, row: typing.Any, updates: typing.Any = None) -> None:
            changed.set()

    class Api(ovs_idl.Backend):  # type: ignore[misc]
        """A class of its own for each connection, because Backend keeps the connection in the class."""

        schema = "Open_vSwitch"

    return Api(connection.Connection(Idl(remote, helper), timeout=TIMEOUT))


def _batch(api: typing.Any, commands: typing.Sequence[Command]) -> typing.Any:
    """All commands as one of ovsdbapp's, whose result is the configuration number to wait for."""

    class Batch(command.BaseCommand):  # type: ignore[misc]
        def run_idl(self, txn: typing.Any) -> None:
            writer = Writer(self.api.idl, txn)
            for work in commands:
                work(writer)
            writer.root().increment("next_cfg")

        def post_commit(self, txn: typing.Any) -> None:
            self.result = txn.get_increment_new_value()

    return Batch(api)


def _plain(row: typing.Any, columns: typing.Iterable[str]) -> Row:
    """A row of the replica as plain data."""
    return {column: _value(getattr(row, column)) for column in columns}


def _value(value: typing.Any) -> typing.Any:
    if isinstance(value, list):
        return [item.uuid if hasattr(item, "uuid") else item for item in value]
    return dict(value) if isinstance(value, dict) else value
