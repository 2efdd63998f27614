"""What is asked of HAProxy's sockets, and the shell around it in its container. All of it is idempotent.

Several commands go in one connection in interactive mode: each is answered by its text and a prompt, and an answer without text
is a success for most.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from sutazai.state.traffic import Mode, Move
from sutazai.traffic.haproxy.config import ADMIN, FILE, FULL_WEIGHT, MASTER, NOWHERE, RING, STATE
from sutazai.traffic.haproxy.names import proxy_name, server_name

PROMPT = "\n> "
SECTION = "#= "
_SELF = "@self"
_SET_AT_RUN_TIME, _DRAIN = 4 + 64, 8
"""srv_admin_state: in maintenance by its configuration, and led elsewhere since; and a lane that gets nothing new."""
_DONE = re.compile(
    r"(IP changed|no need to change|.* changed its FQDN).* by 'stats socket command'", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Command:
    """`talks`: a success is told in words."""

    text: str
    talks: bool = False

    def accepts(self, answer: str) -> bool:
        return not answer or (self.talks and _DONE.match(answer) is not None)


def leading(move: Move) -> tuple[Command, ...]:
    """The commands by which a lane leads where `move` says, before anything is sent there."""
    if move.endpoint is None:
        return ()
    server, endpoint = _server(move), move.endpoint
    return (
        Command(f"set server {server} fqdn {endpoint.host}", talks=True),
        Command(f"set server {server} addr {endpoint.ip} port {endpoint.port}", talks=True),
    )


def changing(moves: Iterable[Move]) -> tuple[Command, ...]:
    """The commands that move the traffic: what gets some comes first, so that there is always somebody to serve. A lane that goes
    out of use leads to the switch itself from then on."""
    rank: dict[Mode, int] = {"ready": 0, "drain": 1, "maint": 2}
    found: list[Command] = []
    for move in sorted(moves, key=lambda move: rank[move.mode]):
        server = _server(move)
        found.append(Command(f"set server {server} weight {move.weight}"))
        found.append(Command(f"set server {server} state {move.mode}"))
        if move.mode == "maint":
            found.append(Command(f"set server {server} fqdn {_SELF}", talks=True))
    return tuple(found)


def saved(moves: Iterable[Move]) -> bytes:
    """Lanes that lead somewhere, as lines of HAProxy's state file: those that it saves of lanes which were told so at run
    time."""
    lines = []
    for move in moves:
        if move.endpoint is not None and move.mode != "maint":
            admin = _SET_AT_RUN_TIME | (_DRAIN if move.mode == "drain" else 0)
            end, lane = move.endpoint, server_name(move.slot, move.replica)
            lines.append(
                f"0 {proxy_name(move.address)} 0 {lane} {end.ip} 2 {admin} {move.weight} {FULL_WEIGHT} "
                f"0 1 0 0 6 0 0 0 {end.host} {end.port} - 0 0 - - 0\n"
            )
    return "".join(lines).encode()


def severing(servers: Iterable[str]) -> tuple[Command, ...]:
    return tuple(Command(f"shutdown sessions server {server}") for server in servers)


def typed(commands: Sequence[Command]) -> bytes:
    return "\n".join(["prompt", *(command.text for command in commands), "quit", ""]).encode()


def refused(commands: Sequence[Command], output: str) -> tuple[tuple[str, str], ...]:
    """The commands that were answered with anything but success, and what they were answered."""
    answers = output.split(PROMPT)[1:-1]
    pairs = zip_longest(commands, answers[: len(commands)])
    return tuple(
        (command.text, "no answer" if answer is None else answer.strip())
        for command, answer in pairs
        if answer is None or not command.accepts(answer.strip())
    )


def has_no_address(refusals: Iterable[tuple[str, str]]) -> bool:
    """Whether all that stands in the way is that HAProxy has no address yet which it could replace: its name server has not
    answered for the lane's name since that was set."""
    words = "Update for the current server address family"
    return all(answer.startswith(words) for _, answer in refusals)


def _server(move: Move) -> str:
    return f"{proxy_name(move.address)}/{server_name(move.slot, move.replica)}"


_ASK = f"""\
ask() {{ socat -t 10 - UNIX-CONNECT:{ADMIN}; }}
master() {{ socat -t 10 - UNIX-CONNECT:{MASTER}; }}
"""
# A lane that was told its name at run time must say so in the file (64), though HAProxy forgets it at a reload; else the next
# reload takes the name from the configuration. What comes after the states tells that they are whole.
_SAVE = f"""\
save() {{
    echo 'show servers state; show env HOSTNAME' | ask | awk -v at="$1" '
        /^HOSTNAME=/ {{ whole = 1; next }}
        NF > 7 && $1 ~ /^[0-9]+$/ {{ if ($7 % 128 < 64) $7 += 64; if (at) $5 = at }}
        NF {{ print }}
        END {{ exit !whole }}' > {STATE}.new && sync {STATE}.new && mv {STATE}.new {STATE}
}}
keep() {{ save {NOWHERE}; }}
"""
"""`save` is for a reload, which goes on with the addresses that there are. `keep` is for a start, before which the engine may
have given them to others: who has them then is for the name server to say."""
_ADDRESSES = """\
addresses() {
    xargs -r getent ahosts | awk '$3 { name = $3 } $2 == "STREAM" { printf "%s=%s ", name, $1 }'
}
"""
LEAD = (
    _ASK
    + _ADDRESSES
    + """\
known=" $(for pair in "$@"; do echo "${pair%=*}"; done | addresses)"
for pair in "$@"; do
    case "$known" in *" $pair "*) ;; *) unknown="$unknown ${pair%=*}" ;; esac
done
if [ -n "$unknown" ]; then
    echo "its networks do not know$unknown" >&2
    exit 1
fi
ask
"""
)
"""Tells where lanes lead, unless the name of one (the arguments are `name=ip`) leads elsewhere or nowhere: HAProxy would find out
when the traffic has moved."""

TELL_AND_SAVE = _ASK + _SAVE + f'sed "s/{_SELF}$/$HOSTNAME/" | ask && keep\n'

_OLD = "awk '/^#/ { old = /old workers/ } old && /^[0-9]/ { print $1 }'"
READ = (
    _ASK
    + f"""\
show='show servers state; show stat'
pid=$(echo 'show info' | ask | sed -n 's/^Pid: //p') && [ -n "$pid" ] || exit 1
echo "{SECTION}self $HOSTNAME"
echo "{SECTION}epoch $pid-$(cut -d' ' -f22 /proc/$pid/stat)"
echo "{SECTION}worker"
echo "$show" | ask || exit 1
for old in $(echo 'show proc' | master | {_OLD}); do
    echo "{SECTION}old $old"
    echo "@!$old show servers state; @!$old show stat" | master
done
"""
)
_OF_SERVERS = """awk -v wanted=" $* " '
        { id = $1; sub(":$", "", id); backend = server = "" }
        { for (n = 2; n <= NF; n++) {
            if ($n ~ /^be=/) backend = substr($n, 4)
            if ($n ~ /^srv=/) server = substr($n, 5)
        } }
        index(wanted, " " backend "/" server " ") { print id }'"""
SEVER = (
    _ASK
    + f"""\
ask
for old in $(echo 'show proc' | master | {_OLD}); do
    for session in $(echo "@!$old show sess" | master | {_OF_SERVERS}); do
        echo "@!$old shutdown session $session" | master
    done
done
"""
)
"""Says what is to be severed, and does it as well in workers from before a reload, which take no such word for a server (the
arguments)."""

CHECK = (
    _ASK
    + f"""\
cat > {FILE}.new || exit 1
if cmp -s {FILE}.new {FILE} && echo 'show info' | ask | grep -q "^description: $1\\$"; then
    rm {FILE}.new
    echo same
    exit 0
fi
[ -e {STATE} ] || echo 1 > {STATE}
haproxy -c -f {FILE}.new
"""
)
"""Takes the file in and checks it; `same` when it is in use already. Its digest is the argument."""

USE = (
    _ASK
    + _SAVE
    + _ADDRESSES
    + f"""\
cat > {STATE}.told
known=" $(awk '{{ print $18 }}' {STATE}.told | addresses)"
failed() {{ echo 'show proc' | master 2> /dev/null | sed -n 's/.*failed: \\([0-9]*\\).*/\\1/p'; }}
before=$(failed)
save && awk -v known="$known" 'NR == FNR {{ there[$2, $4]; print; next }}
    !(($2, $4) in there) && index(known, " " $18 "=" $5 " ")' {STATE} {STATE}.told > {STATE}.new &&
    sync {STATE}.new && mv {STATE}.new {STATE} && rm {STATE}.told || exit 1
cp -f {FILE} {FILE}.old && mv -f {FILE}.new {FILE} && kill -USR2 1 || exit 1
tries=0
until echo 'show info' | ask 2> /dev/null | grep -q "^description: $1\\$"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || [ "$(failed)" -gt "${{before:-0}}" ] 2> /dev/null; then
        mv -f {FILE}.old {FILE}
        keep
        exit 1
    fi
    sleep 0.05
done
rm -f {FILE}.old
keep
"""
)
"""Puts the file that was checked into use and waits until it is. What ran before goes on running when that fails. Its input is
what new lanes are to be, lines of the state file: it counts where the network knows the name by that address."""

ENDED = (
    _ASK
    + f"""\
echo 'show events {RING}' | ask | awk -v since="$1" '
    NF == 8 && int($1 * 1000 + ($6 > 0 ? $6 : 0) + 0.5) > since + 0 {{ print }}'
"""
)
"""The requests that ended after the argument, in whole milliseconds since the epoch: fractions of seconds are not exact."""
