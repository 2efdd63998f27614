"""A plan file gives back exactly the plan that went in, or says why not."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.address import agent
from sutazai.errors import PlanFileError
from sutazai.model.backend import LocalBackend
from sutazai.model.fleet import Fleet, ProviderOptions
from sutazai.plan.build import PlanOptions, build_plan
from sutazai.plan.change import Plan
from sutazai.plan.saved import FORMAT, NEWEST, Made, SavedPlan, read, seal, write
from sutazai.state.observed import Reported
from sutazai.views.plan_json import to_json
from sutazai.views.plan_markdown import to_markdown
from sutazai.views.plan_text import render_plain
from unit.plan.test_laws import RELAXED, fleets
from unit.plan.world import applied, fleet_of, images_for
from unit.views.sample import every_action

MADE = Made(at="2026-01-31T12:00:00.000Z", by="ada@host", version="1")


def sealed(plan: Plan, options: PlanOptions | None = None, made: Made = MADE) -> SavedPlan:
    return seal(
        plan, options or PlanOptions(), made=made, provider=ProviderOptions(),
        engine=None, backend=LocalBackend(), state_sha256="ef" * 32
    )  # fmt: skip


def everything_shown(plan: Plan) -> tuple[str, ...]:
    """What people and programs are shown of a plan."""
    return (
        to_json(plan, timestamp="t"),
        to_markdown(plan),
        render_plain(plan),
        render_plain(plan, verbose=True),
    )


@RELAXED
@given(fleets(), fleets())
def test_a_plan_read_back_shows_the_same_and_is_the_same_bytes(before: Fleet, after: Fleet) -> None:
    observed, state = applied(before, also_images=["shop/thing:1", "shop/thing:2"])
    options = PlanOptions(pinned={agent("a"): "sha256:1"}, targets=("network.*",))
    saved = sealed(build_plan(after, observed, state, options), options)
    data = write(saved)
    back = read(data, "plan")
    assert everything_shown(back.plan) == everything_shown(saved.plan)
    assert back.plan.desired == after
    assert back.options == options
    assert write(back) == data


def test_a_plan_with_everything_in_it_comes_back_but_for_its_secrets() -> None:
    data = write(sealed(every_action()))
    assert everything_shown(read(data, "plan").plan) == everything_shown(every_action())
    assert b"old-token" not in data
    assert b"new-token" not in data


def test_a_value_that_a_container_was_given_for_a_secret_is_not_in_the_file() -> None:
    """Docker reports the value of a variable that is declared as a reference."""
    then = fleet_of(
        {"a": {"environment": {"TOKEN": "{{ secret.token }}"}}}, secrets={"token": {"external": True}}
    )
    now = fleet_of(
        {"a": {"environment": {"TOKEN": "{{ secret.other }}"}}}, secrets={"other": {"external": True}}
    )
    observed, state = applied(then)
    (running,) = observed.instances
    body = running.body.model_copy(update={"environment": {**running.body.environment, "TOKEN": "hunter2"}})
    plan = build_plan(
        now,
        replace(observed, instances=(replace(running, reported=Reported.of(body)),)),
        state,
        PlanOptions(),
    )
    assert "hunter2" in repr(plan.changes), "the case is not the one it is meant to be"
    assert b"hunter2" not in write(sealed(plan))


def test_the_digest_names_the_plan_whoever_made_it_and_when() -> None:
    later = Made(at="2027-01-01T00:00:00.000Z", by="bob@other", version="2")
    first, second = sealed(every_action()), sealed(every_action(), made=later)
    assert first.plan_digest == second.plan_digest
    assert first.sha256 != second.sha256
    assert sealed(replace(every_action(), serial=7)).plan_digest != first.plan_digest
    assert sealed(every_action(), PlanOptions(targets=("x",))).plan_digest != first.plan_digest


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for n, item in enumerate(value) for leaf in leaves(item, (*path, n))]
    return [path]


WRITTEN = json.loads(write(sealed(every_action())))


def as_written(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([path for path in leaves(WRITTEN) if path[0] not in ("format", "format_version")]))
def test_altered(path: tuple[str | int, ...]) -> None:
    """Whatever value is changed, the file is refused."""
    document = json.loads(json.dumps(WRITTEN))
    at = document
    for word in path[:-1]:
        at = at[word]
    at[path[-1]] = "tampered" if at[path[-1]] != "tampered" else "with"
    with pytest.raises(PlanFileError, match=r"^plan\.bin was altered or damaged since it was written"):
        read(as_written(document), "plan.bin")


def test_altered_with_its_outer_hash_made_anew() -> None:
    from sutazai.state.scope import digest_of

    document = json.loads(json.dumps(WRITTEN))
    document["plan"]["serial"] = 99
    document["sha256"] = digest_of({key: value for key, value in document.items() if key != "sha256"})
    with pytest.raises(PlanFileError, match="plan_digest does not match"):
        read(as_written(document), "plan.bin")


def refused(data: bytes, source: str = "plan.bin") -> tuple[str, str | None]:
    with pytest.raises(PlanFileError) as caught:
        read(data, source)
    return caught.value.message, caught.value.hint


def resealed(**changes: Any) -> bytes:
    """The file with changes, and a hash that fits them."""
    from sutazai.state.scope import digest_of

    document = {key: value for key, value in (WRITTEN | changes).items() if key != "sha256"}
    return as_written(document | {"sha256": digest_of(document)})


def test_every_refusal_says_why_and_what_to_do() -> None:
    altered = "plan.bin was altered or damaged since it was written: "
    again = "a plan file must never be edited: plan again with sutazai plan -o FILE"
    whole = write(sealed(every_action()))
    assert read(resealed(), "plan.bin") == read(whole, "plan.bin")
    assert refused(whole.replace(b"ada@host", b"bob@host")) == (
        f"{altered}its sha256 does not match what it holds",
        again,
    )
    assert refused(resealed(plan_digest="x")) == (f"{altered}its plan_digest does not match its plan", again)
    assert refused(resealed(extra=1)) == (f"{altered}extra: Extra inputs are not permitted", again)
    made = WRITTEN["made"] | {"at": 1}
    assert refused(resealed(made=made)) == (f"{altered}made.at: Input should be a valid string", again)
    hint = "plan files are written by: sutazai plan -o FILE"
    assert refused(b"{}", "x") == ("x is not a plan file", hint)
    shown = f"it is the output of plan --json, which is for programs to read; {hint}"
    assert refused(to_json(every_action(), timestamp="t").encode(), "x") == ("x is not a plan file", shown)


@pytest.mark.parametrize(
    "rewritten",
    [
        json.dumps(WRITTEN, indent=2).encode(),
        as_written(WRITTEN)[:-1],
        as_written(WRITTEN)[:-1] + b"\r\n",
        as_written(WRITTEN).replace(b'"serial": ', b'"serial": 99, "serial": ', 1),
    ],
    ids=["indented", "no newline", "CRLF", "a key twice"],
)
def test_written_anew_by_another_program(rewritten: bytes) -> None:
    """A plan is applied byte for byte as it was reviewed: a reader of JSON may see another of two keys than we do."""
    with pytest.raises(PlanFileError, match="altered or damaged"):
        read(rewritten, "plan.bin")


def test_cut_short() -> None:
    data = write(sealed(every_action()))
    for length in (len(data) // 2, len(data) - 3):
        message, hint = refused(b"  " + data[:length])
        assert message == "plan.bin was altered or damaged since it was written: it is not whole JSON"
        assert "plan again" in (hint or "")


def test_the_file_is_one_line_that_people_can_read() -> None:
    data = write(sealed(every_action(), made=Made(at="t", by="zoë", version="1")))
    assert data.endswith(b"}\n")
    assert data.count(b"\n") == 1
    assert "zoë".encode() in data


def test_newer_format() -> None:
    newer = {"format": FORMAT, "format_version": NEWEST + 1, "made": {"version": "9.9"}, "anything": 1}
    hint = "apply it with the version that wrote it, or plan again with this one"
    for made, by in (
        ({"version": "9.9"}, "9.9"),
        ({}, "a newer version"),
        (["9.9"], "a newer version"),
        (None, "a newer version"),
    ):
        said = f"plan.bin is a plan file of format 2, written by sutazai {by}; this version reads format 1"
        assert refused(json.dumps(newer | {"made": made}).encode()) == (said, hint)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00\xff\xfe", b"[]", b"{}", b'{"format": 3}', b"agents: {}", b"[" * 200_000, b"PK\x03\x04"],
)
def test_not_a_plan_file(data: bytes) -> None:
    with pytest.raises(PlanFileError, match=r"^plan\.bin is not a plan file$"):
        read(data, "plan.bin")


def test_the_json_of_plan_is_not_a_plan_file_and_the_hint_says_so() -> None:
    with pytest.raises(PlanFileError, match="is not a plan file") as error:
        read(to_json(every_action(), timestamp="t").encode(), "plan.json")
    assert "plan --json" in (error.value.hint or "")


def test_a_plan_of_thousands_is_written_and_read_in_seconds() -> None:
    desired = fleet_of(
        {f"a{n}": {"environment": {"N": str(n)}, "networks": ["fleet"]} for n in range(3000)},
        networks={"fleet": {}},
    )
    plan = build_plan(
        desired, replace(applied(fleet_of())[0], images=images_for(desired)), None, PlanOptions()
    )
    assert len(read(write(sealed(plan)), "plan").plan.actions) == 3001
