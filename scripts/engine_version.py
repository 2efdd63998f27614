"""Prints the version of the Docker Engine at DOCKER_HOST, for machines with a socket but no docker client.

Standard library only: it runs before anything is installed. A host that wants TLS is beyond it; exit 1.
"""

import http.client
import json
import os
import socket
import sys
from urllib.parse import urlsplit

TIMEOUT = 10.0  # seconds


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def main() -> int:
    url = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    connection: http.client.HTTPConnection
    if url.scheme == "unix":
        connection = UnixConnection(url.path)
    elif url.scheme in ("tcp", "http") and url.hostname:
        connection = http.client.HTTPConnection(url.hostname, url.port or 2375, timeout=TIMEOUT)
    else:
        print(f"cannot ask {url.geturl()} without a docker client", file=sys.stderr)
        return 1
    try:
        connection.request("GET", "/version")
        print(json.load(connection.getresponse())["Version"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
