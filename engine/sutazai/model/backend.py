"""Where the state of an environment is kept: a model of its own for each kind, chosen by `kind`.

None of them has a place for a password or a key: those come from where each kind's own tools look for them (libpq's
variables and password file, AWS's variables and profiles). A URL that holds one all the same is warned about.
"""

import re
from typing import Annotated, Literal

from pydantic import Field

from sutazai.model.base import SpecModel


class LocalBackend(SpecModel):
    """A folder of this machine."""

    kind: Literal["local"] = "local"
    path: str | None = None
    """The folder, relative to the project; without it `state/ENV`."""


class PostgresBackend(SpecModel):
    """Two tables in a PostgreSQL database."""

    kind: Literal["postgres"]
    url: str | None = None
    """A connection URI or `key=value` text as libpq reads it; what it leaves out, libpq's variables (`PGHOST`,
    `PGPASSWORD`, `PGPASSFILE`, `PGSERVICE`, …) say."""
    schema_name: Annotated[str, Field(alias="schema", pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "sutazai"
    """The database schema that holds the tables; made when there is none."""


class S3Backend(SpecModel):
    """Objects in a bucket of anything that speaks S3 and carries out conditional writes."""

    kind: Literal["s3"]
    bucket: Annotated[str, Field(min_length=3, max_length=63)]
    prefix: str = "sutazai"
    """What the keys of all objects begin with: `PREFIX/PROJECT/ENV/…`."""
    endpoint: str | None = None
    """The server's URL; without it AWS, or what `AWS_ENDPOINT_URL` says."""
    region: str | None = None


BackendOptions = LocalBackend | PostgresBackend | S3Backend

BACKENDS: dict[str, type[LocalBackend] | type[PostgresBackend] | type[S3Backend]] = {
    "local": LocalBackend,
    "postgres": PostgresBackend,
    "s3": S3Backend,
}

_PASSWORD = re.compile(
    r"(?<=://)(?P<user>[^/@:\s]*:)(?P<word>[^@\s]+)(?=@)|(?P<key>(?:^|[\s?&'\"])password=)(?P<value>[^\s&'\"]+)"
)


def holds_password(url: str) -> bool:
    """Whether a connection URI or `key=value` text has a password in it."""
    return _PASSWORD.search(url) is not None


def without_passwords(text: str) -> str:
    """The text with a star for each letter of a password in it, so that places in it stay where they are."""
    return _PASSWORD.sub(
        lambda found: (
            (found["user"] or found["key"] or "") + "*" * len(found["word"] or found["value"] or "")
        ),
        text,
    )
