"""What Docker answers is told apart by its words where its number does not."""

import pytest
from docker.errors import APIError
from requests import Response

from sutazai.errors import Conflict, NotFound, ProviderError, Unstartable
from sutazai.providers.docker.writer import translated

ID = "bfcc4bd5e728ed3e847fd7e1a528929451d444ec2e1431cc1b6fce6e26e4b7ce"

TASKS = "/run/containerd/io.containerd.runtime.v2.task"


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (500, f"task {ID}: already exists", Unstartable),
        (500, f"failed to create task for container: task {ID}: already exists: unknown", Unstartable),
        (500, f'container "{ID}": already exists', Unstartable),
        (409, "id already in use", Unstartable),
        (500, f"OCI runtime create failed: container with id exists: {ID}: unknown", Unstartable),
        (500, f"failed to start shim: mkdir {TASKS}/moby/{ID}: file exists: unknown", Unstartable),
        (500, f"mkdir {TASKS}/moby/{ID}: file exists: unknown", Unstartable),
        (500, f"mkdir {TASKS}/moby/{ID}: no space left on device", ProviderError),
        (500, f"mkdir /var/lib/docker/overlay2/{ID}: file exists", ProviderError),
        (500, "driver failed programming: Bind for 0.0.0.0:80 failed: port is already allocated", Conflict),
        (403, f"endpoint with name {ID} already exists in network net", Conflict),
        (409, f'Conflict. The container name "/a" is already in use by container "{ID}".', Conflict),
        (404, "No such container: a", NotFound),
        (500, f"container {ID}: no space left on device", ProviderError),
    ],
)
def test_an_answer_is_known_by_its_number_and_its_words(
    status: int, words: str, kind: type[ProviderError]
) -> None:
    response = Response()
    response.status_code = status
    error = translated(APIError("500", response, words), "start bfcc4bd5e728")
    assert (type(error), error.status) == (kind, status)
    assert words in error.message
