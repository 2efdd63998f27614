"""docker-py over a Unix socket, with connections that are used again.

docker-py keeps its connections by the whole address of what was asked for, and a container is started once: so each call would
open another one, and leave it open. All of them lead to the same socket.
"""

from collections.abc import Mapping

from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnectionPool


class SocketAdapter(UnixHTTPAdapter):
    """One pool of connections for everything that a client asks."""

    def get_connection(
        self, url: str | bytes, proxies: Mapping[str, str] | None = None
    ) -> UnixHTTPConnectionPool:
        del url
        return super().get_connection(self.socket_path, proxies)
