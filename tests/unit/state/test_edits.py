"""What is recorded, changed alone: what the next serial holds, and what is refused and why."""

import pytest

from sutazai.address import Address, Kind, agent, network, service, volume
from sutazai.errors import Refused
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.state import edits
from sutazai.state.scope import Slot
from sutazai.state.v2 import InstanceRecord, Released, ResourceRecord, State
from unit.state.samples import a_state

PLANNER, WRITER = agent("planner"), agent("writer")


def row(name: str, **changes: object) -> InstanceRecord:
    fields = {"id": f"id-{name}", "name": name, "slot": Slot.BLUE, "replica": 1, "image": "i", "image_id": "sha256:1", "spec_hash": "h"}  # fmt: skip
    return InstanceRecord.model_validate(fields | changes)


def desired(**tables: object) -> Fleet:
    return Fleet.model_validate({"project": "shop", "environment": "local", **tables})


def state(fleet: Fleet, *records: ResourceRecord, **changes: object) -> State:
    return a_state().model_copy(update={"desired": fleet, "resources": records, **changes})


def recorded(address: Address, *rows: InstanceRecord, **changes: object) -> ResourceRecord:
    return ResourceRecord.model_validate({"address": address, "instances": rows, **changes})


@pytest.mark.parametrize("there", [None, a_state()])
def test_what_the_state_does_not_know_is_refused(there: State | None) -> None:
    with pytest.raises(Refused) as caught:
        edits.known(there, WRITER)
    assert (caught.value.message, caught.value.hint) == (
        "the state does not know agent.writer",
        "see sutazai state list",
    )
    assert edits.known(a_state(), PLANNER) == a_state().resources[2]


# Moving


def test_a_move_takes_along_the_record_the_body_and_those_who_depend_on_it() -> None:
    body = {"image": "i", "user": "1"}
    fleet = desired(
        agents={"a": body, "b": {"depends_on": {"a": {"condition": "service_started"}, "c": {}}}, "c": {}},
        services={"s": {"depends_on": ["agent.a"]}, "t": {"depends_on": ["u"]}, "u": {}},
    )
    before = state(
        fleet, recorded(network("n")), recorded(agent("a"), row("one"), tainted=True), recorded(agent("c"))
    )
    after = edits.moved(before, agent("a"), service("z"))
    assert [record.address for record in after.resources] == [network("n"), service("z"), agent("c")]
    assert after.record(service("z")) == recorded(service("z"), row("one"), tainted=True)
    assert after.desired.services["z"] == Workload.model_validate(body)
    assert (set(after.desired.agents), set(after.desired.services)) == ({"b", "c"}, {"s", "t", "u", "z"})
    assert {name: d.condition for name, d in after.desired.agents["b"].depends_on.items()} == {
        "service.z": "service_started",
        "c": None,
    }
    assert list(after.desired.services["s"].depends_on) == ["service.z"]
    assert after.desired.services["t"] == fleet.services["t"]
    assert (after.serial, after.operation) == (before.serial, before.operation)


def test_who_shares_a_namespace_or_is_replaced_with_what_is_moved_names_it_anew() -> None:
    """A name that is gone could not be joined again: who goes back to this serial would get no container."""
    sharing = {"network_mode": "service:a", "pid": "service:a", "ipc": "service:c"}
    triggered = {
        "lifecycle": {"replace_triggered_by": ["agent.a", "network.a", "c"], "prevent_destroy": True}
    }
    fleet = desired(agents={"a": {}, "b": sharing, "c": {}, "d": triggered, "e": {"network_mode": "host"}})
    earlier = Workload.model_validate({"network_mode": "service:a"})
    before = state(fleet, recorded(agent("a")), recorded(agent("b"), applied=earlier))
    after = edits.moved(before, agent("a"), service("z"))
    assert after.desired.agents["b"] == Workload.model_validate(
        {"network_mode": "service:z", "pid": "service:z", "ipc": "service:c"}
    )
    assert after.desired.agents["d"].lifecycle.replace_triggered_by == ("service.z", "network.a", "c")
    assert after.desired.agents["d"].lifecycle.prevent_destroy
    assert after.desired.agents["e"] is fleet.agents["e"]
    record = after.record(agent("b"))
    assert record is not None
    assert record.applied == Workload.model_validate({"network_mode": "service:z"})


def test_a_name_that_means_another_after_a_move_is_written_whole() -> None:
    body = {"depends_on": ["x", "a"], "network_mode": "service:x"}
    fleet = desired(agents={"a": {}, "b": body}, services={"x": {}})
    after = edits.moved(state(fleet, recorded(agent("a"))), agent("a"), agent("x")).desired.agents["b"]
    assert (list(after.depends_on), after.network_mode) == (["service.x", "agent.x"], "service:service.x")


def test_what_is_recorded_but_no_longer_desired_can_be_moved_too() -> None:
    before = state(desired(agents={"b": {}}), recorded(agent("a"), row("one")))
    after = edits.moved(before, agent("a"), agent("z"))
    assert after.desired == before.desired
    assert [record.address for record in after.resources] == [agent("z")]


@pytest.mark.parametrize(
    ("source", "target", "hint"),
    [
        (network("fleet"), agent("x"), None),
        (PLANNER, volume("x"), None),
        (agent("a"), network("x"), None),
        (
            volume("data"),
            volume("x"),
            "state rm volume.data, and declare x: {external: true, name: shop-local-data}",
        ),
        (
            network("named"),
            network("x"),
            "state rm network.named, and declare x: {external: true, name: own}",
        ),
    ],
)
def test_only_workloads_are_moved(source: Address, target: Address, hint: str | None) -> None:
    """It says how a network or volume is used under another key."""
    fleet = desired(networks={"fleet": {}, "named": {"name": "own"}}, volumes={"data": {}})
    before = state(
        fleet, *(recorded(address) for address in (network("fleet"), network("named"), volume("data")))
    )
    with pytest.raises(Refused) as caught:
        edits.moved(before, source, target)
    assert caught.value.message == f"{source} can't become {target}: only agents and services can be renamed"
    assert caught.value.hint == (f"to use it as x all the same: {hint}" if hint else None)


def test_a_move_does_not_overwrite_what_is_recorded() -> None:
    before = state(desired(agents={"a": {}}), recorded(agent("a")), recorded(agent("b")))
    with pytest.raises(Refused) as caught:
        edits.moved(before, agent("a"), agent("b"))
    assert (caught.value.message, caught.value.hint) == (
        "the state knows agent.b already",
        "see sutazai state list",
    )
    with pytest.raises(Refused, match=r"the state does not know agent\.c"):
        edits.moved(before, agent("c"), agent("z"))


@pytest.mark.parametrize("still_desired", [True, False])
def test_a_move_to_what_is_desired_and_was_never_reached_leaves_that_as_it_is(still_desired: bool) -> None:
    """The specs name it so already, and the run that first knew of it was of a selection, or failed."""
    old, new = Workload.model_validate({"user": "1"}), Workload.model_validate({"user": "2"})
    there = {"a": old} if still_desired else {}
    fleet = desired(agents={**there, "b": new, "c": {"network_mode": "service:b"}})
    sharing = Workload.model_validate({"network_mode": "service:a"})
    before = state(
        fleet,
        recorded(agent("a"), row("one"), applied=None if still_desired else old),
        recorded(agent("c"), applied=sharing),
    )
    after = edits.moved(before, agent("a"), agent("b"))
    assert after.desired == desired(agents={"b": new, "c": {"network_mode": "service:b"}})
    assert after.record(agent("b")) == recorded(agent("b"), row("one"), applied=old)
    assert after.applied(agent("c")) == Workload.model_validate({"network_mode": "service:b"})
    guest = state(fleet, recorded(agent("a"), row("one"), imported=True))
    assert edits.moved(guest, agent("a"), agent("b")).applied(agent("b")) is None


@pytest.mark.parametrize("name", ["uno ", "-x", "a b", "é", "x\n", "x" * 64, "\udcff"])
def test_nothing_is_moved_to_what_is_not_a_name(name: str) -> None:
    before = state(desired(agents={"a": {}}), recorded(agent("a")))
    with pytest.raises(Refused) as caught:
        edits.moved(before, agent("a"), agent(name))
    assert caught.value.message == f"{name!r} is not a name"
    assert set(edits.moved(before, agent("a"), agent("x" * 63)).desired.agents) == {"x" * 63}


# Forgetting


def test_what_is_forgotten_is_let_go_of_but_for_what_others_made() -> None:
    fleet = desired(agents={"a": {}, "b": {}}, networks={"n": {}, "m": {}})
    before = state(
        fleet,
        recorded(network("n"), object_id="id-n"),
        recorded(agent("a"), row("one"), row("theirs", adopted=True)),
        recorded(agent("b"), row("two")),
    )
    after = edits.forgotten(before, agent("a"), "unused")
    assert after.released == (Released(address=agent("a"), id="id-one", name="one"),)
    assert [record.address for record in after.resources] == [network("n"), agent("b")]
    assert set(after.desired.agents) == {"b"}
    assert set(after.desired.networks) == {"n", "m"}
    last = edits.forgotten(after, network("n"), "shop-local-n")
    assert last.released[1:] == (Released(address=network("n"), id="id-n", name="shop-local-n"),)
    assert set(last.desired.networks) == {"m"}
    with pytest.raises(Refused, match=r"does not know agent\.a"):
        edits.forgotten(after, agent("a"), "unused")


def test_what_was_let_go_already_is_not_let_go_twice() -> None:
    once = Released(address=agent("x"), id="id-one", name="as it was")
    before = state(desired(), recorded(agent("a"), row("one"), row("two")), released=(once,))
    assert [one.id for one in edits.forgotten(before, agent("a"), "").released] == ["id-one", "id-two"]
    assert edits.forgotten(before, agent("a"), "").released[0] is once


# Taking over


def test_what_is_taken_over_brings_what_it_needs_and_no_more() -> None:
    body = {
        "networks": ["n", "there"],
        "volumes": ["v:/v", "/etc:/etc"],
        "configs": ["c"],
        "secrets": ["s"],
    }
    tables = {
        "networks": {"n": {"internal": True}, "there": {"internal": True}, "other": {}},
        "volumes": {"v": {"driver": "x"}, "other": {}},
        "configs": {"c": {"content": "new"}, "other": {"content": ""}},
        "secrets": {"s": {"version": 2}, "other": {}},
    }
    wanted = desired(agents={"a": body, "not": {}}, **tables)
    here = desired(networks={"there": {}, "old": {}}, agents={"b": {}})
    let_go = [Released(address=agent("x"), id=f"id-{name}", name=name) for name in ("one", "other")]
    stale = recorded(agent("a"), row("stale"))
    before = state(here, recorded(agent("b")), stale, released=tuple(let_go))
    record = recorded(agent("a"), row("one", adopted=True), imported=True)
    after = edits.taken_over(before, wanted, record)
    assert after.resources == (record, recorded(agent("b")))
    assert after.released == (let_go[1],)
    assert after.desired == desired(
        networks={"n": {"internal": True}, "there": {}, "old": {}},
        volumes={"v": {"driver": "x"}},
        configs={"c": {"content": "new"}},
        secrets={"s": {"version": 2}},
        agents={"a": body, "b": {}},
    )


def test_what_is_not_declared_is_not_taken_over() -> None:
    with pytest.raises(ValueError, match=r"^agent\.writer is not declared$"):
        edits.taken_over(a_state(), desired(), recorded(WRITER))


def test_what_is_recorded_again_is_no_longer_released() -> None:
    released = [Released(address=agent("x"), id=name, name=name) for name in ("id-one", "net", "left")]
    records = [recorded(agent("a"), row("one")), recorded(network("n"), object_id="net"), recorded(volume("v"))]  # fmt: skip
    assert edits.still_released(released, records) == (released[2],)


# Pushing


def test_the_first_push_is_taken_as_it_is() -> None:
    assert edits.pushed(a_state(7), None, force=False) == a_state(7)


def test_a_push_follows_terraforms_rules() -> None:
    newest = a_state(5)
    assert edits.pushed(a_state(6), newest, force=False) == a_state(6)
    for serial in (5, 4):
        with pytest.raises(Refused) as caught:
            edits.pushed(a_state(serial), newest, force=False)
        assert caught.value.message == f"the file is serial {serial}, the state is at 5 already"
        assert caught.value.hint == (
            "pull again, and raise `serial` above it when you edit; --force overrules this"
        )
        assert edits.pushed(a_state(serial), newest, force=True) == a_state(serial)
    with pytest.raises(Refused) as caught:
        edits.pushed(a_state(6, lineage="x"), newest, force=False)
    assert caught.value.message == (
        f"the file has lineage x, the state {newest.lineage}: they are not of one history"
    )
    assert caught.value.hint == "--force takes over what the file records all the same"
    assert edits.pushed(a_state(3, lineage="x"), newest, force=True) == a_state(3)


def test_leaving_out_addresses_leaves_the_rest() -> None:
    fleet = desired(agents={"a": {}, "b": {}, "x": {}}, services={"a": {}}, networks={"a": {}})
    left = edits.without(fleet, [agent("a"), agent("x"), network("a"), Address(Kind.CONFIG, "none")])
    assert left == desired(agents={"b": {}}, services={"a": {}}, networks={}, configs={})


def test_a_file_that_says_two_things_of_one_is_not_pushed() -> None:
    """Which of them counts would be left to chance, and a container that serves one be destroyed for the other."""
    one, two, three = row("one"), row("two"), row("three")
    given = state(
        desired(agents={"a": {}, "b": {}, "c": {}}),
        recorded(agent("a"), one),
        recorded(agent("b"), one, two, two),
        recorded(agent("a")),
        recorded(agent("c"), three),
        released=(Released(address=agent("c"), id="id-three", name="three"),),
    )
    for newest in (None, given):
        with pytest.raises(Refused) as caught:
            edits.pushed(given, newest, force=True)
        assert caught.value.message.splitlines() == [
            "the file contradicts itself:",
            "  - agent.a is there 2 times",
            "  - container id-one is of agent.a and of agent.b",
            "  - container id-two is of agent.b and of agent.b",
            "  - container id-three is of agent.c and of what was let go of",
        ]
