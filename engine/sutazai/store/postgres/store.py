"""`StateStore` and `Journal` in three tables of one schema, for any number of projects and environments.

A serial is one row, written in one statement: it is there whole or not at all. The journal's lines are rows under
positions that the writer counts, so a batch whose answer was lost can be written again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from sutazai import __version__
from sutazai.errors import StateError
from sutazai.model.backend import PostgresBackend
from sutazai.ports import Journal, LockInfo
from sutazai.store.batches import BatchedJournal, another_writes
from sutazai.store.postgres.database import Connection, Database
from sutazai.store.postgres.session import Session
from sutazai.store.serials import SerialStore


class PostgresStore(SerialStore):
    """The state of `environment` of `project`. `version` is what the lock tells others of this program."""

    def __init__(
        self, options: PostgresBackend, project: str, environment: str, *, version: str = __version__
    ) -> None:
        self._database = Database(options)
        super().__init__(f"{self._database.where} ({project}/{environment})", project, environment)
        self._scope = (project, environment)
        self._session = Session(self._database, project, environment, version)
        self._journal = _Rows(self._database, self._session, self._scope, self.where)

    def serials(self) -> tuple[int, ...]:
        text = "SELECT serial FROM {schema}.serials WHERE {row} ORDER BY serial"
        return tuple(int(row[0]) for row in self._database.rows(text, self._scope))

    def journal(self) -> Journal:
        return self._journal

    @contextmanager
    def lock(self, operation: str, *, timeout: float = 0.0) -> Iterator[LockInfo]:
        try:
            with self._session.hold(operation, timeout) as info:
                self._journal.begin()
                self._refuse_moved(operation)
                yield info
        finally:
            self.close()

    def unlock(self, lock_id: str) -> LockInfo:
        return self._session.unlock(lock_id)

    def holder(self) -> LockInfo | None:
        return self._session.holder()

    def moved_to(self) -> str | None:
        text = "SELECT moved_to FROM {schema}.environments WHERE {row}"
        return next((row[0] for row in self._database.rows(text, self._scope)), None)

    def move_to(self, destination: str | None) -> None:
        text = (
            "INSERT INTO {schema}.environments (project, environment, moved_to) VALUES (%s, %s, %s)"
            " ON CONFLICT (project, environment) DO UPDATE SET moved_to = EXCLUDED.moved_to"
        )
        self._session.write(
            lambda connection: connection.execute(self._database.query(text), (*self._scope, destination))
        )

    def close(self) -> None:
        """End the connection; the next call makes another."""
        self._database.close()

    def _get(self, serial: int) -> bytes | None:
        text = "SELECT document FROM {schema}.serials WHERE {row} AND serial = %s"
        return next((bytes(row[0]) for row in self._database.rows(text, (*self._scope, serial))), None)

    def _put(self, serial: int, data: bytes) -> None:
        self._session.write(lambda connection: self._insert(connection, serial, data))

    def _insert(self, connection: Connection, serial: int, data: bytes) -> None:
        text = "INSERT INTO {schema}.serials (project, environment, serial, document) VALUES (%s, %s, %s, %s)"
        try:
            connection.execute(self._database.query(text), (*self._scope, serial, data))
        except psycopg.errors.UniqueViolation:
            if self._get(serial) != data:  # else it is ours, and only the answer was lost
                raise StateError(
                    f"serial {serial} is in {self.where} already",
                    hint="another run wrote it in the meantime: plan again",
                ) from None

    def _may_write(self) -> None:
        """What is written under the lock goes over the session that holds it (see `Session`)."""


def projects(options: PostgresBackend, environment: str) -> tuple[str, ...]:
    """The projects that keep the state of an environment of that name here."""
    text = "SELECT DISTINCT project FROM {schema}.serials WHERE environment = %s ORDER BY project"
    database = Database(options)
    try:
        return tuple(str(row[0]) for row in database.rows(text, (environment,)))
    finally:
        database.close()


class _Rows(BatchedJournal):
    """The journal of one environment."""

    def __init__(self, database: Database, session: Session, scope: tuple[str, str], where: str) -> None:
        super().__init__(where)
        self._database = database
        self._session = session
        self._scope = scope

    def _keep(self, lines: Sequence[bytes]) -> None:
        first = self._next if self._next is not None else self._length() + 1
        rows = [(*self._scope, position, line) for position, line in enumerate(lines, start=first)]
        self._session.write(lambda connection: self._insert(connection, rows))
        self._next = first + len(rows)

    def _insert(self, connection: Connection, rows: Sequence[tuple[str, str, int, bytes]]) -> None:
        """All or none of them. One that is there already is ours, of which the answer was lost, or it is another's."""
        text = (
            "INSERT INTO {schema}.journal AS there (project, environment, position, entry) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (project, environment, position) DO UPDATE SET entry = EXCLUDED.entry"
            " WHERE there.entry = EXCLUDED.entry"
        )
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(self._database.query(text), rows)
            if cursor.rowcount != len(rows):
                raise another_writes(self._where)

    def _length(self) -> int:
        text = "SELECT coalesce(max(position), 0) FROM {schema}.journal WHERE {row}"
        return next((int(row[0]) for row in self._database.rows(text, self._scope)), 0)

    def _lines(self) -> Sequence[bytes]:
        text = "SELECT entry FROM {schema}.journal WHERE {row} ORDER BY position"
        return [bytes(row[0]) for row in self._database.rows(text, self._scope)]

    def _forget(self) -> None:
        text = "DELETE FROM {schema}.journal WHERE {row}"
        self._session.write(lambda connection: connection.execute(self._database.query(text), self._scope))
        self._next = None
