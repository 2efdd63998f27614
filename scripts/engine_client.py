"""A docker-py client for the engine that the docker command itself would talk to."""

import os

import docker
from docker.context import ContextAPI


def connect(timeout: int = 60) -> docker.DockerClient:
    """DOCKER_HOST wins, then DOCKER_CONTEXT, then the context in use. `timeout`: seconds of silence borne."""
    if not os.environ.get("DOCKER_HOST"):
        context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT") or None)
        if context is not None and context.name != "default":
            return docker.DockerClient(base_url=context.Host, tls=context.TLSConfig or False, timeout=timeout)
    return docker.from_env(timeout=timeout)
