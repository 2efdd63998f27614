"""The few calls of S3 that the store makes, and its errors in our words.

Writes are conditional: a key is created only where there is none (`If-None-Match: *`), and changed or removed only as
it was read (`If-Match`). The client repeats a call whose answer was lost, so a create that is refused may be our own
from before: who creates compares.

A conditional write that meets another one under way is answered with 409, which does not tell how it stands with the condition:
it is made again.

Where a connection without TLS ends in the middle of an answer's headers, botocore takes what came for the whole: an empty
listing, half an ETag. So an answer counts only when it says how long its body is, and has what belongs into it; any other is
asked for again.
"""

import contextlib
import email.utils
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    NoCredentialsError,
    ResponseStreamingError,
)
from botocore.handlers import add_expect_header

from sutazai.errors import StateError
from sutazai.model.backend import S3Backend

T = TypeVar("T")
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=32,
)
"""Standard mode repeats what failed on the way, not what was refused, and waits in between: about 10 s in all."""
_ASKED = 4
"""How often an answer is asked for that comes torn each time."""
_DELETED_AT_ONCE = 1000
_NOT_MET = ("PreconditionFailed", "412")
_AT_ONCE = ("ConditionalRequestConflict", "OperationAborted", "409")


class Torn(BotoCoreError):  # type: ignore[misc]  # botocore has no types
    fmt = "the connection ended in the middle of the answer"


class AtOnce(BotoCoreError):  # type: ignore[misc]  # botocore has no types
    fmt = "others write it at the same time, again and again"


@dataclass(frozen=True, slots=True)
class Found:
    """An object. `age` is how many seconds ago it was written, by the server's own clock, to a second."""

    data: bytes
    etag: str
    age: float


class Bucket:
    """One bucket. Safe to use from threads."""

    def __init__(self, options: S3Backend) -> None:
        self.name = options.bucket
        self._options = options
        self._connected: Any = None
        self._bare = False

    def get(self, key: str) -> Found | None:
        def read() -> Found | None:
            try:
                answer = self._call("get_object", Key=key)
            except ClientError as error:
                if _code(error) in ("NoSuchKey", "404"):
                    return None
                raise
            data: bytes = answer["Body"].read()
            now = email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
            return Found(data, answer["ETag"], (now - answer["LastModified"]).total_seconds())

        return self._asked("read", key, read)

    def create(self, key: str, data: bytes) -> str | None:
        """The new object's ETag; None when there is one of that key."""
        return self._put(key, data, {"IfNoneMatch": "*"})

    def swap(self, key: str, data: bytes, etag: str) -> str | None:
        """The changed object's ETag; None when it is no longer the one that `etag` names. Ceph's gateway takes the quotes of
        an ETag for a part of it: where the one that is there was refused, it is named without them from then on."""
        done = self._put(key, data, {"IfMatch": self._named(etag)})
        if done is None and not self._bare and (found := self.get(key)) is not None and found.etag == etag:
            done = self._put(key, data, {"IfMatch": etag.strip('"')})
            self._bare = done is not None
        return done

    def write(self, key: str, data: bytes) -> None:
        """Whatever is there."""
        self._put(key, data, {})

    def remove(self, key: str, etag: str | None = None) -> bool:
        """False when it is no longer the one that `etag` names. Without one, whatever is there goes."""
        condition = {"IfMatch": self._named(etag)} if etag else {}

        def removed() -> bool:
            try:
                with _met_at_once():
                    self._client.delete_object(Bucket=self.name, Key=key, **condition)
            except ClientError as error:
                if _code(error) in ("NoSuchKey", "404", *_NOT_MET):
                    return False
                raise
            return True

        return self._asked("remove", key, removed)

    def remove_all(self, keys: list[str]) -> None:
        """The last ones first, so that what an interruption leaves is a beginning."""
        backwards = sorted(keys, reverse=True)
        for start in range(0, len(backwards), _DELETED_AT_ONCE):
            batch = backwards[start : start + _DELETED_AT_ONCE]
            failed = self._asked("remove", batch[0], partial(self._removed, batch))
            if failed:
                raise StateError(f"can't remove s3://{self.name}/{failed[0]['Key']}: {failed[0]['Message']}")

    def _removed(self, batch: list[str]) -> list[Mapping[str, str]]:
        """What could not be removed, and why."""
        answer = self._call("delete_objects", Delete={"Objects": [{"Key": key} for key in batch]})
        failed: list[Mapping[str, str]] = answer.get("Errors", [])
        if len(answer.get("Deleted", ())) + len(failed) < len(batch):
            raise Torn
        return failed

    def keys(self, prefix: str) -> list[str]:
        """All keys that begin so, sorted."""
        return sorted(entry["Key"] for entry in self._listed("Contents", prefix))

    def folders(self, prefix: str) -> list[str]:
        """What stands before the next slash in all keys that begin so, sorted."""
        found = (entry["Prefix"] for entry in self._listed("CommonPrefixes", prefix, Delimiter="/"))
        return sorted(name.removeprefix(prefix).rstrip("/") for name in found)

    def _listed(self, what: str, prefix: str, **how: str) -> list[Mapping[str, str]]:
        found: list[Mapping[str, str]] = []
        more: dict[str, str] = {}
        while True:
            page = self._asked("list", prefix, partial(self._page, Prefix=prefix, **how, **more))
            found.extend(page.get(what, ()))
            if not page["IsTruncated"]:
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _page(self, **given: str) -> Mapping[str, Any]:
        page = self._call("list_objects_v2", **given)
        if "IsTruncated" not in page:
            raise Torn
        return page

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def _named(self, etag: str) -> str:
        return etag.strip('"') if self._bare else etag

    def _put(self, key: str, data: bytes, condition: dict[str, str]) -> str | None:
        def write() -> str | None:
            try:
                with _met_at_once():
                    answer = self._call("put_object", Key=key, Body=data, **condition)
            except ClientError as error:
                if condition and _code(error) in (*_NOT_MET, "NoSuchKey", "404"):
                    return None
                raise
            etag = str(answer.get("ETag", ""))
            if not etag or etag.count('"') == 1:
                raise Torn
            return etag

        return self._asked("write", key, write)

    def _asked(self, doing: str, key: str, call: Callable[[], T]) -> T:
        """What a call that may be made twice gives, once its answer is whole and tells something."""
        with self._explained(doing, key):
            for _ in range(_ASKED - 1):
                with contextlib.suppress(Torn, AtOnce, IncompleteReadError, ResponseStreamingError):
                    return call()
            return call()

    def _call(self, operation: str, **given: Any) -> Mapping[str, Any]:
        """The answer to one request, whose headers came in full; that its body does is seen by whoever reads it. Raises
        `Torn`, and what botocore raises."""
        call = getattr(self._client, operation)
        try:
            answer: Mapping[str, Any] = call(Bucket=self.name, **given)
        except ValueError as error:  # half a date, half a length
            raise Torn from error
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        if "content-length" not in headers and headers.get("transfer-encoding", "").lower() != "chunked":
            raise Torn
        return answer

    @property
    def _client(self) -> Any:
        """A session of its own: boto3's default one is not safe to share between threads while it is made. Without the question
        whether the server would take the body: where the connection ends in the middle of its answer, botocore reads that
        end for ever."""
        if self._connected is None:
            options = self._options
            try:
                self._connected = boto3.session.Session().client(
                    "s3", endpoint_url=options.endpoint, region_name=options.region, config=_CONFIG
                )
            except ValueError as error:  # what is no URL, here or in AWS_ENDPOINT_URL
                raise StateError(
                    f"can't ask for s3://{self.name}: {error}",
                    hint="write https://HOST[:PORT] for `endpoint` under `state` of the environment, or AWS_ENDPOINT_URL",
                ) from error
            self._connected.meta.events.unregister("before-call.s3", add_expect_header)
        return self._connected

    @contextlib.contextmanager
    def _explained(self, doing: str, key: str) -> Iterator[None]:
        try:
            yield
        except NoCredentialsError as error:
            raise StateError(
                f"can't {doing} s3://{self.name}/{key}: no AWS credentials were found",
                hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
            ) from error
        except ClientError as error:
            said = error.response.get("Error", {}).get("Message") or _code(error) or str(error)
            raise StateError(
                f"can't {doing} s3://{self.name}/{key}: {said}", hint=_HINTS.get(_code(error))
            ) from error
        except BotoCoreError as error:
            raise StateError(
                f"can't {doing} s3://{self.name}/{key}: {error}",
                hint="see `endpoint` and `region` under `state` of the environment",
            ) from error


@contextlib.contextmanager
def _met_at_once() -> Iterator[None]:
    """Raise `AtOnce` where a conditional write was answered that another was under way."""
    try:
        yield
    except ClientError as error:
        if _code(error) in _AT_ONCE:
            raise AtOnce from error
        raise


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


_HINTS = {
    "NoSuchBucket": "make the bucket first, or name another one",
    "AccessDenied": "these credentials need s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject on it",
    "403": "these credentials need s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject on it",
    "InvalidAccessKeyId": "see AWS_ACCESS_KEY_ID or the profile that AWS_PROFILE names",
    "SignatureDoesNotMatch": "see AWS_SECRET_ACCESS_KEY or the profile that AWS_PROFILE names",
    "NotImplemented": "this server does not carry out conditional writes, which the state needs",
}
