"""What the store asks of a server that says it is S3, of Ceph's gateway and of moto."""

import pytest

from contract.state_servers import S3Server
from sutazai.errors import StateError
from sutazai.model.backend import S3Backend
from sutazai.store.s3.bucket import Bucket


@pytest.fixture(params=["s3", "moto"])
def server(request: pytest.FixtureRequest, aws_keys: None) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def bucket(server: S3Server) -> Bucket:
    return Bucket(server.options())


def test_a_key_is_created_once(bucket: Bucket) -> None:
    etag = bucket.create("a/key", b"first")
    assert bucket.create("a/key", b"second") is None
    found = bucket.get("a/key")
    assert found is not None
    assert (found.data, found.etag) == (b"first", etag)
    assert 0 <= found.age < 60


def test_an_object_is_changed_only_as_it_was_read(bucket: Bucket) -> None:
    old = bucket.create("key", b"first")
    assert old is not None
    for words in (b"second", b"third"):
        new = bucket.swap("key", words, old)
        assert new is not None
        assert bucket.swap("key", b"late", old) is None
        found = bucket.get("key")
        assert found is not None
        assert (found.data, found.etag) == (words, new)
        old = new
    assert bucket.swap("none", b"late", old) is None
    assert bucket.get("none") is None


def test_an_object_that_was_changed_meanwhile_is_not_removed_where_the_server_can_tell(
    server: S3Server, bucket: Bucket
) -> None:
    old = bucket.create("key", b"first")
    assert old is not None
    new = bucket.swap("key", b"second", old)
    assert new is not None
    if server.fenced:
        assert not bucket.remove("key", old)
    assert bucket.remove("key", new)
    assert bucket.get("key") is None


def test_a_server_with_a_name_is_asked_under_that_name(server: S3Server) -> None:
    """And not under BUCKET.NAME, which nobody knows but AWS's own servers."""
    options = server.options()
    named = Bucket(options.model_copy(update={"endpoint": server.endpoint.replace("127.0.0.1", "localhost")}))
    named.write("a/key", b"x")
    assert named.keys("") == Bucket(options).keys("") == ["a/key"]


def test_keys_and_folders_are_listed_and_removed(bucket: Bucket) -> None:
    for key in ("a/2", "a/1", "a/b/3", "c/4"):
        bucket.write(key, b"x")
    assert bucket.keys("a/") == ["a/1", "a/2", "a/b/3"]
    assert bucket.folders("") == ["a", "c"]
    bucket.remove_all(bucket.keys("a/"))
    assert bucket.keys("") == ["c/4"]


def test_a_bucket_that_is_not_there_is_said_so(server: S3Server) -> None:
    nowhere = Bucket(S3Backend(kind="s3", bucket="nowhere", endpoint=server.endpoint))
    with pytest.raises(
        StateError, match=r"can't list s3://nowhere/a: .*(NoSuchBucket|bucket does not exist)"
    ) as caught:
        nowhere.keys("a")
    assert "None" not in caught.value.message
    assert caught.value.hint == "make the bucket first, or name another one"


@pytest.mark.parametrize("given", ["option", "variable"])
def test_what_is_no_url_of_a_server_is_named(
    given: str, aws_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given == "variable":
        monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    options = S3Backend(kind="s3", bucket="states", endpoint="nonsense" if given == "option" else None)
    with pytest.raises(StateError, match=r"can't ask for s3://states: Invalid endpoint: nonsense") as caught:
        Bucket(options).keys("a")
    assert "https://HOST[:PORT]" in (caught.value.hint or "")
