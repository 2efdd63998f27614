"""Real servers for the remote stores: PostgreSQL in a container of its own, S3 in a process of its own."""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import docker
import psycopg

from free_port import free_port
from sutazai.model.backend import PostgresBackend, S3Backend

KEYS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_S3 = """
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
# One request at a time: moto looks and then writes, and only so is that one step, as a conditional write is.
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.port, flush=True)
server.serve_forever()
"""


class PostgresServer:
    """In a container that can be stopped and started again under the same address, in a network of its own."""

    def __init__(self, engine: docker.DockerClient) -> None:
        self.password = secrets.token_hex(8)
        self.port = free_port()
        self.name = f"t{secrets.token_hex(4)}-postgres"
        self.network = engine.networks.create(self.name)
        self.container = engine.containers.create(
            "sutazai/postgres:15",
            ["postgres", "-c", "fsync=off"],
            name=self.name,
            network=self.name,
            environment={"POSTGRES_PASSWORD": self.password},
            ports={"5432/tcp": ("127.0.0.1", self.port)},
        )

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, self.container.logs().decode()[-2000:]
                time.sleep(0.1)

    def options(self) -> PostgresBackend:
        """With a schema that nobody else uses."""
        return PostgresBackend.model_validate(
            {"kind": "postgres", "url": self.url, "schema": f"s{secrets.token_hex(6)}"}
        )


@contextmanager
def postgres_server(engine: docker.DockerClient) -> Iterator[PostgresServer]:
    server = PostgresServer(engine)
    try:
        server.container.start()
        server.wait()
        yield server
    finally:
        server.container.remove(force=True, v=True)
        server.network.remove()


class S3Server:
    """Whoever uses it needs `KEYS` in the environment."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"

    def options(self) -> S3Backend:
        """With a bucket that nobody else uses."""
        bucket = f"b{secrets.token_hex(6)}"
        client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        client.create_bucket(Bucket=bucket)
        client.close()
        return S3Backend(kind="s3", bucket=bucket, endpoint=self.endpoint)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    process = subprocess.Popen(
        [sys.executable, "-c", _S3], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield S3Server(int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()
