"""Servers for the remote stores: PostgreSQL and Ceph's S3 gateway, each in a container of its own, and moto, which says that it is S3,
in a process of its own. moto carries out what Ceph of this version does not (a condition on a removal), and starts at once."""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import boto3
import docker
import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from docker.models.containers import Container

from free_port import free_port
from sutazai.model.backend import PostgresBackend, S3Backend

CEPH_IMAGE = "sutazai/test-ceph:16"
KEYS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_MOTO = """
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
# One request at a time: moto looks and then writes, and only so is that one step, as a conditional write is.
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.port, flush=True)
server.serve_forever()
"""


@contextmanager
def contained(
    engine: docker.DockerClient, image: str, command: Sequence[str], port: int, environment: Mapping[str, str]
) -> Iterator[tuple[Container, int]]:
    """A started container in a network of its own, and the port of this machine that leads to its `port`."""
    here, name = free_port(), f"t{secrets.token_hex(4)}-server"
    network = engine.networks.create(name)
    try:
        container = engine.containers.create(
            image, list(command), name=name, network=name, environment=dict(environment),
            ports={f"{port}/tcp": ("127.0.0.1", here)},
        )  # fmt: skip
        try:
            container.start()
            yield container, here
        finally:
            container.remove(force=True, v=True)
    finally:
        network.remove()


def until(container: Container, answers: Callable[[], object], *refusals: type[Exception]) -> None:
    """Ask until none of these refusals comes."""
    deadline = time.monotonic() + 120
    while True:
        try:
            answers()
            return
        except refusals:
            assert time.monotonic() < deadline, container.logs().decode()[-2000:]
            time.sleep(0.1)


class PostgresServer:
    def __init__(self, port: int, password: str) -> None:
        self.port = port
        self.password = password

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    def options(self) -> PostgresBackend:
        """With a schema that nobody else uses."""
        return PostgresBackend.model_validate(
            {"kind": "postgres", "url": self.url, "schema": f"s{secrets.token_hex(6)}"}
        )


@contextmanager
def postgres_server(engine: docker.DockerClient) -> Iterator[PostgresServer]:
    password, command = secrets.token_hex(8), ["postgres", "-c", "fsync=off"]
    with contained(engine, "sutazai/postgres:15", command, 5432, {"POSTGRES_PASSWORD": password}) as (
        container,
        port,
    ):
        server = PostgresServer(port, password)
        until(
            container,
            lambda: psycopg.connect(server.url, connect_timeout=2).close(),
            psycopg.OperationalError,
        )
        yield server


class S3Server:
    """Whoever uses it needs `KEYS` in the environment. `fenced`: it carries out the condition on a removal."""

    def __init__(self, port: int, *, fenced: bool) -> None:
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self.fenced = fenced

    def client(self) -> Any:
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=KEYS["AWS_DEFAULT_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    def options(self) -> S3Backend:
        """With a bucket that nobody else uses."""
        bucket = f"b{secrets.token_hex(6)}"
        client = self.client()
        client.create_bucket(Bucket=bucket)
        client.close()
        return S3Backend(kind="s3", bucket=bucket, endpoint=self.endpoint)


@contextmanager
def ceph_server(engine: docker.DockerClient) -> Iterator[S3Server]:
    with contained(engine, CEPH_IMAGE, [], 8000, KEYS) as (container, port):
        server = S3Server(port, fenced=False)
        with closing(server.client()) as client:
            until(container, client.list_buckets, BotoCoreError, ClientError)
        yield server


@contextmanager
def moto_server() -> Iterator[S3Server]:
    process = subprocess.Popen(
        [sys.executable, "-c", _MOTO], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield S3Server(int(process.stdout.readline()), fenced=True)
    finally:
        process.kill()
        process.communicate()
