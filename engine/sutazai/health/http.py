"""`http`: a request is answered with an expected status and the expected headers.

As Kubernetes' probes do it: redirects are answers and not followed, a certificate is not verified (an
instance is asked by its address, which no certificate names), and an answer counts once its body is here or
more than enough of it.
"""

from sutazai.health.connection import CheckFailed, Deadline, connect, endpoints_of, show
from sutazai.health.http1 import Response, exchange, request
from sutazai.health.relay import WAY_BACK, Script, dial_through
from sutazai.model.checks import Check
from sutazai.ports import Target

SHOWN = 200
"""Bytes of the body that a failed check shows."""


def http(check: Check, target: Target, script: Script) -> str:
    """What answered. Raises CheckFailed."""
    deadline = Deadline.after(check.timeout)
    candidates = endpoints_of(check.port, target.endpoints)
    tls = check.scheme == "https"
    connection, endpoint = connect(candidates, deadline, dial_through(target, script, deadline, tls=tls))
    with connection:
        data = request(check.method, check.path, show(endpoint), check.headers, check.body)
        until = deadline if target.via is None else deadline.later(WAY_BACK)
        response = exchange(connection, endpoint, data, until, method=check.method, tls=tls)
    _judge(check, response)
    return f"HTTP {response.status}"


def _judge(check: Check, response: Response) -> None:
    if response.status not in check.status:
        expected = " or ".join(map(str, check.status))
        raise CheckFailed(f"HTTP {response.status} (expected {expected}){_shown(response.body)}")
    for name, expected in check.expect_headers.items():
        found = response.headers.get(name.lower())
        if found is None:
            raise CheckFailed(f"HTTP {response.status} without the header {name} (expected {expected!r})")
        if found != expected.strip():
            raise CheckFailed(
                f"HTTP {response.status} with {name}: {found[:SHOWN]!r} (expected {expected!r})"
            )


def _shown(body: bytes) -> str:
    """The beginning of a body on one line, without what a terminal would obey."""
    text = body[:SHOWN].decode("utf-8", "replace")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f": {line}{' …' if len(body) > SHOWN else ''}" if line else ""
