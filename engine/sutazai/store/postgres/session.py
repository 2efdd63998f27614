"""One writer at a time, held by a session of the server.

The lock is an advisory lock of the session: when the process dies its connection ends, and the server drops the
lock. All writes of a run go over the very connection that holds the lock, so a run that lost it can't write.
The row in `environments` says who holds it, in Terraform's words; one left over from a dead process binds nobody.

A connection that breaks while the process lives is made anew, within `RESUME` seconds: the new session takes the
lock again if nobody had it in between, which the row tells, and repeats the call that was cut off. Each call says
what is to be there (this serial, these lines at these positions), so one that was carried out though its answer
was lost is recognised and not made twice.

`unlock` ends the holder's session. It keeps the row locked until the session is gone, so that the holder, which
tries to come back, finds it no longer its own.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import psycopg

from sutazai.errors import StateError
from sutazai.ports import LockInfo
from sutazai.store.holder import from_json, locked, must_match, new_holder, taken, to_json
from sutazai.store.postgres.database import POLL, Connection, ConnectionLost, Database, NotYet, Unreachable

T = TypeVar("T")
RESUME = 20.0
"""Seconds in which a run whose connection broke may come back: a failover of a managed server takes about that."""
ENDING = 10.0
"""Seconds for a session that was told to end to be gone."""

_HELD_BY = """
SELECT pid FROM pg_locks
 WHERE locktype = 'advisory' AND granted AND objsubid = 1
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (classid::bigint << 32) | objid::bigint = %s"""


class Session:
    """The lock of `environment` of `project`, and the only way to write."""

    def __init__(self, database: Database, project: str, environment: str, version: str) -> None:
        self._database = database
        self._scope = (project, environment)
        self._version = version
        self._where = f"{database.where} ({project}/{environment})"
        digest = hashlib.sha256("\0".join((database.schema, *self._scope)).encode()).digest()
        self._key = int.from_bytes(digest[:8], signed=True)
        self._held: LockInfo | None = None
        self._over: Connection | None = None
        """The connection whose session holds the lock."""

    @contextlib.contextmanager
    def hold(self, operation: str, timeout: float) -> Iterator[LockInfo]:
        """Hold the lock, waiting for it at most `timeout` seconds. Raises StateLocked naming the holder."""
        if self._held is not None:
            raise locked(self._where, self._held)
        info = new_holder(operation, self._version, self._where)
        self._acquire(info, time.monotonic() + timeout)
        self._held = info
        self._database.patience = RESUME
        try:
            yield info
        finally:
            self._held = None
            self._database.patience = 0.0
            with contextlib.suppress(ConnectionLost, Unreachable):  # a session that is gone holds nothing
                self._database.call(lambda connection: self._release(connection, info))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Carry out a call that changes the state and may be repeated. While the lock is held it is carried out under
        the lock or not at all."""
        return self._database.patiently(lambda connection: self._made(connection, work))

    def holder(self) -> LockInfo | None:
        return self._database.read(self._read_holder, None)

    def unlock(self, lock_id: str) -> LockInfo:
        try:
            return self._database.call(lambda connection: self._take(connection, lock_id))
        except ConnectionLost as error:
            raise self._database.lost(error) from error

    def _made(self, connection: Connection, work: Callable[[Connection], T]) -> T:
        if self._held is None:
            self._database.make_tables(connection)
        elif connection is not self._over:
            self._resume(connection, self._held)
        return work(connection)

    def _acquire(self, info: LockInfo, deadline: float) -> None:
        while True:
            try:
                holder = self._database.call(lambda connection: self._try(connection, info))
            except ConnectionLost as error:
                raise self._database.lost(error) from error
            if holder is None:
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise locked(self._where, holder[0])
            time.sleep(min(POLL, left))

    def _try(self, connection: Connection, info: LockInfo) -> tuple[LockInfo | None] | None:
        """None when the lock is held now; else a tuple of who has it, None when that is not known."""
        self._database.make_tables(connection)
        if not self._lock(connection):
            return (self._read_holder(connection),)
        connection.execute(
            self._database.query(
                "INSERT INTO {schema}.environments (project, environment, lock_info, lock_pid)"
                " VALUES (%s, %s, %s, pg_backend_pid()) ON CONFLICT (project, environment)"
                " DO UPDATE SET lock_info = EXCLUDED.lock_info, lock_pid = EXCLUDED.lock_pid"
            ),
            (*self._scope, to_json(info).decode()),
        )
        self._over = connection
        return None

    def _lock(self, connection: Connection) -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (self._key,)).fetchone()
        return bool(row and row[0])

    def _release(self, connection: Connection, info: LockInfo) -> None:
        connection.execute(
            self._database.query(
                "UPDATE {schema}.environments SET lock_info = NULL, lock_pid = NULL"
                " WHERE {row} AND lock_info = %s"
            ),
            (*self._scope, to_json(info).decode()),
        )
        connection.execute("SELECT pg_advisory_unlock(%s)", (self._key,))

    def _read_holder(self, connection: Connection) -> LockInfo | None:
        row = connection.execute(
            self._database.query("SELECT lock_info, lock_pid FROM {schema}.environments WHERE {row}"),
            self._scope,
        ).fetchone()
        if row is None or row[0] is None or row[1] not in self._sessions(connection):
            return None
        return from_json(row[0], f"the lock of {self._where}")

    def _sessions(self, connection: Connection) -> list[int]:
        """The process numbers, on the server, of the sessions that hold the lock: one or none."""
        return [int(row[0]) for row in connection.execute(_HELD_BY, (self._key,))]

    def _resume(self, connection: Connection, info: LockInfo) -> None:
        """Take the lock again, from the session that broke, if the server has not noticed yet."""
        own = (*self._scope, to_json(info).decode())
        with connection.transaction():
            row = connection.execute(
                self._database.query(
                    "SELECT lock_pid FROM {schema}.environments WHERE {row} AND lock_info = %s FOR UPDATE"
                ),
                own,
            ).fetchone()
            if row is None:
                raise taken(self._where, far=True)
            if not self._lock(connection):
                if row[0] in self._sessions(connection):
                    connection.execute("SELECT pg_terminate_backend(%s)", (row[0],))
                raise NotYet("the server has not dropped the lock of the broken session yet")
            connection.execute(
                self._database.query(
                    "UPDATE {schema}.environments SET lock_pid = pg_backend_pid() WHERE {row} AND lock_info = %s"
                ),
                own,
            )
        self._over = connection

    def _take(self, connection: Connection, lock_id: str) -> LockInfo:
        with connection.transaction():
            row = connection.execute(
                self._database.query("SELECT lock_info FROM {schema}.environments WHERE {row} FOR UPDATE"),
                self._scope,
            ).fetchone()
            found = from_json(row[0], f"the lock of {self._where}") if row and row[0] else None
            info = must_match(found, lock_id, self._where)
            connection.execute(
                self._database.query(
                    "UPDATE {schema}.environments SET lock_info = NULL, lock_pid = NULL WHERE {row}"
                ),
                self._scope,
            )
            self._end_sessions(connection)
        return info

    def _end_sessions(self, connection: Connection) -> None:
        deadline = time.monotonic() + ENDING
        while pids := self._sessions(connection):
            for pid in pids:
                try:
                    connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
                except psycopg.errors.InsufficientPrivilege as error:
                    raise StateError(
                        f"this account may not end the session that holds the lock of {self._where}",
                        hint="unlock with the account that holds it, or with a member of pg_signal_backend",
                    ) from error
            if time.monotonic() > deadline:
                raise StateError(f"the session that holds the lock of {self._where} does not end")
            time.sleep(POLL)
