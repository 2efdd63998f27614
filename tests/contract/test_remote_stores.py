"""What only a store elsewhere can suffer: a connection that breaks, an answer that is lost, a holder that died."""

import contextlib
import io
import itertools
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse

from contract.state_servers import PostgresServer, S3Server
from contract.torn import Proxy
from free_port import free_port
from sutazai.errors import Refused, StateError, StateLocked
from sutazai.model.backend import BackendOptions, PostgresBackend, S3Backend
from sutazai.operations.migrate import migrate
from sutazai.ports import JournalEntry, StateStore
from sutazai.store import open_store, recorded_project
from sutazai.store.local import LocalStore
from sutazai.store.s3 import lease
from sutazai.store.s3.bucket import Bucket
from unit.state.samples import a_state

HOLDER = """
import sys, time
from sutazai.model.backend import BACKENDS
from sutazai.store import open_store, recorded_project
from sutazai.store.local import LocalStore
from pathlib import Path
options = BACKENDS[sys.argv[1]].model_validate_json(sys.argv[2])
with open_store(options, Path("."), "shop", "local").lock("apply") as info:
    print(info.id, flush=True)
    sys.stdin.read()
"""


def opened(options: BackendOptions) -> StateStore:
    return open_store(options, Path("/nowhere"), "shop", "local")


@contextmanager
def held_elsewhere(options: BackendOptions) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock; its first line is the lock's ID."""
    text = options.model_dump_json(by_alias=True)
    process = subprocess.Popen([sys.executable, "-c", HOLDER, options.kind, text], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(params=["postgres", "s3"])
def options(request: pytest.FixtureRequest, aws_keys: None) -> BackendOptions:
    found: BackendOptions = request.getfixturevalue(request.param).options()
    return found


def test_a_lock_whose_process_was_killed_does_not_block(
    options: BackendOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE", 5.0)
    store = opened(options)
    with held_elsewhere(options) as process:
        assert process.stdout is not None
        lock_id = process.stdout.readline().strip()
        with pytest.raises(StateLocked, match=lock_id), store.lock("destroy"):
            pass
        process.kill()
        process.wait()
        began = time.monotonic()
        with store.lock("apply", timeout=1.0):
            waited = time.monotonic() - began
    assert waited < 20
    store.close()


def test_waiting_for_a_lock_ends_when_it_is_free(options: BackendOptions) -> None:
    mine, theirs = opened(options), opened(options)
    with ThreadPoolExecutor(1) as pool:
        with mine.lock("apply") as first:
            waiting = pool.submit(take, theirs, 20.0)
            time.sleep(0.3)
            assert not waiting.done()
        assert waiting.result() != first.id
    mine.close()


def take(store: StateStore, timeout: float) -> str:
    with store.lock("apply", timeout=timeout) as info:
        store.commit(a_state(1))
    store.close()
    return info.id


def test_of_many_that_want_the_lock_at_once_one_has_it_at_a_time(options: BackendOptions) -> None:
    inside, most, turn = 0, 0, threading.Lock()

    def enter(_number: int) -> None:
        nonlocal inside, most
        store = opened(options)
        with store.lock("apply", timeout=60.0):
            with turn:
                inside += 1
                most = max(most, inside)
            newest = store.newest()
            store.commit(a_state(newest.serial + 1 if newest else 1))
            with turn:
                inside -= 1
        store.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enter, range(4)))
    assert most == 1
    store = opened(options)
    assert store.serials() == (1, 2, 3, 4)
    assert store.verify() == ()
    store.close()


def test_the_project_is_known_without_its_specs_where_it_is_the_only_one(
    options: BackendOptions, tmp_path: Path
) -> None:
    assert recorded_project(options, tmp_path, "local") is None
    take(opened(options), 0.0)
    assert recorded_project(options, tmp_path, "local") == "shop"
    assert recorded_project(options, tmp_path, "production") is None
    other = open_store(options, tmp_path, "other", "local")
    other.commit(a_state(1).model_copy(update={"project": "other"}))
    other.close()
    assert recorded_project(options, tmp_path, "local") is None


@pytest.mark.parametrize(("kind", "library"), [("postgres", "psycopg"), ("s3", "boto3")])
def test_a_missing_extra_is_named(kind: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(f"sutazai.store.{kind}")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    options = {"postgres": PostgresBackend(kind="postgres"), "s3": S3Backend(kind="s3", bucket="states")}[
        kind
    ]
    with pytest.raises(StateError, match=f"needs {library}, which is not installed") as caught:
        opened(options)
    assert caught.value.hint == f"pip install 'sutazai[{kind}]'"


# Moving from one store to another


class Killed(BaseException):
    pass


def cut(call: Callable[[Any], object], made: Iterator[int], at: int) -> Callable[[Any], object]:
    """The call, or death where it is the one after `at` others."""

    def counted(value: object) -> object:
        if next(made) == at:
            raise Killed
        return call(value)

    return counted


def test_all_serials_move_byte_by_byte_and_back(options: BackendOptions, tmp_path: Path) -> None:
    source, target = LocalStore(tmp_path / "source", "shop", "local"), opened(options)
    for serial in (1, 2, 3):
        source.commit(a_state(serial))
    documents = [source.document(serial) for serial in (1, 2, 3)]
    assert migrate(source, target) == 3
    assert [target.document(serial) for serial in (1, 2, 3)] == documents
    assert source.moved_to() == target.where
    with pytest.raises(StateError, match=r"was moved to (postgres|s3)"):
        source.commit(a_state(4))
    assert migrate(source, target) == 3  # once more changes nothing
    assert target.commit(a_state(4)).serial == 4
    with pytest.raises(Refused, match="is ahead: it holds serial 4"):
        migrate(source, target)
    assert migrate(target, source) == 4
    assert source.commit(a_state(5)).serial == 5
    with pytest.raises(StateError, match="was moved to"):
        target.commit(a_state(5))
    assert source.verify() == target.verify() == ()
    target.close()


def test_a_move_that_was_cut_off_anywhere_is_gone_on_with(
    options: BackendOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is done the source is the state and the target takes no writes."""

    source, target = LocalStore(tmp_path / "source", "shop", "local"), opened(options)
    for serial in (1, 2):
        source.commit(a_state(serial))
    for steps in range(4):  # say that it is not the state, take in two serials, say where the state went
        with monkeypatch.context() as patch:
            left = itertools.count()
            for store in (source, target):
                for name in ("append", "move_to"):
                    patch.setattr(store, name, cut(getattr(store, name), left, steps))
            with pytest.raises(Killed):
                migrate(source, target)
        assert target.moved_to() is not None or not target.serials()
    assert migrate(source, target) == 2
    assert target.commit(a_state(3)).serial == 3
    target.close()


def test_another_history_is_not_overwritten(options: BackendOptions, tmp_path: Path) -> None:
    source, target = LocalStore(tmp_path / "source", "shop", "local"), opened(options)
    with pytest.raises(Refused, match="there is no state in"):
        migrate(source, target)
    source.commit(a_state(1))
    target.commit(a_state(1, lineage="another"))
    with pytest.raises(Refused, match="holds another history: lineage another"):
        migrate(source, target)
    with pytest.raises(Refused, match="already"):
        migrate(source, source)
    assert source.moved_to() is target.moved_to() is None
    target.close()


def test_a_place_is_itself_however_it_is_spelled(options: BackendOptions) -> None:
    source = opened(options)
    source.commit(a_state(1))
    field = "url" if isinstance(options, PostgresBackend) else "endpoint"
    spelled = str(getattr(options, field)).replace("127.0.0.1", "localhost")
    same = opened(options.model_copy(update={field: spelled}))
    with pytest.raises(Refused, match="already"):
        migrate(source, same)
    assert source.moved_to() is None
    source.close()
    same.close()


def test_buckets_of_one_name_on_two_servers_are_two_places(
    s3: S3Server, moto: S3Server, aws_keys: None
) -> None:
    old, new = s3.options(), moto.options()
    client = moto.client()
    client.create_bucket(Bucket=old.bucket)
    client.close()
    source, target = opened(old), opened(new.model_copy(update={"bucket": old.bucket}))
    source.commit(a_state(1))
    assert migrate(source, target) == 1
    assert source.moved_to() == target.where
    assert target.commit(a_state(2)).serial == 2
    source.close()
    target.close()


Places = tuple[StateStore, StateStore, StateStore]


@pytest.fixture
def places(options: BackendOptions, tmp_path: Path) -> Iterator[Places]:
    """A state that was moved from the first of these to the second, and another place."""
    first, second = LocalStore(tmp_path / "first", "shop", "local"), opened(options)
    first.commit(a_state(1))
    migrate(first, second)
    yield first, second, LocalStore(tmp_path / "third", "shop", "local")
    second.close()


def test_what_was_moved_on_is_not_moved_from_where_it_was_before(places: Places) -> None:
    """There would be two states, each taking writes."""
    first, second, third = places
    second.commit(a_state(2))
    with pytest.raises(Refused, match=f"was moved to {re.escape(second.where)}"):
        migrate(first, third)
    assert third.serials() == ()
    assert third.moved_to() is None
    assert migrate(second, third) == 2
    with pytest.raises(Refused, match="is ahead"):
        migrate(first, third)
    with pytest.raises(Refused, match="is ahead"):
        migrate(first, second)


def test_a_place_that_the_state_passed_through_does_not_become_it_again(places: Places) -> None:
    first, second, third = places
    migrate(second, third)
    with pytest.raises(Refused, match=f"was moved to {re.escape(third.where)}"):
        migrate(first, second)
    assert second.moved_to() == third.where


def test_a_state_that_is_not_whole_or_not_at_rest_is_not_moved(
    options: BackendOptions, tmp_path: Path
) -> None:
    source, target = LocalStore(tmp_path / "source", "shop", "local"), opened(options)
    source.commit(a_state(1))
    source.commit(a_state(2))
    source.journal().append(JournalEntry("begin", "1", 0.0, call="apply"))
    with pytest.raises(Refused, match="did not come to its end"):
        migrate(source, target)
    source.journal().clear()
    (tmp_path / "source" / "serials" / "000001.json").unlink()
    with pytest.raises(Refused, match="is not whole"):
        migrate(source, target)
    assert target.serials() == ()
    source.close()
    target.close()


# PostgreSQL


@pytest.fixture
def proxied(postgres: PostgresServer) -> Iterator[tuple[Proxy, PostgresBackend]]:
    """The server behind a proxy that can tear connections."""
    options = postgres.options()
    with Proxy(postgres.port) as proxy:
        assert options.url is not None
        url = options.url.replace(f":{postgres.port}/", f":{proxy.port}/")
        yield proxy, options.model_copy(update={"url": url})


def test_a_connection_that_breaks_between_two_calls_is_made_anew(
    proxied: tuple[Proxy, PostgresBackend],
) -> None:
    proxy, options = proxied
    store, other = opened(options), opened(options)
    with store.lock("apply") as info:
        store.journal().append(JournalEntry("intent", "1", 1.0))
        proxy.tear()
        store.journal().append(JournalEntry("done", "1", 2.0))
        assert other.holder() == info
        with pytest.raises(StateLocked), other.lock("destroy"):
            pass
        proxy.tear()
        assert store.commit(a_state(1)).serial == 1
        assert [entry.phase for entry in store.journal().read()] == ["intent", "done"]
        store.journal().clear()
    assert other.serials() == (1,)
    assert other.holder() is None
    other.close()


def test_a_run_sits_out_a_server_that_is_away_for_a_while(proxied: tuple[Proxy, PostgresBackend]) -> None:
    """A failover of a managed server: whatever the run was about to do first, reading or writing."""
    proxy, options = proxied
    store = opened(options)

    def away() -> None:
        proxy.refuse()
        threading.Timer(0.5, proxy.accept).start()

    with store.lock("apply"):
        away()
        assert store.commit(a_state(1)).serial == 1
        away()
        store.journal().append(JournalEntry("intent", "1", 1.0))
        away()
        assert [entry.key for entry in store.journal().read()] == ["1"]
    assert store.serials() == (1,)
    store.close()


def test_a_server_that_is_away_when_a_run_has_committed_is_no_failure_of_the_run(
    proxied: tuple[Proxy, PostgresBackend], postgres: PostgresServer
) -> None:
    proxy, options = proxied
    with opened(options).lock("apply"):
        proxy.refuse()
    direct = opened(options.model_copy(update={"url": postgres.url}))
    with direct.lock("apply", timeout=5.0):
        pass


def test_a_store_that_is_used_again_writes_behind_what_others_wrote(options: BackendOptions) -> None:
    store, other = opened(options), opened(options)
    for key, writer in enumerate((store, other, store)):
        with writer.lock("apply"):
            writer.journal().append(JournalEntry("intent", str(key), 1.0))
    assert [entry.key for entry in other.journal().read()] == ["0", "1", "2"]
    store.close()
    other.close()


def test_the_words_of_another_in_the_journal_are_not_taken_for_our_own(options: BackendOptions) -> None:
    """Without a lock, which nobody should write without."""
    store, other = opened(options), opened(options)
    store.journal().append(JournalEntry("begin", "1", 1.0))
    other.journal().append(JournalEntry("begin", "2", 1.0))
    with pytest.raises(StateError, match="another run writes the journal"):
        store.journal().append(JournalEntry("intent", "3", 1.0))
    assert [entry.key for entry in other.journal().read()] == ["1", "2"]
    store.close()
    other.close()


def test_a_commit_whose_answer_was_lost_is_recognised(proxied: tuple[Proxy, PostgresBackend]) -> None:
    proxy, options = proxied
    store = opened(options)
    with store.lock("apply"):
        store.commit(a_state(1))
        store.newest()
        proxy.tear_answer_to(b"INSERT INTO")
        assert store.commit(a_state(2)).serial == 2
    assert proxy.torn
    assert store.serials() == (1, 2)
    assert store.verify() == ()
    store.close()


def test_entries_whose_answer_was_lost_are_kept_once(proxied: tuple[Proxy, PostgresBackend]) -> None:
    proxy, options = proxied
    store = opened(options)
    with store.lock("apply"):
        store.journal().append(JournalEntry("begin", "0", 0.0))
        proxy.tear_answer_to(b"COMMIT")
        store.journal().append(JournalEntry("intent", "1", 1.0))
        store.journal().append(JournalEntry("done", "1", 2.0))
    assert proxy.torn
    assert [entry.phase for entry in store.journal().read()] == ["begin", "intent", "done"]
    store.close()


def test_a_run_whose_lock_was_taken_while_it_was_cut_off_writes_no_more(
    proxied: tuple[Proxy, PostgresBackend], postgres: PostgresServer
) -> None:
    proxy, options = proxied
    store = opened(options)
    direct = opened(options.model_copy(update={"url": postgres.url}))
    with store.lock("apply") as info:
        proxy.refuse()
        direct.unlock(info.id)
        with direct.lock("apply"):
            direct.commit(a_state(1, why="theirs"))
        proxy.accept()
        with pytest.raises(StateError, match=r"was taken from this run .* or by another run since"):
            store.commit(a_state(2, why="mine"))
        with pytest.raises(StateError, match=r"was taken from this run .* or by another run since"):
            store.journal().append(JournalEntry("intent", "1", 1.0))
    assert direct.serials() == (1,)
    assert direct.journal().read() == ()
    direct.close()


def test_why_no_server_answers_is_said_in_one_line(postgres: PostgresServer) -> None:
    options = postgres.options()
    nowhere = (options.url or "").replace(str(postgres.port), str(free_port()))
    with pytest.raises(
        StateError, match=r"can't connect to .* Connection refused Is the server running"
    ) as caught:
        opened(options.model_copy(update={"url": nowhere})).newest()
    assert "\n" not in caught.value.message


def test_a_server_that_does_not_answer_is_named_without_the_password(
    proxied: tuple[Proxy, PostgresBackend],
) -> None:
    proxy, options = proxied
    proxy.refuse()
    with pytest.raises(
        StateError, match=rf"can't connect to postgres 127.0.0.1:{proxy.port}/postgres"
    ) as caught:
        opened(options).newest()
    assert options.url is not None
    assert options.url.split(":")[2].split("@")[0] not in f"{caught.value.message} {caught.value.hint}"


def test_a_wrong_password_is_said_so(postgres: PostgresServer) -> None:
    options = postgres.options().model_copy(update={"url": postgres.url.replace(postgres.password, "wrong")})
    with pytest.raises(StateError, match="password authentication failed"):
        opened(options).newest()


def test_what_libpq_cannot_read_is_not_repeated() -> None:
    with pytest.raises(StateError, match="libpq can't read `url`") as caught:
        opened(PostgresBackend(kind="postgres", url="postgresql://u:se cret@/x"))
    assert "cret" not in caught.value.message + str(caught.value.hint)


def with_a_small_account(postgres: PostgresServer, options: PostgresBackend) -> PostgresBackend:
    """The same tables for an account that may read and write them, and no more."""
    schema, name = options.schema_name, f"r{options.schema_name}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {name}")
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {name}")
    return options.model_copy(update={"url": f"postgresql://{name}:p@127.0.0.1:{postgres.port}/postgres"})


def test_an_account_without_the_right_to_make_tables_can_use_them(postgres: PostgresServer) -> None:
    options = postgres.options()
    take(opened(options), 0.0)
    small = with_a_small_account(postgres, options)
    store = opened(small)
    with store.lock("apply"):
        assert store.commit(a_state(2)).serial == 2
    other = opened(small.model_copy(update={"schema_name": "another"}))
    with pytest.raises(StateError, match="permission denied"):
        other.commit(a_state(1))
    other.close()


def test_an_account_that_may_not_end_the_holders_session_is_told_who_may(postgres: PostgresServer) -> None:
    options = postgres.options()
    take(opened(options), 0.0)
    holder, other = opened(options), opened(with_a_small_account(postgres, options))
    with holder.lock("apply") as info:
        with pytest.raises(StateError, match="may not end the session that holds the lock") as caught:
            other.unlock(info.id)
        assert "pg_signal_backend" in str(caught.value.hint)
        assert holder.commit(a_state(2)).serial == 2
    other.close()
    holder.close()


# S3


def test_missing_credentials_are_said_so(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, aws_keys: None, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(StateError, match="no AWS credentials were found"):
        opened(S3Backend(kind="s3", bucket="nowhere", endpoint=s3.endpoint)).newest()


def test_an_object_whose_answer_was_lost_is_recognised(s3: S3Server, aws_keys: None) -> None:
    options = s3.options()
    with Proxy(s3.port) as proxy:
        store = opened(options.model_copy(update={"endpoint": f"http://127.0.0.1:{proxy.port}"}))
        with store.lock("apply"):
            proxy.tear_answer_to(b"/serials/000001.json")
            assert store.commit(a_state(1)).serial == 1
            assert proxy.torn
            proxy.tear_answer_to(b"/journal/000001.jsonl")
            store.journal().append(JournalEntry("intent", "1", 1.0))
            assert proxy.torn
            store.journal().append(JournalEntry("done", "1", 1.0))
            assert [entry.phase for entry in store.journal().read()] == ["intent", "done"]
        store.close()
    assert opened(options).verify() == ()


def test_marks_of_folders_and_other_objects_are_neither_serials_nor_words_of_the_journal(
    s3: S3Server, aws_keys: None
) -> None:
    """As a console makes them, or somebody who keeps notes there."""
    options = s3.options()
    bucket, store = Bucket(options), opened(options)
    prefix = f"{options.prefix}/shop/local"
    for key in ("", "serials/", "serials/old.json", "journal/", "journal/notes.txt"):
        bucket.write(f"{prefix}/{key}", b"x" if key.endswith("t") else b"")
    with store.lock("apply"):
        store.journal().append(JournalEntry("intent", "1", 1.0))
        assert [entry.phase for entry in store.journal().read()] == ["intent"]
        store.commit(a_state(1))
        store.journal().clear()
    assert store.journal().read() == ()
    assert store.verify() == ()
    assert f"{prefix}/journal/notes.txt" in bucket.keys(f"{prefix}/")
    store.close()
    bucket.close()


CONFLICT = (
    b"<Error><Code>ConditionalRequestConflict</Code><Message>another one is under way</Message></Error>"
)


class Body(io.BytesIO):
    """The body of an answer, as the HTTP client of boto3 hands it on."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


class Crowded:
    """Has the next conditional writes to a key answered as S3 does where another write is under way: they are not made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left: dict[str, int] = {}
        client = Bucket._client.fget

        def crowded(bucket: Bucket) -> Any:
            found = client(bucket)
            for operation in ("PutObject", "DeleteObject"):
                found.meta.events.register(f"before-send.s3.{operation}", self._answer, unique_id=operation)
            return found

        monkeypatch.setattr(Bucket, "_client", property(crowded))

    def refuse(self, key: str, times: int) -> None:
        self._left[key] = times

    def is_over(self, key: str) -> bool:
        return self._left[key] == 0

    def _answer(self, request: AWSRequest, **_: object) -> AWSResponse | None:
        key = next((key for key in self._left if request.url.endswith(key)), "")
        if not self._left.get(key):
            return None
        self._left[key] -= 1
        return AWSResponse(request.url, 409, {"content-type": "application/xml"}, Body(CONFLICT))


def test_a_write_that_met_another_one_is_made_again(
    s3: S3Server, aws_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither lost nor another's: nobody else has written."""
    monkeypatch.setattr(lease, "RENEWAL", 0.2)
    crowd, options = Crowded(monkeypatch), s3.options()
    store, other = opened(options), opened(options)
    with store.lock("apply") as info:
        for key in ("/lock.json", "/serials/000001.json", "/journal/000001.jsonl"):
            crowd.refuse(key, 2)
        assert store.commit(a_state(1)).serial == 1
        store.journal().append(JournalEntry("intent", "1", 1.0))
        assert crowd.is_over("/lock.json")
        assert crowd.is_over("/serials/000001.json")
        assert crowd.is_over("/journal/000001.jsonl")
        assert other.holder() == info
        crowd.refuse("/lock.json", 100)
        with pytest.raises(StateError, match="others write it at the same time"):
            store.commit(a_state(2))
        crowd.refuse("/lock.json", 2)
    assert other.holder() is None
    store.close()


def test_a_lease_is_renewed_as_long_as_it_is_held(
    s3: S3Server, aws_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE", 6.0)
    monkeypatch.setattr(lease, "RENEWAL", 0.5)
    options = s3.options()
    store, other = opened(options), opened(options)
    with store.lock("apply") as info:
        until = time.monotonic() + 8.0
        while time.monotonic() < until:
            assert other.holder() == info
            with pytest.raises(StateLocked, match=info.id), other.lock("destroy"):
                pass
        store.commit(a_state(1))


def test_a_lock_that_does_not_say_whose_it_is_ends_with_its_lease(
    s3: S3Server, aws_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = s3.options()
    store = opened(options)
    Bucket(options).write("sutazai/shop/local/lock.json", b"")
    holder = store.holder()
    assert holder is not None
    assert (holder.operation, holder.who) == ("a run", "another process")
    monkeypatch.setattr(lease, "LEASE", 0.5)
    with store.lock("apply"):
        store.commit(a_state(1))
    assert opened(options).serials() == (1,)


def test_a_holder_that_was_stopped_for_too_long_writes_no_more(
    s3: S3Server, aws_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE", 2.0)
    monkeypatch.setattr(lease, "TRUST", 1.0)
    options = s3.options()
    with Proxy(s3.port) as proxy:
        store = opened(options.model_copy(update={"endpoint": f"http://127.0.0.1:{proxy.port}"}))
        other = opened(options)
        with store.lock("apply"):
            proxy.refuse()
            with other.lock("apply", timeout=10.0):
                other.commit(a_state(1, why="theirs"))
                proxy.accept()
                with pytest.raises(StateError, match=r"was taken from this run .* or by another run since"):
                    store.journal().append(JournalEntry("intent", "1", 1.0))
                with pytest.raises(StateError, match=r"was taken from this run .* or by another run since"):
                    store.commit(a_state(2, why="mine"))
        assert other.serials() == (1,)
        assert other.holder() is None
        store.close()


@pytest.mark.skipif(
    not hasattr(time, "CLOCK_BOOTTIME"), reason="the system does not count the time it sleeps"
)
def test_a_holder_whose_machine_was_asleep_for_too_long_writes_no_more(
    moto: S3Server, aws_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`time.monotonic` stands still meanwhile: the last renewal seems to be of just now."""
    monkeypatch.setattr(lease, "RENEWAL", 1000.0)
    options, clock = moto.options(), time.clock_gettime
    store, other = opened(options), opened(options)
    with store.lock("apply"):
        with monkeypatch.context() as asleep:
            asleep.setattr(lease, "LEASE", -1.0)
            theirs = other.lock("apply")
            theirs.__enter__()
        monkeypatch.setattr(time, "clock_gettime", lambda of: clock(of) + 60 * (of == time.CLOCK_BOOTTIME))
        with pytest.raises(StateError, match="was taken from this run"):
            store.journal().append(JournalEntry("intent", "1", 1.0))
        theirs.__exit__(None, None, None)


@pytest.mark.parametrize("late", ["append", "clear"])
def test_what_was_on_its_way_for_too_long_does_not_come_into_the_next_ones_journal(
    s3: S3Server, aws_keys: None, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    monkeypatch.setattr(lease, "LEASE", 1.0)
    monkeypatch.setattr(lease, "TRUST", 0.5)
    monkeypatch.setattr(lease, "RENEWAL", 1000.0)
    options, begin = s3.options(), JournalEntry("begin", "1", 1.0)
    store, other = opened(options), opened(options)
    method = {"append": "create", "clear": "keys"}[late]
    call = getattr(Bucket, method)

    def delayed(bucket: Bucket, key: str, *given: object) -> object:
        """Another takes over, and is done where the late word is an entry."""
        if "/journal/" in key:
            monkeypatch.setattr(Bucket, method, call)
            theirs.enter_context(other.lock("apply", timeout=10.0))
            other.journal().append(begin)
            if late == "append":
                other.journal().clear()
        return call(bucket, key, *given)

    with contextlib.ExitStack() as theirs:
        with store.lock("apply"):
            store.journal().append(begin)
            monkeypatch.setattr(Bucket, method, delayed)
            write = partial(store.journal().append, begin) if late == "append" else store.journal().clear
            with pytest.raises(StateError, match="was taken from this run"):
                write()
        left = [entry.key for entry in other.journal().read()]
    assert left == ([] if late == "append" else ["1", "1"])


def test_a_holder_that_was_stopped_for_too_long_leaves_the_next_ones_lock(
    s3: S3Server, aws_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE", 1.0)
    monkeypatch.setattr(lease, "RENEWAL", 1000.0)
    options = s3.options()
    store, other = opened(options), opened(options)
    stopped = store.lock("apply")
    stopped.__enter__()
    with other.lock("apply", timeout=10.0) as theirs:
        monkeypatch.setattr(lease, "LEASE", 60.0)
        stopped.__exit__(None, None, None)
        assert opened(options).holder() == theirs


@pytest.mark.parametrize("ignored", ["IfNoneMatch", "IfMatch"])
def test_a_server_that_ignores_a_condition_is_refused(
    moto: S3Server, aws_keys: None, monkeypatch: pytest.MonkeyPatch, ignored: str
) -> None:
    put = Bucket._put
    monkeypatch.setattr(
        Bucket, "_put", lambda bucket, key, data, given: put(
            bucket, key, data, {name: said for name, said in given.items() if name != ignored}
        ),
    )  # fmt: skip
    store = opened(moto.options())
    with pytest.raises(StateError, match="does not carry out conditional writes"), store.lock("apply"):
        pass
    assert store.holder() is None
