"""What HAProxy answers, read: `show servers state` (its file format, version 1), `show stat` (CSV) and the lines of its log.

After a reload, workers from before serve what they had: nothing of them can be changed any more, and a client that keeps its
connection to one may send one more request, to any lane that was in use then. So such a connection counts for all of these.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sutazai.address import Address
from sutazai.state.traffic import (
    Counted,
    Counters,
    Endpoint,
    LaneKey,
    LaneState,
    Mode,
    Request,
    RouteCounters,
)
from sutazai.traffic.haproxy.commands import SECTION
from sutazai.traffic.haproxy.names import address_of, lane_of

_FORCED_MAINT, _FORCED_DRAIN = 0x01, 0x08  # srv_admin_state
_RUNNING = "2"  # srv_op_state

Lanes = dict[Address, dict[LaneKey, LaneState]]
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one container says: the lanes of the worker that takes the traffic, its counters, and what is left in older ones."""

    epoch: str
    lanes: Lanes
    routes: Mapping[Address, RouteCounters]


def reading_of(text: str) -> Reading:
    """Of the answer to `commands.READ`. Raises ValueError when it is not whole."""
    sections = list(_sections(text))
    named = {head.partition(" ")[0]: head.partition(" ")[2] for head, _ in sections}
    worker = next((body for head, body in sections if head == "worker"), None)
    if worker is None or "epoch" not in named:
        raise ValueError(f"HAProxy's answer is not understood: {text[:200]!r}")
    rows, own = list(_rows(worker)), named["self"]
    lanes = _with_connections(_lanes(worker, own), _sessions(rows))
    for head, body in sections:
        if head.startswith("old "):
            lanes = _with_connections(lanes, _left_in(body, own))
    return Reading(named["epoch"], lanes, _routes(rows))


def merged_lanes(readings: Iterable[Reading]) -> Lanes:
    """Several containers carry the same: what is said is the first one's, connections are all of them."""
    first, *others = readings
    merged = first.lanes
    for other in others:
        counts = {(a, k): lane.connections for a, lanes in other.lanes.items() for k, lane in lanes.items()}
        merged = _with_connections(merged, counts)
    return merged


def merged_counters(readings: Iterable[Reading]) -> Counted:
    epochs, total = [], dict[Address, RouteCounters]()
    for reading in readings:
        epochs.append(reading.epoch)
        for address, found in reading.routes.items():
            there = total.get(address, RouteCounters({}, 0))
            lanes = {key: there.of([key]) + counters for key, counters in found.lanes.items()}
            total[address] = RouteCounters(lanes, there.own_errors + found.own_errors)
    return Counted(" ".join(epochs), total)


def requests_in(text: str) -> Iterator[Request]:
    """Of lines as `config` has them logged; others are passed over."""
    for line in text.splitlines():
        words = line.split()
        address = address_of(words[1]) if len(words) == 8 else None
        if address is None:
            continue
        began, _, server, status, answered, ended, ending, retries = words
        slot, replica = lane_of(server) or (None, 0)
        at = round(float(began) + max(int(ended), 0) / 1000, 3)  # the log's times are whole milliseconds
        seconds = int(answered) / 1000 if int(answered) >= 0 else None
        yield Request(address, slot, replica, at, int(status), seconds, ending, int(retries.lstrip("+")))


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for part in ("\n" + text).split("\n" + SECTION)[1:]:
        head, _, body = part.partition("\n")
        yield head, body


def _lanes(body: str, own: str) -> Lanes:
    names: list[str] = []
    lanes: Lanes = {}
    for line in body.splitlines():
        words = line.split()
        if line.startswith("# be_id "):
            names = words[1:]
        elif names and len(words) == len(names):
            row = dict(zip(names, words, strict=True))
            address, key = address_of(row["be_name"]), lane_of(row["srv_name"])
            if address and key:
                lanes.setdefault(address, {})[key] = _lane(row, own)
        elif names and not words:
            break  # the end of the table
    return lanes


def _lane(row: Row, own: str) -> LaneState:
    state, host, ip = int(row["srv_admin_state"]), row["srv_fqdn"], row["srv_addr"]
    mode: Mode = "maint" if state & _FORCED_MAINT else "drain" if state & _FORCED_DRAIN else "ready"
    leads = host not in (own, "-")
    endpoint = Endpoint(host, "" if ip == "-" else ip, int(row["srv_port"])) if leads else None
    up = row["srv_op_state"] == _RUNNING and leads and ip != "-"
    return LaneState(mode, int(row["srv_uweight"]), endpoint, 0, up)


def _rows(body: str) -> Iterator[Row]:
    lines = iter(body.splitlines())
    for line in lines:
        if line.startswith("# pxname,"):
            yield from csv.DictReader([line.removeprefix("# "), *_until_blank(lines)])
            return


def _until_blank(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if not line:
            return
        yield line


def _sessions(rows: Iterable[Row]) -> dict[tuple[Address, LaneKey], int]:
    found = {}
    for row in rows:
        address, key = address_of(row["pxname"]), lane_of(row["svname"])
        if address and key:
            found[address, key] = int(row["scur"] or 0)
    return found


def _left_in(body: str, own: str) -> dict[tuple[Address, LaneKey], int]:
    """What an old worker still has for each lane."""
    rows = list(_rows(body))
    clients = {address_of(r["pxname"]): int(r["scur"] or 0) for r in rows if r["svname"] == "FRONTEND"}
    counts = _sessions(rows)
    for address, lanes in _lanes(body, own).items():
        for key, lane in lanes.items():
            if lane.mode == "ready":
                counts[address, key] = max(counts.get((address, key), 0), clients.get(address, 0))
    return counts


def _with_connections(lanes: Lanes, counts: Mapping[tuple[Address, LaneKey], int]) -> Lanes:
    return {
        address: {
            key: replace(lane, connections=lane.connections + counts.get((address, key), 0))
            for key, lane in found.items()
        }
        for address, found in lanes.items()
    }


def _routes(rows: Iterable[Row]) -> dict[Address, RouteCounters]:
    lanes: dict[Address, dict[LaneKey, Counters]] = {}
    answers: dict[Address, int] = {}
    for row in rows:
        address, key = address_of(row["pxname"]), lane_of(row["svname"])
        if address is None:
            continue
        if row["svname"] == "BACKEND":
            answers[address] = _number(row, "hrsp_5xx")
        elif key:
            lanes.setdefault(address, {})[key] = _counters(row)
    return {
        address: RouteCounters(
            found, max(answers.get(address, 0) - sum(c.answers_5xx for c in found.values()), 0)
        )
        for address, found in lanes.items()
    }


def _counters(row: Row) -> Counters:
    return Counters(
        requests=_number(row, "lbtot"),
        answers_5xx=_number(row, "hrsp_5xx"),
        broken_answers=_number(row, "eresp"),
        failed_connections=_number(row, "econ"),
        retries=_number(row, "wretr"),
        redispatches=_number(row, "wredis"),
    )


def _number(row: Row, name: str) -> int:
    return int(row[name] or 0)
