"""What is observed, what the state says of it, and where the two speak of different objects."""

from dataclasses import replace
from typing import Any

import pytest

from sutazai.address import Address, agent, network, service, volume
from sutazai.model.fleet import Network, Volume
from sutazai.model.workload import Workload
from sutazai.state.claims import Claims, Place, claims_of
from sutazai.state.deviations import Deviation, deviations
from sutazai.state.observed import Instance, Observed, ObservedNetwork, ObservedVolume
from sutazai.state.scope import Scope, Slot, digest_of, host_name, spec_hash
from sutazai.state.v2 import InstanceRecord, Released, ResourceRecord, State
from unit.state.samples import a_state, planner

A, B = agent("a"), agent("b")
ID = "0123456789abcdef" * 4


def instance(identity: str, address: Address = A, **changes: Any) -> Instance:
    made = Instance(
        identity, f"name-{identity[:12]}", address, Slot.BLUE, 1, "running", "none", "i", "sha256:1", Workload(), Workload
    )  # fmt: skip
    return replace(made, **changes)


def record(identity: str, address: Address = A, **changes: Any) -> ResourceRecord:
    row = {"id": identity, "name": f"name-{identity[:12]}", "slot": "blue", "replica": 1, "image": "i", "image_id": "", "spec_hash": ""}  # fmt: skip
    return ResourceRecord(address=address, instances=(InstanceRecord.model_validate(row | changes),))


def state(*records: ResourceRecord, released: tuple[Released, ...] = ()) -> State:
    return a_state().model_copy(update={"resources": records, "released": released})


# Words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "created"}, "was never started"),
        ({"status": "created", "error": "no such file"}, "was never started: no such file"),
        ({"status": "exited", "exit_code": 137, "oom_killed": True}, "exited with code 137 (out of memory)"),
        ({"status": "exited", "exit_code": 1, "error": "x"}, "exited with code 1: x"),
        ({"status": "restarting"}, "is restarting"),
        ({"status": "restarting", "exit_code": 2}, "keeps restarting, last ended with code 2"),
        ({"status": "paused"}, "is paused"),
        ({"status": "dead", "exit_code": 0}, "is dead with code 0"),
    ],
)
def test_a_condition_in_words(fields: dict[str, Any], words: str) -> None:
    assert instance(ID, **fields).condition == words


@pytest.mark.parametrize(
    ("health", "words"),
    [
        ("none", "it has no HEALTHCHECK: declare `healthcheck`, or use another kind of check: said"),
        ("starting", "its HEALTHCHECK has not passed yet: said"),
        ("unhealthy", "its HEALTHCHECK says unhealthy: said"),
        ("healthy", "its HEALTHCHECK says healthy"),
    ],
)
def test_health_in_words(health: Any, words: str) -> None:
    assert instance(ID, health=health, health_output="said").health_words == words
    assert instance(ID, health=health).health_words == words.removesuffix(": said")


def test_instances_come_by_slot_and_replica() -> None:
    places = [(Slot.GREEN, 1), (Slot.BLUE, 2), (Slot.BLUE, 1)]
    made = tuple(instance(f"{slot}{number}", slot=slot, replica=number) for slot, number in places)
    observed = Observed(instances=(*made, instance("other", B)))
    assert [i.id for i in observed.of(A)] == ["blue1", "blue2", "green1"]


# Names and digests


def test_names_say_whose_an_object_is() -> None:
    scope = Scope("shop", "local")
    assert scope.object_name("data") == "shop-local-data"
    assert scope.logical_name("shop-local-data") == "data"
    assert scope.logical_name("theirs-shop-local-data") == "theirs-shop-local-data"
    assert scope.instance_name("a", Slot.GREEN, 2, 1) == "shop-local-a-green"
    assert scope.instance_name("a", Slot.BLUE, 2, 2) == "shop-local-a-blue-2"
    assert scope.labels(A) == {
        "io.sutazai.project": "shop", "io.sutazai.environment": "local", "io.sutazai.address": "agent.a",
    }  # fmt: skip
    assert (Slot.BLUE.other, Slot.GREEN.other) == (Slot.GREEN, Slot.BLUE)


def test_a_service_that_shares_its_name_with_an_agent_is_called_by_its_address() -> None:
    assert host_name(service("a"), shared=True) == "service.a"
    assert host_name(service("a"), shared=False) == "a"
    assert host_name(A, shared=True) == host_name(A, shared=False) == "a"


def test_a_digest_depends_on_what_is_in_it_alone() -> None:
    assert digest_of({"b": [1, "ü"], "a": None}) == digest_of({"a": None, "b": [1, "ü"]})
    # printf TEXT | sha256sum
    assert digest_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest_of(["ü", {"b": 1, "a": 2}]) == (
        "b49531bd757daf9c1e8e154cae5738c487619d2c216f5d23fa8e252b45e4589e"
    )


def test_a_spec_hash_covers_what_a_new_container_is_needed_for_and_nothing_else() -> None:
    """It is in the labels of containers that run: another one for the same body would replace whole fleets."""
    body = planner()
    told = spec_hash(body, "sha256:1", {"b": "2", "a": "1"})
    assert told == spec_hash(body, "sha256:1", {"a": "1", "b": "2"})
    assert len(told) == 32
    in_place = body.model_copy(update={"restart": "always", "checks": ()})
    assert spec_hash(in_place, "sha256:1", {"a": "1", "b": "2"}) == told
    others = [
        spec_hash(body.model_copy(update={"image": "other"}), "sha256:1", {"a": "1", "b": "2"}),
        spec_hash(body, "sha256:2", {"a": "1", "b": "2"}),
        spec_hash(body, "sha256:1", {"a": "1", "b": "3"}),
    ]
    assert len({told, *others}) == 4
    assert (
        spec_hash(Workload(image="i"), None, {})
        == (digest_of({"configs": {}, "fields": {"image": "i"}, "image": None})[:32])
    )


# What the state says over what labels say


def test_what_the_state_says_of_containers_counts() -> None:
    released = Released(address=B, id="let-go", name="x")
    known = state(record("mine", B, slot="green", replica=3), record("theirs", adopted=True), released=(released,))  # fmt: skip
    claims = claims_of(known)
    assert claims.containers == {"mine": Place(B, Slot.GREEN, 3), "theirs": Place(A, Slot.BLUE, 1)}
    assert (claims.adopted, claims.released) == ({"theirs"}, {"let-go"})
    moved = claims.placed(instance("mine", A))
    assert (moved.address, moved.slot, moved.replica) == (B, Slot.GREEN, 3)
    assert claims.placed(instance("unknown", A)) == instance("unknown", A)
    assert claims.address_of("mine", A) == B
    assert claims.address_of("unknown", A) == A
    assert claims_of(None) == Claims()


@pytest.mark.parametrize(
    ("identity", "labelled", "ours"),
    [
        ("mine", True, True), ("mine", False, False), ("adopted", False, True), ("let-go", True, False), ("both", False, False),
    ],
)  # fmt: skip
def test_whose_an_object_is(identity: str, labelled: bool, ours: bool) -> None:
    claims = Claims(adopted=frozenset({"adopted", "both"}), released=frozenset({"let-go", "both"}))
    assert claims.owns(identity, labelled=labelled) is ours


# Where they differ


def network_of(name: str, identity: str, *, owned: bool = True) -> ObservedNetwork:
    return ObservedNetwork(identity, f"shop-local-{name}", network(name), Network(), Network(), owned)


def volume_of(name: str, *, owned: bool = True) -> ObservedVolume:
    return ObservedVolume(f"shop-local-{name}", volume(name), Volume(), Volume(), owned)


def test_the_same_objects_do_not_deviate() -> None:
    known = state(
        record(ID),
        ResourceRecord(address=network("n"), object_id="net"),
        ResourceRecord(address=volume("v"), object_id="shop-local-v"),
        ResourceRecord(address=Address.parse("config.c"), object_id="x"),
        ResourceRecord(address=network("external")),
    )
    seen = Observed((instance(ID),), {"n": network_of("n", "net")}, {"v": volume_of("v")})
    assert deviations(known, seen) == ()


def test_what_is_missing_or_another_is_said_with_both_ids() -> None:
    other, third = "f" * 64, "fedcba9876543210" * 4
    known = state(
        record(ID),
        record(third, B),
        ResourceRecord(address=network("n"), object_id=ID),
        ResourceRecord(address=network("m"), object_id="net"),
        ResourceRecord(address=volume("v"), object_id="shop-local-v"),
    )
    seen = Observed((instance(other),), {"n": network_of("n", other)})
    assert deviations(known, seen) == (
        Deviation(network("m"), "missing", "recorded as net"),
        Deviation(network("n"), "other", "recorded as 0123456789ab, there is ffffffffffff"),
        Deviation(volume("v"), "missing", "recorded as shop-local-v"),
        Deviation(A, "other", "name-0123456789ab is recorded as 0123456789ab, there is ffffffffffff"),
        Deviation(B, "missing", "name-fedcba987654 is recorded as fedcba987654"),
    )


@pytest.mark.parametrize("place", [{"slot": Slot.GREEN}, {"replica": 2}])
def test_what_is_in_another_place_is_more(place: dict[str, Any]) -> None:
    seen = Observed((instance("other", **place),))
    assert deviations(state(record(ID)), seen) == (
        Deviation(A, "extra", "name-other (other) is not recorded"),
        Deviation(A, "missing", "name-0123456789ab is recorded as 0123456789ab"),
    )


def test_what_is_ours_and_not_recorded_is_more() -> None:
    seen = Observed(
        (instance("ab" * 32),),
        {"n": network_of("n", "net"), "theirs": network_of("theirs", "x", owned=False)},
        {"v": volume_of("v"), "theirs": volume_of("theirs", owned=False)},
    )
    assert deviations(None, seen) == (
        Deviation(network("n"), "extra", "shop-local-n is not recorded"),
        Deviation(volume("v"), "extra", "shop-local-v is not recorded"),
        Deviation(A, "extra", "name-abababababab (abababababab) is not recorded"),
    )
    known = state(
        record("ab" * 32),
        ResourceRecord(address=network("n"), object_id="net"),
        ResourceRecord(address=volume("v"), object_id="shop-local-v"),
    )
    assert deviations(known, seen) == ()
