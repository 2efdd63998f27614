"""docker-py over a socket that we dial (a Unix socket, or SSH), with connections that are used again.

docker-py keeps its connections by the whole address of what was asked for, and a container is started once: so each call would
open another one, and leave it open. All of them lead to the same engine. And its own way over SSH wants another SSH library, and
can't hold a conversation with a command.
"""

from collections.abc import Mapping

from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool

from sutazai.providers.docker.connection import Endpoint
from sutazai.providers.docker.dialing import dial


class SocketAdapter(UnixHTTPAdapter):
    """One pool of connections for everything that a client asks."""

    def __init__(self, endpoint: Endpoint, timeout: int) -> None:
        super().__init__(endpoint.url, timeout)
        self._pool = _Pool(endpoint, timeout, self.max_pool_size)

    def get_connection(
        self, url: str | bytes, proxies: Mapping[str, str] | None = None
    ) -> UnixHTTPConnectionPool:
        del url, proxies
        return self._pool

    def close(self) -> None:
        super().close()
        self._pool.close()


class _Pool(UnixHTTPConnectionPool):
    def __init__(self, endpoint: Endpoint, timeout: int, most: int) -> None:
        super().__init__(endpoint.url, endpoint.path, timeout, most)
        self._endpoint, self._seconds = endpoint, timeout

    def _new_conn(self) -> UnixHTTPConnection:  # type: ignore[override] # as in docker-py
        return _Connection(self._endpoint, self._seconds)


class _Connection(UnixHTTPConnection):
    def __init__(self, endpoint: Endpoint, timeout: int) -> None:
        super().__init__(endpoint.url, endpoint.path, timeout)
        self._endpoint = endpoint

    def connect(self) -> None:
        self.sock = dial(self._endpoint, self.timeout)
