"""Reading and writing serials: what goes in comes out, and nothing damaged gets in."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.address import Address, Kind
from sutazai.errors import StateError
from sutazai.model.fleet import Fleet
from sutazai.model.workload import declared
from sutazai.state import formats
from sutazai.state.scope import digest_of
from sutazai.state.v2 import JudgementRecord, Released, ResourceRecord, State, VerdictRecord
from unit.state.samples import a_state, planner, states

GOLDEN = Path(__file__).parents[2] / "golden" / "state"


def chain(length: int) -> list[State]:
    row: list[State] = []
    for serial in range(1, length + 1):
        row.append(formats.seal(a_state(serial), row[-1].sha256 if row else None))
    return row


def resealed(state: State, **changes: object) -> bytes:
    """A document with changes, and a hash that fits them."""
    document = json.loads(formats.write(state)) | changes
    del document["sha256"]
    return json.dumps(document | {"sha256": digest_of(document)}).encode()


@given(states())
@settings(max_examples=150, deadline=None)
def test_a_state_comes_back_as_it_was_with_what_was_declared(state: State) -> None:
    sealed = formats.seal(state, None)
    data = formats.write(sealed)
    back = formats.read(data, "it")
    assert back == sealed
    assert [type(record.applied) for record in back.resources] == [type(r.applied) for r in sealed.resources]
    assert declared(back.desired) == declared(sealed.desired)
    assert formats.write(back) == data


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_byte_is_found_or_means_nothing(data: st.DataObject) -> None:
    sealed = formats.seal(a_state(), None)
    whole = formats.write(sealed)
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    try:
        back = formats.read(broken, "it")
    except StateError as error:
        said = error.message
    else:
        assert back == sealed
        return
    assert "it is damaged" in said


@pytest.mark.parametrize("cut", [0, 1, 100, -2])
def test_a_truncated_file_is_damaged(cut: int) -> None:
    with pytest.raises(StateError, match="it is damaged: it is not whole JSON"):
        formats.read(formats.write(formats.seal(a_state(), None))[:cut], "it")


@pytest.mark.parametrize(
    "data", [b"[]", b"1", b"null", b"{}", b"[" * 100_000, b"\xff\xfe", b'{"a": "\\ud800"}']
)
def test_what_is_no_serial_is_damaged(data: bytes) -> None:
    with pytest.raises(StateError, match="it is damaged"):
        formats.read(data, "it")


def test_every_format_is_read_as_the_newest_one() -> None:
    for version in range(1, formats.NEWEST + 1):
        before, after = GOLDEN / f"v{version}.json", GOLDEN / f"v{version}.upgraded.json"
        state = formats.read(before.read_bytes(), before.name)
        assert formats.write(formats.seal(state, state.previous_sha256)) == after.read_bytes()
    assert set(formats.UPGRADES) == set(range(1, formats.NEWEST))


def test_the_newest_format_is_written_as_it_always_was() -> None:
    written = formats.write(formats.seal(everything(), None))
    assert written == (GOLDEN / f"v{formats.NEWEST}.json").read_bytes()


def everything() -> State:
    """What each format had to say that the one before had not."""
    first = a_state(why="first")
    planner = first.resources[2]
    imported = planner.model_copy(
        update={
            "imported": True,
            "instances": tuple(row.model_copy(update={"adopted": True}) for row in planner.instances),
        }
    )
    released = Released(address=Address.parse("agent.writer"), id="2f" * 32, name="shop-local-writer-blue")
    return first.model_copy(update={"resources": (*first.resources[:2], imported), "released": (released,)})


def test_verdicts_are_written_where_there_are_some() -> None:
    errors = JudgementRecord(
        metric="errors", outcome="fail", text="errors 20.0 %", figures={"rate": 0.2, "p": 1e-12}
    )
    time = JudgementRecord(metric="time", outcome="inconclusive", text="1s of at least 30s")
    verdict = VerdictRecord(
        address=Address.parse("agent.writer"), analysis="errors", outcome="fail", judgements=(errors, time)
    )
    state = a_state()
    assert b"verdicts" not in formats.write(formats.seal(state, None))
    operation = state.operation.model_copy(update={"verdicts": (verdict,)})
    judged = formats.seal(state.model_copy(update={"operation": operation}), None)
    back = formats.read(formats.write(judged), "it")
    assert back == judged
    assert back.operation.verdicts[0].because == "errors 20.0 %"


def test_serials_of_an_older_format_keep_their_hash_and_their_place_in_the_chain() -> None:
    old = formats.read((GOLDEN / "v1.json").read_bytes(), "v1.json")
    assert old.sha256 == json.loads((GOLDEN / "v1.json").read_bytes())["sha256"]
    new = formats.seal(a_state(2), old.sha256)
    assert formats.verify_chain([old, new]) == ()
    edited = (GOLDEN / "v1.json").read_bytes().replace(b'"first"', b'"other"')
    with pytest.raises(StateError, match="sha256 does not match"):
        formats.read(edited, "v1.json")


def test_a_hash_holds_however_its_file_is_spelt() -> None:
    """Keys in another order, escapes where letters would do, numbers that others write in another way."""
    state = a_state().model_copy(
        update={"operation": a_state().operation.model_copy(update={"seconds": 1e22, "who": "Zoë"})}
    )
    sealed = formats.seal(state, None)
    document = json.loads(formats.write(sealed))
    turned = dict(reversed(document.items()))
    for data in (json.dumps(document), json.dumps(turned), json.dumps(turned, ensure_ascii=False, indent=1)):
        assert formats.read(data.encode(), "it") == sealed
    with pytest.raises(StateError, match="sha256 does not match"):
        formats.read(json.dumps(turned).replace('"Zo\\u00eb"', '"Zoe"').encode(), "it")


def test_a_newer_format_is_refused_with_what_to_use() -> None:
    data = resealed(formats.seal(a_state(), None), format_version=formats.NEWEST + 1, sutazai_version="9.1")
    with pytest.raises(StateError, match=rf"format {formats.NEWEST + 1}, written by sutazai 9\.1") as caught:
        formats.read(data, "it")
    assert caught.value.hint == "use sutazai 9.1 or newer"


def test_a_body_that_is_known_already_stands_for_the_recorded_one() -> None:
    """One that says something else does not."""
    sealed = formats.seal(a_state(), None)
    data = formats.write(sealed)
    same, other = planner(), planner().model_copy(update={"image": "other"})
    for agents, shared in (({"planner": same}, True), ({"planner": other}, False), ({"writer": same}, False)):
        like = sealed.desired.model_copy(update={"agents": agents})
        read = formats.read(data, "it", like)
        assert read == sealed
        assert (read.desired.agents["planner"] is same) == shared
        assert formats.write(read) == data
    services = Fleet(project="shop", environment="local", services={"planner": same})
    as_service = formats.seal(a_state().model_copy(update={"desired": services}), None)
    assert formats.read(formats.write(as_service), "it", services).desired.services["planner"] is same
    assert formats.read(data, "it", services) == sealed


def test_damage_says_what_to_do() -> None:
    with pytest.raises(StateError) as caught:
        formats.read(b"[]", "7.json")
    assert caught.value.message == "7.json is damaged: it is not a JSON object"
    assert caught.value.hint == "restore this file from a copy; it must never be edited"
    with pytest.raises(StateError, match=r"^7\.json is damaged: its sha256 does not match what it holds$"):
        formats.read(formats.write(formats.seal(a_state(), None)).replace(b"ada@host", b"bob@host"), "7.json")
    operation = a_state().operation.model_dump(mode="json") | {"outcome": "odd"}
    odd = resealed(formats.seal(a_state(), None), operation=operation)
    with pytest.raises(StateError, match=r"operation\.outcome: Input should be 'done'"):
        formats.read(odd, "it")


def test_an_edited_state_is_read_and_said_to_be_edited() -> None:
    sealed = formats.seal(a_state(), None)
    data = formats.write(sealed)
    assert formats.read_edited(data, "it") == (sealed, True)
    edited, as_written = formats.read_edited(data.replace(b"ada@host", b"bob@host"), "it")
    assert (edited.operation.who, as_written) == ("bob@host", False)
    with pytest.raises(StateError, match=r"^it is not a state: it is not a JSON object$"):
        formats.read_edited(b"[]", "it")
    for cut in (data[:-5], b"[" * 100_000):
        with pytest.raises(StateError, match=r"^it is not a state: it is not whole JSON \("):
            formats.read_edited(cut, "it")


@pytest.mark.parametrize("version", [None, True, 0, -1, "1", 1.0])
def test_a_version_that_is_none_is_damage(version: object) -> None:
    with pytest.raises(StateError, match="format_version"):
        formats.read(resealed(formats.seal(a_state(), None), format_version=version), "it")


def test_a_hash_that_fits_does_not_let_unknown_keys_in() -> None:
    with pytest.raises(StateError, match="extra: Extra inputs"):
        formats.read(resealed(formats.seal(a_state(), None), extra=1), "it")


def test_a_serial_is_text_that_people_can_read() -> None:
    data = formats.write(formats.seal(a_state(why="größer"), None))
    assert data.startswith(b'{\n  "desired": {\n')
    assert data.endswith(b"\n}\n")
    assert '"why": "größer"'.encode() in data


def test_what_json_cannot_hold_is_not_written() -> None:
    state = a_state().model_copy(
        update={"operation": a_state().operation.model_copy(update={"seconds": float("nan")})}
    )
    with pytest.raises(StateError, match="JSON can't"):
        formats.write(state)


@pytest.mark.parametrize("kind", list(Kind))
def test_an_empty_body_has_the_type_of_its_address(kind: Kind) -> None:
    if kind is Kind.CONFIG:
        record = ResourceRecord.model_validate({"address": "config.x", "applied": {"content": ""}})
    else:
        record = ResourceRecord.model_validate({"address": str(Address(kind, "x")), "applied": {}})
    expected = "Workload" if kind.is_workload else kind.value.capitalize()
    assert type(record.applied).__name__ == expected


def test_a_whole_chain_has_no_problems() -> None:
    assert formats.verify_chain([]) == ()
    assert formats.verify_chain(chain(4)) == ()
    assert formats.verify_chain(chain(4)[2:]) == ()


def test_every_break_of_a_chain_is_named() -> None:
    one, two, three, four = chain(4)
    assert formats.verify_chain([one, three, four]) == ("after serial 1 comes 3",)
    forged = formats.seal(two.model_copy(update={"spec_digest": "other"}), one.sha256)
    assert formats.verify_chain([one, forged, three]) == ("serial 3 was not written after this serial 2",)
    stranger = formats.seal(three.model_copy(update={"lineage": "x"}), two.sha256)
    assert formats.verify_chain([one, two, stranger]) == (f"serial 3 has lineage x, not {one.lineage}",)
    assert formats.verify_chain([formats.seal(one, "ab")]) == ("serial 1 names a serial before it",)


def test_an_edited_file_with_half_a_character_is_no_state() -> None:
    document = json.loads(resealed(formats.seal(a_state(), None)))
    document["project"] = "\ud800"
    with pytest.raises(StateError, match="file is not a state: it is not whole JSON"):
        formats.read_edited(json.dumps(document).encode(), "file")
