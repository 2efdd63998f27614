"""The serials: `history` and `show SERIAL`."""

import json
from collections.abc import Iterable, Iterator

from sutazai.state.v2 import Operation, State, VerdictRecord
from sutazai.views.run_words import span
from sutazai.views.tables import pairs, table
from sutazai.views.text import EMPTY, Console, Line, Style, line, plain

_OUTCOMES: dict[str, Style] = {
    "done": "green",
    "failed": "bold red",
    "interrupted": "yellow",
    "partial": "yellow",
}
_OUTCOME_COLUMN = 5


def render(states: Iterable[State], console: Console) -> None:
    """Print the serials, the newest first."""
    console.print(history_lines(states, width=console.table_width))


def render_plain(states: Iterable[State], *, width: int = 100) -> str:
    return plain(history_lines(states, width=width))


def history_lines(states: Iterable[State], *, width: int = 100) -> Iterator[Line]:
    newest_first = sorted(states, key=lambda state: -state.serial)
    if not newest_first:
        yield line("Nothing was ever applied.")
        return
    header = ("SERIAL", "WHEN", "WHO", "COMMAND", "CHANGES", "OUTCOME", "TOOK", "WHY")
    rows = [
        (
            str(state.serial),
            when(state.operation.started),
            state.operation.who,
            _command(state.operation),
            counts(state.operation),
            state.operation.outcome,
            span(state.operation.seconds),
            state.operation.why,
        )
        for state in newest_first
    ]
    yield from table(
        header,
        rows,
        width,
        right=frozenset({0}),
        style=lambda n, text: _OUTCOMES.get(text, "") if n == _OUTCOME_COLUMN else "",
    )


def history_json(states: Iterable[State]) -> str:
    rows = [
        {
            "serial": state.serial,
            "sha256": state.sha256,
            "spec_digest": state.spec_digest,
            **state.operation.model_dump(mode="json"),
        }
        for state in sorted(states, key=lambda state: -state.serial)
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def when(started: str) -> str:
    """An ISO time to the second, as it is recorded (UTC)."""
    return started[:19].replace("T", " ")


def counts(operation: Operation) -> str:
    """`+3 ~1 -/+2 -1`, with what is nothing left out."""
    parts = (
        ("+", operation.added),
        ("~", operation.changed),
        ("-/+", operation.replaced),
        ("-", operation.destroyed),
    )
    return " ".join(f"{symbol}{count}" for symbol, count in parts if count) or "none"


def _command(operation: Operation) -> str:
    back = f" to {operation.of_serial}" if operation.of_serial is not None else ""
    return f"{operation.command}{back}"


def _verdict_words(verdict: VerdictRecord) -> str:
    return f"{verdict.address}: {verdict.outcome}: {verdict.because}"


def render_serial(state: State, console: Console) -> None:
    """Print one serial: who made it and how it went, then its resources."""
    console.print(serial_lines(state, width=console.width))


def serial_lines(state: State, *, width: int = 100) -> Iterator[Line]:
    done = state.operation
    facts = [
        ("serial", str(state.serial)),
        ("environment", f"{state.project}, {state.environment}"),
        ("made", f"{when(done.started)} UTC by {done.who}, in {span(done.seconds)}"),
        ("command", _command(done)),
        ("outcome", f"{done.outcome} ({counts(done)})"),
    ]
    facts += [
        (name, value)
        for name, value in (
            ("why", done.why),
            ("approved by", done.approved_by),
            ("plan digest", done.plan_digest),
            *((f"analysis {one.analysis}", _verdict_words(one)) for one in done.verdicts),
            ("error", done.error),
            ("lineage", state.lineage),
            ("specs", state.spec_digest[:16]),
            ("sha256", state.sha256[:16]),
        )
        if value
    ]
    yield from pairs(facts)
    yield EMPTY
    rows = []
    for record in state.resources:
        made = record.instances
        tainted = "tainted" if record.tainted else ""
        rows.append(
            (
                str(record.address),
                record.slot or "",
                str(len(made)) if made else "",
                made[0].image if made else record.object_id or "",
                (made[0].image_id if made else "")[:19],
                tainted,
            )
        )
    yield from table(
        ("RESOURCE", "SLOT", "INSTANCES", "IMAGE", "IMAGE ID", ""),
        rows,
        width,
        right=frozenset({2}),
        names=frozenset({0}),
        style=lambda _column, text: "bold red" if text == "tainted" else "",
    )


def serial_json(state: State) -> str:
    """The serial as it is recorded; it holds no secret's value."""
    return json.dumps(state.model_dump(mode="json"), indent=2, ensure_ascii=False)
