"""One writer at a time, without anything on the server that notices a death: a lease.

`lock.json` is created only where there is none, and says who holds it in Terraform's words. Its holder writes it
anew every `RENEWAL` seconds (`If-Match`, so only as long as it is its own). Whoever finds one that was not renewed
for `LEASE` seconds takes it over (`If-Match` again, so only one does). Ages are reckoned by the server's clock
alone, which dates both the object and the answer: clocks of this and other machines need not agree.

A run that finds the lock held looks until it sees it renewed, which says that its holder lives, or sees the lease
end. So a lock whose process died never blocks, and one whose process lives is told apart within `RENEWAL` seconds.

What a lease can't do: a process that was stopped (or cut off from the server) for longer than `LEASE` may find,
when it goes on, that another has taken over. It asks before it commits, and before it writes to the journal
when its last renewal is older than `TRUST`, and ends then. What it had on its way to the journal meanwhile it takes
back; the serials can't suffer, since none is ever written over. But a call to Docker that was under way at that
moment is not called back: the same as with `state unlock`.
"""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from functools import partial

from sutazai.errors import StateError
from sutazai.ports import LockInfo
from sutazai.store.holder import (
    from_json,
    locked,
    must_match,
    nameless,
    new_holder,
    of_itself,
    taken,
    to_json,
)
from sutazai.store.s3.bucket import Bucket, Found

RENEWAL = 2.0
LEASE = 12.0
TRUST = 6.0
POLL = 0.5
"""Seconds. `LEASE` leaves room for several renewals that fail on the way; the server dates to a second only."""
_NOBODYS = f'"{"0" * 32}"'
"""An ETag that no object has."""


class Lease:
    """The lock under `key`."""

    def __init__(self, bucket: Bucket, key: str, where: str, version: str) -> None:
        self._bucket = bucket
        self._key = key
        self._where = where
        self._version = version
        self._held: _Held | None = None

    @contextlib.contextmanager
    def hold(self, operation: str, timeout: float) -> Iterator[LockInfo]:
        """Hold the lock, waiting for it at most `timeout` seconds, or as long as it takes to see whether its holder
        lives. Raises StateLocked naming the holder."""
        if self._held is not None:
            raise locked(self._where, self._held.info)
        info = new_holder(operation, self._version, self._where)
        held = _Held(self._bucket, self._key, info, self._acquire(info, time.monotonic() + timeout))
        self._held = held
        try:
            yield info
        finally:
            self._held = None
            held.end()

    def check(self, *, trusting: bool = False) -> None:
        """Raise StateError when this process held the lock and it was taken from it. Asks the server; when `trusting`,
        only if the last renewal is older than `TRUST`."""
        if self._held is not None and not self._held.sure(TRUST if trusting else 0.0):
            raise taken(self._where, far=True)

    def holder(self) -> LockInfo | None:
        found = self._bucket.get(self._key)
        if found is None or found.age > LEASE:
            return None
        return of_itself(partial(self._info, found)) or nameless(self._where)

    def unlock(self, lock_id: str) -> LockInfo:
        while True:
            found = self._bucket.get(self._key)
            info = must_match(self._info(found) if found else None, lock_id, self._where)
            if found is not None and self._bucket.remove(self._key, found.etag):
                return info

    def _acquire(self, info: LockInfo, deadline: float) -> str:
        """The ETag of the lock that is held then."""
        seen: Found | None = None
        while True:
            etag = self._bucket.create(self._key, _document(info, 0))
            if etag is not None:
                self._must_be_conditional(info)
                return etag
            found = self._bucket.get(self._key)
            if found is None:
                continue  # it was let go of between the two calls
            holder = of_itself(partial(self._info, found))
            if holder is not None and holder.id == info.id:
                return found.etag  # our own, of which the answer was lost
            if found.age > LEASE:
                etag = self._bucket.swap(self._key, _document(info, 0), found.etag)
                if etag is not None:
                    return etag
                continue
            lives = seen is not None and found.etag != seen.etag
            if lives and time.monotonic() >= deadline:
                raise locked(self._where, holder)
            seen = seen or found
            time.sleep(POLL)

    def _must_be_conditional(self, info: LockInfo) -> None:
        """A server that ignores the conditions would let everybody in: try what must be refused."""
        document = _document(info, 0)
        if self._bucket.create(self._key, document) or self._bucket.swap(self._key, document, _NOBODYS):
            self._bucket.remove(self._key)
            raise StateError(
                f"the server of {self._where} does not carry out conditional writes: two runs could write at once",
                hint="use one that does (AWS does since 2024), or keep the state in PostgreSQL",
            )

    def _info(self, found: Found) -> LockInfo:
        return _holder_in(found.data, f"the lock of {self._where}")


class _Held:
    """A lock that is held: renewed by a thread of its own until it ends or is taken."""

    def __init__(self, bucket: Bucket, key: str, info: LockInfo, etag: str) -> None:
        self.info = info
        self._bucket = bucket
        self._key = key
        self._etag = etag
        self._renewals = 0
        self._renewed = _now()
        self._turn = threading.Lock()
        self._ending = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._keep_renewing, name="sutazai lease", daemon=True)
        self._thread.start()

    def sure(self, trust: float) -> bool:
        """Whether the lock is still this one's."""
        if not self._lost and _now() - self._renewed > trust:
            self._renew()
        return not self._lost

    def end(self) -> None:
        """Let go of it. It is renewed before, since not every server looks at the condition on a removal: whoever was stopped for
        longer than `LEASE` would take the next one's lock away."""
        self._ending.set()
        self._thread.join()
        with contextlib.suppress(StateError):  # unreachable: the lease ends by itself
            if self.sure(0.0):
                self._bucket.remove(self._key, self._etag)

    def _keep_renewing(self) -> None:
        while not self._ending.wait(RENEWAL) and not self._lost:
            with contextlib.suppress(StateError):  # tried again; `sure` finds out when it matters
                self._renew()

    def _renew(self) -> None:
        with self._turn:
            if self._lost:
                return
            began = _now()
            document = _document(self.info, self._renewals + 1)
            etag = self._bucket.swap(self._key, document, self._etag)
            if etag is None:
                found = self._bucket.get(self._key)
                # our own renewal, of which the answer was lost, or another's lock
                etag = found.etag if found is not None and found.data == document else None
            if etag is None:
                self._lost = True
                return
            self._etag, self._renewed = etag, began
            self._renewals += 1


def _now() -> float:
    """Seconds, with those in which the machine was asleep: the lease ends in them too."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _document(info: LockInfo, renewals: int) -> bytes:
    """`lock.json` with how often it was renewed, without which every renewal would look like the one before."""
    document = json.loads(to_json(info)) | {"Renewals": renewals, "Lease": f"{LEASE:g}s"}
    return json.dumps(document, indent=2).encode() + b"\n"


def _holder_in(data: bytes, name: str) -> LockInfo:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise StateError(f"{name} is damaged", hint="if no other sutazai runs, remove it") from error
    known = (
        {k: v for k, v in document.items() if k not in ("Renewals", "Lease")}
        if isinstance(document, dict)
        else {}
    )
    return from_json(json.dumps(known), name)
