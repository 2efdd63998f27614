"""`StateStore` and `Journal` as objects under `PREFIX/PROJECT/ENV/`: `serials/NNNNNN.json`, `journal/NNNNNN.jsonl`,
`lock.json`, `moved`.

S3 shows an object whole or not at all, and to everybody as soon as its write was answered. A serial is created only
where there is none, so none is ever written over; one that is there already and the same is our own, of which the
answer was lost.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sutazai import __version__
from sutazai.errors import StateError
from sutazai.model.backend import S3Backend
from sutazai.ports import Journal, LockInfo
from sutazai.store.batches import BatchedJournal, another_writes
from sutazai.store.s3.bucket import Bucket
from sutazai.store.s3.lease import Lease
from sutazai.store.serials import SerialStore, file_of, serials_among

_BATCH = re.compile(r"[0-9]{6,}\.jsonl")


class S3Store(SerialStore):
    """The state of `environment` of `project`. `version` is what the lock tells others of this program."""

    def __init__(
        self, options: S3Backend, project: str, environment: str, *, version: str = __version__
    ) -> None:
        prefix = "/".join(part for part in (options.prefix.strip("/"), project, environment) if part)
        server = f" at {options.endpoint}" if options.endpoint else ""
        super().__init__(f"s3://{options.bucket}/{prefix}{server}", project, environment)
        self._bucket = Bucket(options)
        self._prefix = prefix
        self._lease = Lease(self._bucket, f"{prefix}/lock.json", self.where, version)
        self._journal = _Objects(self._bucket, f"{prefix}/journal/", self._lease, self.where)

    def serials(self) -> tuple[int, ...]:
        return serials_among(key.rpartition("/")[2] for key in self._bucket.keys(f"{self._prefix}/serials/"))

    def journal(self) -> Journal:
        return self._journal

    @contextmanager
    def lock(self, operation: str, *, timeout: float = 0.0) -> Iterator[LockInfo]:
        with self._lease.hold(operation, timeout) as info:
            self._journal.begin()
            self._refuse_moved(operation)
            yield info

    def unlock(self, lock_id: str) -> LockInfo:
        return self._lease.unlock(lock_id)

    def holder(self) -> LockInfo | None:
        return self._lease.holder()

    def moved_to(self) -> str | None:
        found = self._bucket.get(f"{self._prefix}/moved")
        return None if found is None else found.data.decode().strip()

    def move_to(self, destination: str | None) -> None:
        self._may_write()
        if destination is None:
            self._bucket.remove(f"{self._prefix}/moved")
        else:
            self._bucket.write(f"{self._prefix}/moved", destination.encode() + b"\n")

    def close(self) -> None:
        self._bucket.close()

    def _get(self, serial: int) -> bytes | None:
        found = self._bucket.get(self._key(serial))
        return None if found is None else found.data

    def _put(self, serial: int, data: bytes) -> None:
        if self._bucket.create(self._key(serial), data) is None and self._get(serial) != data:
            raise StateError(
                f"serial {serial} is in {self.where} already",
                hint="another run wrote it in the meantime: plan again",
            )

    def _may_write(self) -> None:
        self._lease.check()

    def _key(self, serial: int) -> str:
        return f"{self._prefix}/serials/{file_of(serial)}"


def projects(options: S3Backend, environment: str) -> tuple[str, ...]:
    """The projects that keep the state of an environment of that name here."""
    begin = f"{prefix}/" if (prefix := options.prefix.strip("/")) else ""
    bucket = Bucket(options)
    try:
        return tuple(
            project for project in bucket.folders(begin) if bucket.folders(f"{begin}{project}/{environment}/")
        )
    finally:
        bucket.close()


class _Objects(BatchedJournal):
    """The journal of one environment: an object for each batch."""

    def __init__(self, bucket: Bucket, prefix: str, lease: Lease, where: str) -> None:
        super().__init__(where)
        self._bucket = bucket
        self._prefix = prefix
        self._lease = lease

    def _keep(self, lines: Sequence[bytes]) -> None:
        self._lease.check(trusting=True)
        number = self._next if self._next is not None else self._last() + 1
        key, data = f"{self._prefix}{number:06}.jsonl", b"\n".join(lines) + b"\n"
        etag = self._bucket.create(key, data)
        if etag is None:
            there = self._bucket.get(key)
            if there is None or there.data != data:  # else it is ours, and only the answer was lost
                raise another_writes(self._where)
            etag = there.etag
        self._refuse_late(key, etag)
        self._next = number + 1

    def _refuse_late(self, key: str, etag: str) -> None:
        """Take back a batch that was on its way for longer than the lease: whoever has the lock since may have emptied
        the journal, and nobody could understand the words that are left in it."""
        try:
            self._lease.check(trusting=True)
        except StateError:
            with suppress(StateError):
                self._bucket.remove(key, etag)
            raise

    def _batches(self) -> list[str]:
        """The keys of the batches. Others, as the mark that a console makes for a folder, do not count."""
        keys = self._bucket.keys(self._prefix)
        return [key for key in keys if _BATCH.fullmatch(key.removeprefix(self._prefix))]

    def _last(self) -> int:
        keys = self._batches()
        return int(keys[-1].removeprefix(self._prefix).removesuffix(".jsonl")) if keys else 0

    def _lines(self) -> Sequence[bytes]:
        objects = (self._bucket.get(key) for key in self._batches())
        return [line for found in objects if found is not None for line in found.data.split(b"\n") if line]

    def _forget(self) -> None:
        batches = self._batches()
        self._lease.check()  # now they are not another's
        self._bucket.remove_all(batches)
        self._next = None
