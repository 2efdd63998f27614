"""One connection to the database, made when it is first needed: its tables, its errors in our words.

A connection that broke is made anew for a call that may be made twice, which all calls here may: reading
changes nothing, and each write says what is to be there, not what is to be added. `Session` (session.py) decides
whether a new connection may go on writing, and how long a run waits for one.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from sutazai.errors import StateError
from sutazai.model.backend import PostgresBackend

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

POLL = 0.1
"""Seconds between two tries for what can't be had yet: a connection, or a lock that another session holds."""
CONNECT_TIMEOUT = 10
"""Seconds for one address of the server to answer."""
_SETTLED: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT,
    "application_name": "sutazai",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SERVER = (
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;"
    " SET client_min_messages = warning"
)
"""The server, too, notices within half a minute that a client's machine is gone, and drops what it locked."""
_TABLES = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.environments (
    project text, environment text, moved_to text, lock_info text, lock_pid integer,
    PRIMARY KEY (project, environment));
CREATE TABLE IF NOT EXISTS {schema}.serials (
    project text, environment text, serial integer, document bytea NOT NULL,
    PRIMARY KEY (project, environment, serial));
CREATE TABLE IF NOT EXISTS {schema}.journal (
    project text, environment text, position integer, entry bytea NOT NULL,
    PRIMARY KEY (project, environment, position));
"""
_ROW = sql.SQL("project = %s AND environment = %s")
_CREATION_LOCK = 0x5375_7461_7A61_6901
"""The advisory lock under which tables are made: `IF NOT EXISTS` alone fails when two do it at once."""


class ConnectionLost(Exception):
    """The connection broke in the middle of a call; whether the call was carried out is not known."""


class Unreachable(StateError):
    """No connection can be made."""


class NotYet(Exception):
    """What is asked for can't be done yet; its words say why."""


class Database:
    """A connection for one environment at a time. Safe to use from threads: calls take turns."""

    def __init__(self, options: PostgresBackend) -> None:
        self._url = options.url or ""
        self.schema = options.schema_name
        self.where = f"postgres {_place(self._url)}, schema {self.schema}"
        self._connection: Connection | None = None
        self._turn = threading.RLock()
        self.patience = 0.0
        """Seconds in which a call whose connection broke, or can't be made, is made again. A broken one is made anew once in
        any case."""

    def call(self, work: Callable[[Connection], T]) -> T:
        """What `work` makes of the connection. Raises ConnectionLost when it broke, StateError for all else."""
        with self._turn:
            connection = self._open()
            try:
                return work(connection)
            except psycopg.Error as error:
                if connection.closed or connection.broken:
                    self.close()
                    raise ConnectionLost(str(error)) from error
                raise self.explained(error) from error

    def read(self, work: Callable[[Connection], T], empty: T) -> T:
        """As `call`, for what changes nothing, patiently; `empty` where there are no tables yet."""
        return self.patiently(lambda connection: self._read(connection, work, empty))

    def patiently(self, work: Callable[[Connection], T]) -> T:
        """As `call`, for what may be done twice: again, on new connections, until `patience` ends. Raises StateError."""
        deadline, again = time.monotonic() + self.patience, False
        while True:
            try:
                return self.call(work)
            except (ConnectionLost, Unreachable, NotYet) as error:
                anew = isinstance(error, ConnectionLost) and not again
                if not anew and time.monotonic() >= deadline:
                    raise (error if isinstance(error, Unreachable) else self.lost(error)) from error
                again = True
            time.sleep(0 if anew else POLL)

    def rows(self, text: LiteralString, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """What a query finds; nothing where there are no tables yet."""
        nothing: list[tuple[Any, ...]] = []
        return self.read(lambda connection: connection.execute(self.query(text), values).fetchall(), nothing)

    def _read(self, connection: Connection, work: Callable[[Connection], T], empty: T) -> T:
        try:
            return work(connection)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return empty

    def query(self, text: LiteralString) -> sql.Composed:
        """A statement with `{schema}` filled in, and `{row}`: the condition that picks one environment."""
        return sql.SQL(text).format(schema=sql.Identifier(self.schema), row=_ROW)

    def make_tables(self, connection: Connection) -> None:
        """Only where they are missing, so that an account that may not make any can still use them."""
        there = connection.execute("SELECT to_regclass(%s)", (f"{self.schema}.journal",)).fetchone()
        if there is not None and there[0] is not None:
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATION_LOCK,))
            connection.execute(self.query(_TABLES))

    def close(self) -> None:
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def explained(self, error: psycopg.Error) -> StateError:
        hint = None
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            hint = f"give this account the rights on schema {self.schema}"
        said = str(error).strip().splitlines() or [type(error).__name__]
        return StateError(f"{self.where}: {said[0]}", hint=hint)

    def lost(self, error: Exception) -> StateError:
        return StateError(
            f"{self.where}: the connection was lost ({str(error).strip().splitlines()[0]})",
            hint="when the server answers again, run `sutazai plan` to see where things stand",
        )

    def _open(self) -> Connection:
        if self._connection is None:
            try:
                connection = psycopg.connect(self._url, autocommit=True, **_SETTLED)
                connection.execute(_SERVER)
            except psycopg.OperationalError as error:
                raise self._unreachable(error) from error
            except psycopg.Error as error:
                raise self.explained(error) from error
            self._connection = connection
        return self._connection

    def _unreachable(self, error: psycopg.OperationalError) -> Unreachable:
        said = " ".join(str(error).split())  # the cause may be in any of several lines
        return Unreachable(
            f"can't connect to {self.where}: {said or 'no answer'}",
            hint="see `url` under `state` of the environment, and libpq's variables (PGHOST, PGPASSWORD, …)",
        )


def _place(url: str) -> str:
    """`HOST:PORT/DATABASE` as far as it is known, and never a password. What libpq can't read is not shown, since a
    password may be anywhere in it."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise StateError(
            "libpq can't read `url` under `state` of the environment",
            hint="write postgresql://USER@HOST:PORT/DATABASE",
        ) from error
    found = {
        key: given.get(key) or os.environ.get(variable, "")
        for key, variable in (("host", "PGHOST"), ("port", "PGPORT"), ("dbname", "PGDATABASE"))
    }
    port = f":{found['port']}" if found["port"] else ""
    return f"{found['host'] or 'localhost'}{port}/{found['dbname'] or ''}"
