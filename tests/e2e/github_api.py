"""A server that answers as GitHub's REST API does, as far as `docs/ci/github.py` asks it.

Source: "REST API endpoints for issue comments" and "… for workflow runs" of GitHub's documentation: pages of at most 100, 201 for
a new comment, 204 for one that is removed, 401 without a token, 404 for what is not there, 422 for a body of more than 65,536 characters.
"""

import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "token-of-the-pipeline"
LONGEST = 65_536


@dataclass
class Repository:
    """What the server knows: comments by pull request, approvals by run, and who the token belongs to."""

    name: str = "owner/repository"
    login: str = "github-actions[bot]"
    comments: list[dict[str, Any]] = field(default_factory=list)
    approvals: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def write(self, number: int, body: str, login: str) -> dict[str, Any]:
        made = {"id": next(self._ids), "issue": number, "body": body, "user": {"login": login}}
        made["html_url"] = f"https://github.example/{self.name}/pull/{number}#issuecomment-{made['id']}"
        self.comments.append(made)
        return made

    def of(self, number: int) -> list[str]:
        return [comment["body"] for comment in self.comments if comment["issue"] == number]

    def answer(self, method: str, url: str, body: dict[str, Any]) -> tuple[int, Any]:
        address = urlsplit(url)
        query = parse_qs(address.query)
        path = address.path.removeprefix(f"/repos/{self.name}")
        if len(body.get("body", "")) > LONGEST:
            return 422, {"message": "Validation Failed"}
        if found := re.fullmatch(r"/issues/(\d+)/comments", path):
            number = int(found[1])
            if method == "POST":
                return 201, self.write(number, body["body"], self.login)
            size, page = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
            mine = [comment for comment in self.comments if comment["issue"] == number]
            return 200, mine[(page - 1) * size : page * size]
        if (found := re.fullmatch(r"/issues/comments/(\d+)", path)) and method == "PATCH":
            for comment in self.comments:
                if comment["id"] == int(found[1]):
                    comment["body"] = body["body"]
                    return 200, comment
        if (found := re.fullmatch(r"/issues/comments/(\d+)", path)) and method == "DELETE":
            self.comments = [comment for comment in self.comments if comment["id"] != int(found[1])]
            return 204, None
        if (found := re.fullmatch(r"/actions/runs/(\d+)/approvals", path)) and method == "GET":
            return 200, self.approvals.get(found[1], [])
        return 404, {"message": "Not Found"}


@contextmanager
def github(repository: Repository) -> Iterator[str]:
    """The API's address, while the server runs."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            repository.calls.append(f"{self.command} {urlsplit(self.path).path}")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, answer = 401, {"message": "Bad credentials"}
            else:
                status, answer = repository.answer(self.command, self.path, body)
            data = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815 - the library's own words

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
