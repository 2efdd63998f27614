"""The remote stores over a network that fails by chance, on real servers. Requests are torn before they are sent, in their middle,
when they were carried out and not answered, and in the middle of their answer; processes are cut off, some for good."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from threading import Lock
from typing import Any

import boto3
import pytest
from botocore.retries import standard

from contract.state_servers import PostgresServer, S3Server
from contract.torn import Cut, Unreliable
from contract.unreliable import History, Process, opened
from sutazai.model.backend import BackendOptions, S3Backend
from sutazai.store.postgres import database
from sutazai.store.s3 import lease
from sutazai.store.s3.bucket import Bucket

SPACED = 60
"""So many requests pass after a torn one: by then whatever is done to repeat it is done."""
ON_S3 = (15, 19, 21, 31, 36)
"""A history takes seconds there, mostly of waiting for a lease to end: these are few, and live beside each other. A run comes back
whose lock was taken, a commit's answer is lost."""
STEP = 11
NEAR = 20.0
"""Seconds; half a date is hours off."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, aws_keys: None) -> None:
    """Whoever is not heard of is given up on soon, and nobody waits long between two tries. Clients of S3 share what they
    know of it, which takes each of them longer to read than a history; they are made one at a time, as boto3 asks for."""
    monkeypatch.setattr(database, "POLL", 0.01)
    monkeypatch.setattr(lease, "LEASE", 2.0)
    monkeypatch.setattr(lease, "TRUST", 1.0)
    monkeypatch.setattr(lease, "RENEWAL", 0.2)
    monkeypatch.setattr(lease, "POLL", 0.05)
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *_: 0.01)
    shared, one_at_a_time = boto3.session.Session(), Lock()
    make = shared.client

    def client(*args: Any, **options: Any) -> Any:
        with one_at_a_time:
            return make(*args, **options)

    monkeypatch.setattr(shared, "client", client)
    monkeypatch.setattr(boto3.session, "Session", lambda: shared)


def live(options: BackendOptions, port: int, seed: int) -> Counter[str]:
    """One history of the store that listens on `port`; how often what happened."""
    draw = random.Random(seed)  # noqa: S311 - a history, not a secret
    strict, http = draw.random() < 0.5, options.kind == "s3"
    probability, spacing = (0.2, SPACED) if strict else (draw.choice((0.03, 0.1)), 0)
    proxies = [Unreliable(port, f"{seed} {name}", probability, spacing, http=http) for name in "AB"]
    with proxies[0] as a, proxies[1] as b:
        pair = (
            Process("A", a, behind(options, port, a.port)),
            Process("B", b, behind(options, port, b.port)),
        )
        history = History(opened(options), draw, pair, strict, by_session=not http)
        try:
            history.live()
        except BaseException as error:
            error.add_note(f"seed {seed}, strict {strict}\n" + "\n".join(history.story))
            raise
    return Counter(line.split()[1] for line in history.story) + Counter(faults=a.faults + b.faults)


def behind(options: BackendOptions, port: int, proxy: int) -> BackendOptions:
    """The same store, as it is reached through a proxy."""
    key = "endpoint" if isinstance(options, S3Backend) else "url"
    return options.model_copy(
        update={key: str(getattr(options, key)).replace(f"127.0.0.1:{port}", f"127.0.0.1:{proxy}")}
    )


def test_the_laws_hold_on_postgres(postgres: PostgresServer) -> None:
    happened: Counter[str] = Counter()
    for seed in range(20):
        happened += live(postgres.options(), postgres.port, seed)
    assert min(happened[what] for what in ("faults", "took", "commit", "append")) > 50, happened


def test_the_laws_hold_on_s3(moto: S3Server) -> None:
    every = [moto.options() for _ in ON_S3]
    with ThreadPoolExecutor(len(ON_S3)) as beside:
        happened = sum(beside.map(live, every, repeat(moto.port), ON_S3), Counter[str]())
    assert min(happened[what] for what in ("faults", "took", "commit", "append")) > 10, happened


@contextmanager
def cut_bucket(moto: S3Server) -> Iterator[tuple[Cut, Bucket, Bucket]]:
    """A proxy that cuts an answer, a bucket behind it, and the same one directly."""
    options = moto.options()
    with Cut(moto.port) as proxy:
        through = behind(options, moto.port, proxy.port)
        assert isinstance(through, S3Backend)
        yield proxy, Bucket(through), Bucket(options)


def created(cut: Bucket, direct: Bucket, key: str) -> bool:
    cut.create(key, b"x")  # None where it is there since the answer that was lost
    found = direct.get(key)
    return found is not None and found.data == b"x"


def swapped(cut: Bucket, direct: Bucket, key: str) -> bool:
    etag = cut.swap(key, b"y", direct.create(key, b"x") or "")
    found = direct.get(key)
    return found is not None and found.data == b"y" and etag in (None, found.etag)


def removed(cut: Bucket, direct: Bucket, key: str) -> bool:
    direct.create(key, b"x")
    cut.remove_all([key])
    return direct.get(key) is None


def read(cut: Bucket, direct: Bucket, key: str) -> bool:
    direct.create(key, b"x" * 40)
    whole, found = direct.get(key), cut.get(key)
    assert whole is not None
    assert found is not None
    return (found.data, found.etag) == (whole.data, whole.etag) and abs(found.age - whole.age) < NEAR


def listed(cut: Bucket, direct: Bucket, key: str) -> bool:
    direct.create(key, b"x")
    return cut.keys(key) == [key]


@pytest.mark.filterwarnings("ignore:tzname")  # half a time zone
@pytest.mark.parametrize("ask", [created, swapped, removed, read, listed])
def test_an_answer_of_s3_that_ends_anywhere_is_not_taken_for_a_whole_one(
    moto: S3Server, ask: Callable[[Bucket, Bucket, str], bool]
) -> None:
    with cut_bucket(moto) as (proxy, cut, direct):
        for number, left in enumerate(range(0, 10_000, STEP)):
            proxy.left, proxy.torn = left, False
            assert ask(cut, direct, f"key{number}"), f"cut after {left} bytes"
            if not proxy.torn:
                break
        assert number > 20
        cut.close()
        direct.close()
