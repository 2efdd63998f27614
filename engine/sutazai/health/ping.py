"""`ping`: something accepts TCP connections on the port."""

from sutazai.health.connection import Deadline, connect, endpoints_of, show
from sutazai.model.checks import Check
from sutazai.ports import Target


def ping(check: Check, target: Target) -> str:
    """What answered. Raises CheckFailed."""
    connection, endpoint = connect(endpoints_of(check.port, target.endpoints), Deadline.after(check.timeout))
    connection.close()
    return f"connected to {show(endpoint)}"
