"""`ping`: something accepts TCP connections on the port."""

from sutazai.health.connection import Deadline, connect, endpoints_of, show
from sutazai.health.relay import Script, dial_through
from sutazai.model.checks import Check
from sutazai.ports import Target


def ping(check: Check, target: Target, script: Script) -> str:
    """What answered. Raises CheckFailed."""
    deadline, candidates = Deadline.after(check.timeout), endpoints_of(check.port, target.endpoints)
    connection, endpoint = connect(candidates, deadline, dial_through(target, script, deadline, tls=False))
    connection.close()
    return f"connected to {show(endpoint)}"
