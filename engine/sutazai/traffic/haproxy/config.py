"""The configuration file, from the routes alone: the same routes give the same bytes.

Why it is as it is, where that can't be told from HAProxy's manual:

- Lanes start in maintenance and point to the switch's own container (`HOSTNAME`). That name can always be resolved, so a lane
  always has an address, and HAProxy only lets an address be replaced that is there. Nor does anybody ask a name server
  for the many slots in which nothing runs. Where a lane leads is set at run time and comes back from the saved state.
- The engine gives an address that became free to the next container. So a lane that HAProxy starts with has none (`NOWHERE`)
  until its name was asked for: an engine that starts anew gives addresses out in another order. And a name that is gone is out of
  use at once (`hold nx`, `hold other`), lest its traffic reach somebody else; but an engine that does not answer for a while
  (`hold timeout`) takes nothing out of use.
- A connection to a server serves one request (`http-server-close`): a connection that is kept may be closed by the server just
  as the next request is on its way, and that request would fail. Clients keep theirs.
- An idle connection is kept for longer than clients keep theirs (most give up after 60 to 90 s): whoever closes one may do so
  just as a request is on its way, and only the client knows that none is.
- At a reload a client's connection ends with its next answer (`idle-close-on-response`) and not between two.
- Nothing is sent twice: what is tried again is a connection that could not be made, and nothing else.
- Requests are logged into memory, from where the newest are read; to stdout goes what happens to HAProxy itself.
"""

import hashlib
from collections.abc import Iterable, Sequence

from sutazai.state.scope import Slot
from sutazai.state.traffic import Entry
from sutazai.traffic.haproxy.names import proxy_name, server_name

FOLDER = "/var/lib/router"
FILE = f"{FOLDER}/haproxy.cfg"
STATE = f"{FOLDER}/servers.state"
ADMIN = f"{FOLDER}/admin.sock"
MASTER = f"{FOLDER}/master.sock"
RING = "requests"
FULL_WEIGHT = 100
NOWHERE = "255.255.255.255"
"""The address of a lane whose name was not asked for yet, a moment after a start. What is sent there fails at once."""

_DIGEST = "@digest"
_COMMON = f"""\
# Written by sutazai; changes by hand are lost.
global
    description {_DIGEST}
    fd-hard-limit 65536
    hard-stop-after 1h
    mworker-max-reloads 10
    stats socket {ADMIN} mode 600 level admin expose-fd listeners
    stats timeout 30s
    server-state-file {STATE}
    log stdout format raw daemon notice
    log ring@{RING} format raw local0 info

ring {RING}
    format raw
    maxlen 256
    size 8388608

resolvers engine
    nameserver engine 127.0.0.11:53
    accepted_payload_size 8192
    resolve_retries 2
    timeout resolve 2s
    timeout retry 1s
    hold valid 2s
    hold nx 1s
    hold other 1s
    hold obsolete 1s
    hold timeout 20d
    hold refused 20d

defaults
    log global
    load-server-state-from-file global
    balance roundrobin
    option dontlognull
    option redispatch 1
    retries 3
    retry-on conn-failure
    timeout connect 5s
    timeout queue 30s
    default-server init-addr last,{NOWHERE} resolvers engine resolve-prefer ipv4 resolve-opts allow-dup-ip weight {FULL_WEIGHT}
"""
_FRONTENDS = {
    "http": """\
    mode http
    option http-server-close
    option forwardfor
    option http-ignore-probes
    option idle-close-on-response
    timeout client 1h
    timeout http-request 30s
    timeout http-keep-alive 2m
    log-format "%Ts.%ms %b %s %ST %Tr %Ta %ts %rc"
""",
    "tcp": """\
    mode tcp
    option clitcpka
    timeout client 24h
    log-format "%Ts.%ms %b %s 0 %Tt %Tt %ts %rc"
""",
}
_BACKENDS = {
    "http": """\
    mode http
    option http-server-close
    timeout server 1h
    timeout tunnel 24h
""",
    "tcp": """\
    mode tcp
    option srvtcpka
    timeout server 24h
""",
}


def render(entries: Iterable[Entry]) -> str:
    """The whole file; its digest is in it, so that the HAProxy that runs says which one it has."""
    ordered = sorted(entries, key=lambda entry: entry.address)
    text = "\n".join([_COMMON, *map(_route, ordered)])
    return text.replace(_DIGEST, hashlib.sha256(text.encode()).hexdigest(), 1)


def digest_in(text: str) -> str:
    return next(line.split()[1] for line in text.splitlines() if line.startswith("    description "))


def _route(entry: Entry) -> str:
    name = proxy_name(entry.address)
    frontend = f"    bind :{entry.port}\n{_FRONTENDS[entry.protocol]}    default_backend {name}\n"
    backend = _BACKENDS[entry.protocol] + _servers(entry.replicas)
    return f"frontend {name}\n{frontend}\nbackend {name}\n{backend}"


def _servers(replicas: int) -> str:
    lanes: Sequence[str] = [server_name(slot, n) for slot in Slot for n in range(1, replicas + 1)]
    return "".join(f'    server {lane} "${{HOSTNAME}}:1" disabled\n' for lane in lanes)
