"""The agent runtime: one HTTP service, set up by environment variables, that can be any agent of the fleet.

Standard library only, and few modules of it: 131 of these start at once on a laptop, so every import is paid
131 times in start-up time and in memory.

AGENT_NAME, AGENT_CATEGORY, AGENT_TIER, AGENT_MODEL   what /info says
AGENT_PORT                 default 8080
AGENT_CAPABILITIES         words; what POST /invoke performs
AGENT_SERVICES             NAME=HOST:PORT words; /ready wants a TCP connection to each
AGENT_PEERS                NAME=HOST:PORT words, other agents; /ready wants 200 from each one's /health
AGENT_VERSION              baked into the image when it is built

Faults, for tests of what runs agents; see `runtime.faults`:
FAULT_START_DELAY, FAULT_ERROR_RATE, FAULT_LATENCY, FAULT_MEMORY_GROWTH, FAULT_CRASH_AFTER, FAULT_HEALTH

Exit codes: 0 after SIGTERM or SIGINT with every request answered, 1 when some were not or a fault said crash,
2 when the environment cannot be understood or the port cannot be had.
"""

import os
import sys

from runtime.faults import Faults
from runtime.server import Server, StopRequested
from runtime.service import Service
from runtime.settings import SettingsError, read_settings


def main() -> int:
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        for problem in error.problems:
            print(f"agent: {problem}", file=sys.stderr)
        return 2
    faults = Faults(settings.faults)
    server = Server(Service(settings, faults).answer, faults.tick)
    server.catch_signals()
    try:
        server.wait(settings.faults.start_delay)
        server.listen(settings.port)
        print(f"agent {settings.name} {settings.version}: listening on port {settings.port}", flush=True)
        server.serve()
    except OSError as error:
        print(f"agent {settings.name}: cannot listen on port {settings.port}: {error}", file=sys.stderr)
        return 2
    except StopRequested:
        unfinished = server.drain()
        print(f"agent {settings.name}: stopped, {unfinished} requests left unanswered", flush=True)
        return 1 if unfinished else 0


if __name__ == "__main__":
    sys.exit(main())
