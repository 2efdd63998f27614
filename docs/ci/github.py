"""What a pipeline asks of GitHub: one comment with the plan on a pull request, and who approved a run.

    github.py comment FILE             posts FILE on the pull request, in place of what earlier runs posted
    github.py approver ENVIRONMENT     prints the logins of those who approved the run for the environment

Standard library only, to be copied beside a workflow or a Jenkinsfile. It reads the variables that GitHub Actions sets, or a
Jenkinsfile: GITHUB_TOKEN, GITHUB_REPOSITORY, GITHUB_API_URL; PULL_REQUEST (its number) and COMMENT_AUTHOR (the login that
comments, by default that of Actions); GITHUB_RUN_ID. Only a comment by COMMENT_AUTHOR is ever replaced: anybody can write a
comment that begins with the marker. It exits 1 with one line when GitHub refuses or can't be reached, and when nobody approved.
"""

import http.client
import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

PAGE = 100
TIMEOUT = 30.0
"""Seconds."""


def ask(method: str, path: str, body: dict[str, str] | None = None) -> Any:
    """One call of the REST API; the decoded answer."""
    base = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    request = urllib.request.Request(  # noqa: S310 - the address is the pipeline's own
        f"{base}/repos/{os.environ['GITHUB_REPOSITORY']}{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        text = answer.read()
    return json.loads(text) if text else None


def comments(pull_request: str) -> Iterator[dict[str, Any]]:
    """Every comment on a pull request, oldest first."""
    page = 1
    while found := ask("GET", f"/issues/{pull_request}/comments?per_page={PAGE}&page={page}"):
        yield from found
        page += 1


def comment(path: Path) -> str:
    """Post or replace the comment; its address. The first line of the file is the marker by which it is found."""
    body = path.read_text(encoding="utf-8")
    if not body.startswith("<!-- "):
        sys.exit(f"github.py: {path} holds no plan: it is written by sutazai show FILE --markdown")
    marker = body.splitlines()[0]
    author = os.environ.get("COMMENT_AUTHOR", "github-actions[bot]")
    number = os.environ["PULL_REQUEST"]
    own = [earlier["id"] for earlier in comments(number) if is_own(earlier, author, marker)]
    if not own:
        return str(ask("POST", f"/issues/{number}/comments", {"body": body})["html_url"])
    for superfluous in own[1:]:  # of two runs that posted at the same time
        ask("DELETE", f"/issues/comments/{superfluous}")
    return str(ask("PATCH", f"/issues/comments/{own[0]}", {"body": body})["html_url"])


def is_own(found: dict[str, Any], author: str, marker: str) -> bool:
    """Whether a comment is the pipeline's, for this project and environment. An account that is gone has no name."""
    login, text = (found["user"] or {}).get("login"), found["body"] or ""
    return login == author and text.splitlines()[:1] == [marker]


def approver(environment: str) -> str:
    """Those who approved the run for an environment, as `ada, grace`."""
    reviews = ask("GET", f"/actions/runs/{os.environ['GITHUB_RUN_ID']}/approvals")
    logins = [review["user"]["login"] for review in reviews if approves(review, environment)]
    if not logins:
        sys.exit(
            f"github.py: nobody approved this run for {environment}: give that environment required reviewers"
        )
    return ", ".join(dict.fromkeys(logins))


def approves(review: dict[str, Any], environment: str) -> bool:
    names = [each["name"] for each in review["environments"]]
    return review["state"] == "approved" and environment in names


def main(arguments: list[str]) -> str:
    match arguments:
        case ["comment", path]:
            return comment(Path(path))
        case ["approver", environment]:
            return approver(environment)
        case _:
            return sys.exit("usage: github.py comment FILE | github.py approver ENVIRONMENT")


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:]) + "\n")
    except KeyError as missing:
        sys.exit(f"github.py: the variable {missing} is not set")
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, OSError) and error.filename and not isinstance(error, HTTPError):
            sys.exit(f"github.py: {error.filename}: {error.strerror}")
        sys.exit(f"github.py: {os.environ.get('GITHUB_API_URL', 'GitHub')} answered: {error}")
