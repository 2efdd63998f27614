"""The way to change something: docker-py's low-level client, one per thread, its errors turned into ours.

docker-py is imported with the first change, not with this module. Nothing is tried twice here: a call that
changes Docker may have been carried out even though its answer was lost, and only the journal knows what to
do then.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sutazai.errors import Conflict, NotFound, ProviderError, Unstartable
from sutazai.providers.docker.connection import DEFAULT_SOCKET, Endpoint
from sutazai.providers.docker.reader import unreachable

if TYPE_CHECKING:
    from docker import APIClient
    from docker.errors import APIError
    from docker.tls import TLSConfig

TIMEOUT = 120
_TAKEN = (
    "port is already allocated",
    "address already in use",
    "already exists in network",
    "is already in use",
    "already exists",
)
_LEFT_BEHIND = re.compile(
    r"\b(task|container) \W*[0-9a-f]{64}\W+already exists|\bid already in use|\bcontainer with id exists"
    r"|\bmkdir \S*/io\.containerd\.runtime\.\S+/[0-9a-f]{64}: file exists"
)
"""What containerd says of a start, or runc, when it holds the ID of the container from a start that was cut off with the engine,
if only as a folder. No later start gets past that: the engine does not know of it."""


class Writer:
    """docker-py clients of one engine. `api` says which version of its API they speak, and is asked with the first change."""

    def __init__(self, endpoint: Endpoint, api: Callable[[], tuple[int, int]]) -> None:
        self._endpoint = endpoint
        self._api = api
        self._local = threading.local()
        self._made: list[APIClient] = []

    def close(self) -> None:
        """Give the connections of every thread back."""
        self._local = threading.local()
        while self._made:
            self._made.pop().close()

    @contextmanager
    def client(self, what: str) -> Iterator["APIClient"]:
        """A client of this thread; `what` is being done, for messages. Raises ProviderError and nothing of
        docker-py's."""
        import requests
        from docker.errors import APIError, DockerException

        try:
            yield self._mine()
        except APIError as error:
            raise translated(error, what) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise unreachable(self._endpoint, error) from error
        except (DockerException, requests.RequestException) as error:
            raise ProviderError(f"can't {what}: {error}") from error

    def post(self, path: str, body: Mapping[str, Any], what: str) -> None:
        """A call whose words docker-py does not know in full."""
        with self.client(what) as client:
            answer = client.post(f"{client.base_url}/v{client.api_version}{path}", json=body, timeout=TIMEOUT)
        if answer.status_code >= 400:
            raise _error(answer.status_code, answer.json().get("message", answer.text), what)

    def _mine(self) -> "APIClient":
        found: APIClient | None = getattr(self._local, "client", None)
        if found is None:
            found = _made(self._endpoint, self._api())
            self._local.client = found
            self._made.append(found)
        return found


def _made(endpoint: Endpoint, api: tuple[int, int]) -> "APIClient":
    from docker import APIClient

    from sutazai.providers.docker.sockets import SocketAdapter

    version = f"{api[0]}.{api[1]}"
    if endpoint.kind == "tcp":
        tls = _tls(endpoint) if endpoint.tls else False
        return APIClient(base_url=endpoint.url, version=version, timeout=TIMEOUT, tls=tls)
    client = APIClient(base_url=f"unix://{DEFAULT_SOCKET}", version=version, timeout=TIMEOUT)
    client.mount("http+docker://", SocketAdapter(endpoint, TIMEOUT))
    client.trust_env = False  # no proxy stands before a socket, and to look for one takes time
    return client


def _tls(endpoint: Endpoint) -> "TLSConfig":
    from docker.tls import TLSConfig

    files = endpoint.tls
    assert files is not None  # noqa: S101 - the caller asked
    pair = (files.cert, files.key) if files.cert and files.key else None
    return TLSConfig(client_cert=pair, ca_cert=files.ca, verify=files.verify)


def translated(error: "APIError", what: str) -> ProviderError:
    return _error(error.status_code or 500, str(error.explanation or error), what)


def _error(status: int, message: str, what: str) -> ProviderError:
    """Docker answers some conflicts with 403 or 500: a port or an address that is taken is one, whatever
    the number. What it says of an ID that is taken has either number."""
    text = f"can't {what}: {message.strip()}"
    if status == 404:
        return NotFound(text, status=status)
    if _LEFT_BEHIND.search(message):
        return Unstartable(text, status=status)
    if status == 409 or any(words in message for words in _TAKEN):
        return Conflict(text, status=status)
    return ProviderError(text, status=status)
