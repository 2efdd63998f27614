"""Where the state of an environment is kept: a model of its own for each kind, chosen by `kind`.

None of them has a place for a password or a key: those come from where each kind's own tools look for them (libpq's
variables and password file, AWS's variables and profiles). A URL that holds one all the same is warned about, and goes
into no plan file.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from sutazai.model.base import SpecModel


class LocalBackend(SpecModel):
    """A folder of this machine."""

    kind: Literal["local"] = "local"
    path: str | None = None
    """The folder, relative to the project; without it `state/ENV`."""


class PostgresBackend(SpecModel):
    """Tables of a schema in a PostgreSQL database."""

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

_HIDDEN = "(?:ssl)?password|oauth_client_secret|scram_(?:client|server)_key"
"""The keywords of libpq whose value nobody else may know."""
_PASSWORD = re.compile(
    rf"""(?<=://)(?P<user>[^/@:\s]*:)(?P<word>[^@\s]+)(?=@)
    |(?P<key>(?:^|[\s?&'"])(?:{_HIDDEN})\s*=\s*)
     (?P<value>''(?=[^\s'])(?:\\.|[^'\\]|'(?!'))+(?:''|$)|'(?:\\.|[^'\\])+'?|(?:\\.|[^\s&'"\\]|&(?!\w+=)|['"](?=\w))+)""",
    re.VERBOSE,
)
"""Also in what is no URL yet, a line of YAML say, in which a quote in quotes is doubled."""
_PAIR = re.compile(r"\s*([^\s=]+)\s*=\s*('(?:\\.|[^'\\])*'?|(?:\\.|[^\s\\])*)", re.DOTALL)
_USER = re.compile(r"[^:/?#\[\]@]*:[^@/]+@")


def holds_password(url: str) -> bool:
    """Whether a connection URI or `key=value` text has a password in it."""
    return _PASSWORD.search(url) is not None or any(
        value.strip("'") and re.fullmatch(_HIDDEN, key) for key, value in _keywords(url)
    )


def _keywords(url: str) -> Iterator[tuple[str, str]]:
    """What libpq would read in the text: the keywords of a URI may be written with escapes, those of other text with quotes
    and spaces around the value."""
    if not url.startswith(("postgresql://", "postgres://")):
        yield from ((pair[1], pair[2]) for pair in _PAIR.finditer(url))
        return
    from urllib.parse import unquote

    address, _, query = url.partition("://")[2].partition("?")
    if _USER.match(address):
        yield "password", address
    for key, _, value in (pair.partition("=") for pair in query.split("&")):
        yield unquote(key).strip(), value


def without_passwords(text: str) -> str:
    """The text with a star for each letter of a password in it, so that places in it stay where they are."""
    return _PASSWORD.sub(
        lambda found: (
            (found["user"] or found["key"] or "") + "*" * len(found["word"] or found["value"] or "")
        ),
        text,
    )
