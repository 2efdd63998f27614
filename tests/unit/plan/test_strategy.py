"""Which strategy is chosen, and what the plan says of it. Each case is a body, what the environment says, and the answer."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.model.rollout import Rollout
from sutazai.model.workload import Workload
from sutazai.plan.strategy import STEPS, Strategy, choose, going_back

Body = dict[str, Any]
ROUTE: Body = {"route": {"port": 11001, "target": 8080}}
TWO: Body = {"deploy": {"replicas": 2}}
NAME = "it has no route, and both versions would answer to its name at once"
MOVES = "its route moves when the new one is ready"
DEFAULT_STEPS = "10 % of the traffic, 5s, 50 % of the traffic, 5s, then all"


def chosen(body: Body, fleets: Body | None = None, **facts: bool) -> tuple[str, bool, str]:
    choice = choose(Workload.model_validate(body), Rollout.model_validate(fleets or {}), **facts)
    return choice.strategy, choice.start_first, choice.reason


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({}, ("recreate", False, f"stop first: {NAME}")),
        ({"tier": "critical"}, ("recreate", False, f"stop first: {NAME}")),
        (TWO, ("rolling", False, f"stop first: {NAME}")),
        (ROUTE, ("blue_green", True, f"start first: {MOVES}")),
        ({**ROUTE, "tier": "auxiliary"}, ("blue_green", True, f"start first: {MOVES}")),
        ({**ROUTE, "tier": "specialized"}, ("blue_green", True, f"start first: {MOVES}")),
        ({**ROUTE, "tier": "critical"}, ("canary", True, f"{DEFAULT_STEPS}, as its tier is critical")),
        ({**ROUTE, **TWO}, ("rolling", True, "start first: one after the other of 2")),
        ({**ROUTE, **TWO, "tier": "critical"}, ("rolling", True, "start first: one after the other of 2")),
    ],
)
def test_defaults(body: Body, answer: tuple[str, bool, str]) -> None:
    assert chosen(body) == answer


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"ports": ["5432:5432"]}, "host port *:5432 can have one owner only"),
        ({"ports": ["127.0.0.1:53:53/udp"]}, "host port 127.0.0.1:53/udp can have one owner only"),
        ({"network_mode": "host"}, "both versions would listen on the host's own ports"),
        ({"network_mode": "service:db"}, "both versions would listen in the network of db"),
        ({"networks": {"fleet": {"ipv4_address": "10.0.0.9"}}}, "address 10.0.0.9 can have one owner only"),
        ({"networks": {"fleet": {"mac_address": "02:42:ac:11:00:02"}}}, "address 02:42:ac:11:00:02 can have one owner only"),
        ({"volumes": ["data:/data"]}, "volume data may have one writer only"),
        ({"volumes": ["/srv/data:/data"]}, "/srv/data may have one writer only"),
    ],
)  # fmt: skip
def test_what_forces_stop_first(body: Body, why: str) -> None:
    assert chosen({**ROUTE, **body}) == ("recreate", False, f"stop first: {why}")
    asked = Workload.model_validate({**ROUTE, **body, "rollout": {"strategy": "canary"}})
    choice = choose(asked, Rollout())
    assert (choice.strategy, choice.overruled, choice.reason) == ("recreate", "canary", f"stop first: {why}")
    everywhere = choose(Workload.model_validate({**ROUTE, **body}), Rollout(strategy="blue_green"))
    assert (everywhere.strategy, everywhere.overruled) == ("recreate", "blue_green")


def test_an_order_that_can_not_be_kept_is_overruled_by_name() -> None:
    body = {**ROUTE, "ports": ["80:80"]}
    for order, overruled in (("start-first", "order start-first"), ("stop-first", ""), (None, "")):
        own = {"order": order} if order else {}
        assert choose(Workload.model_validate({**body, "rollout": own}), Rollout()).overruled == overruled
    both = Workload.model_validate({**body, "rollout": {"order": "start-first", "strategy": "canary"}})
    assert choose(both, Rollout()).overruled == "canary"


@pytest.mark.parametrize("strategy", ["rolling", "recreate"])
def test_a_strategy_that_stops_first_is_not_overruled(strategy: str) -> None:
    body = Workload.model_validate({**ROUTE, "ports": ["80:80"], "rollout": {"strategy": strategy}})
    assert (choose(body, Rollout()).strategy, choose(body, Rollout()).overruled) == (strategy, "")


@pytest.mark.parametrize(
    "body",
    [
        {"ports": ["5432"]},
        {"expose": ["80"]},
        {"volumes": ["data:/data:ro"]},
        {"volumes": ["/data"]},
        {"volumes": ["/etc/hosts:/etc/hosts:ro", "/var/run/docker.sock:/var/run/docker.sock"]},
        {"volumes": [{"type": "tmpfs", "target": "/x"}]},
        {"networks": {"fleet": {"aliases": ["x"]}}},
        {"network_mode": "bridge"},
    ],
)
def test_what_two_can_have_forces_nothing(body: Body) -> None:
    assert chosen({**ROUTE, **body})[0] == "blue_green"


def test_its_own_order_says_that_two_may_write() -> None:
    body = {**ROUTE, "volumes": ["data:/data"], "rollout": {"order": "start-first"}}
    assert chosen(body) == ("blue_green", True, f"start first: {MOVES}")
    assert chosen({**body, "rollout": {}}, {"order": "start-first"})[:2] == ("recreate", False)
    assert chosen({**body, "ports": ["80:80"]})[:2] == ("recreate", False)


def test_without_a_switch_a_route_is_a_host_port() -> None:
    why = "stop first: its route publishes the port itself, without a traffic switch"
    assert chosen(ROUTE, switched=False) == ("recreate", False, why)
    assert chosen({**ROUTE, "rollout": {"strategy": "blue_green"}}, switched=False)[:2] == ("recreate", False)


def test_what_ends_does_its_work_once() -> None:
    why = "stop first: others wait for it to end, and two would do its work twice"
    assert chosen({}, finishes=True) == ("recreate", False, why)
    assert chosen({"rollout": {"order": "start-first"}}, finishes=True)[1] is False


ALIAS = "without a route both versions answer to its name while both run"


@pytest.mark.parametrize(
    ("own", "fleets", "body", "answer"),
    [
        ({"strategy": "recreate"}, {}, ROUTE, ("recreate", False, "stop first, as it declares")),
        ({}, {"strategy": "recreate"}, ROUTE, ("recreate", False, "stop first, as the environment declares")),
        ({"strategy": "blue_green"}, {"strategy": "recreate"}, ROUTE, ("blue_green", True, f"start first, as it declares: {MOVES}")),
        ({}, {"strategy": "blue_green"}, ROUTE, ("blue_green", True, f"start first, as the environment declares: {MOVES}")),
        ({"strategy": "blue_green"}, {}, {}, ("blue_green", True, f"start first, as it declares: {ALIAS}")),
        ({}, {"strategy": "canary"}, {}, ("blue_green", True, f"start first, as the environment declares: {ALIAS}")),
        ({"strategy": "canary"}, {}, ROUTE, ("canary", True, f"{DEFAULT_STEPS}, as it declares")),
        ({"strategy": "rolling"}, {}, ROUTE, ("rolling", True, "start first, as it declares")),
        ({"strategy": "rolling"}, {}, {}, ("rolling", False, "stop first, as it declares")),
        ({"strategy": "rolling", "order": "start-first"}, {}, {}, ("rolling", True, "start first, as it declares")),
        ({"strategy": "rolling", "order": "stop-first"}, {}, ROUTE, ("rolling", False, "stop first, as it declares")),
        ({"order": "stop-first"}, {}, ROUTE, ("recreate", False, "stop first, as it declares")),
        ({"order": "stop-first"}, {}, {**ROUTE, **TWO}, ("rolling", False, "stop first, as it declares")),
        ({"order": "stop-first"}, {"strategy": "canary"}, ROUTE, ("recreate", False, "stop first, as it declares")),
        ({"order": "stop-first"}, {"strategy": "rolling"}, ROUTE, ("rolling", False, "stop first, as it declares")),
        ({"order": "start-first"}, {}, {}, ("blue_green", True, f"start first, as it declares: {ALIAS}")),
        ({"order": "start-first"}, {}, TWO, ("rolling", True, "start first: one after the other of 2")),
        ({"order": "start-first"}, {"strategy": "recreate"}, ROUTE, ("blue_green", True, f"start first: {MOVES}")),
        ({"strategy": "recreate"}, {"order": "start-first"}, ROUTE, ("recreate", False, "stop first, as it declares")),
        ({"strategy": "blue_green"}, {"order": "stop-first"}, ROUTE, ("blue_green", True, f"start first, as it declares: {MOVES}")),
    ],
)  # fmt: skip
def test_what_is_declared_comes_first(
    own: Body, fleets: Body, body: Body, answer: tuple[str, bool, str]
) -> None:
    assert chosen({**body, "rollout": own}, fleets) == answer


def test_steps_are_its_own_else_the_environments_else_the_usual_ones() -> None:
    mine, theirs = {"steps": [{"set_weight": 20}]}, {"steps": [{"set_weight": 5}, {"analysis": "errors"}]}
    body = Workload.model_validate({**ROUTE, "rollout": mine})
    choice = choose(body, Rollout.model_validate(theirs))
    assert [step.set_weight for step in choice.steps] == [20]
    assert choice.reason == "20 % of the traffic, then all, as it declares"
    choice = choose(Workload.model_validate(ROUTE), Rollout.model_validate(theirs))
    assert choice.reason == "5 % of the traffic, analysis errors, then all, as the environment declares"
    critical = Workload.model_validate({**ROUTE, "tier": "critical"})
    assert choose(critical, Rollout()).steps == STEPS


strategies = st.sampled_from([None, *get_args(Strategy)])
orders = st.sampled_from([None, "start-first", "stop-first"])
bodies = st.fixed_dictionaries(
    {"deploy": st.sampled_from([{}, {"replicas": 3}])},
    optional={
        "route": st.just(ROUTE["route"]),
        "tier": st.sampled_from(["critical", "specialized", "auxiliary"]),
        "volumes": st.sampled_from([["data:/data"], ["data:/data:ro"]]),
        "ports": st.just(["80:80"]),
    },
)


@given(bodies, strategies, orders, strategies, orders, st.booleans(), st.booleans())
def test_what_holds_for_every_choice(
    body: Body, mine: str | None, order: str | None, theirs: str | None, their_order: str | None,
    switched: bool, finishes: bool,
) -> None:  # fmt: skip
    own = {name: word for name, word in (("strategy", mine), ("order", order)) if word}
    fleets = {name: word for name, word in (("strategy", theirs), ("order", their_order)) if word}
    choice = choose(
        Workload.model_validate({**body, "rollout": own}), Rollout.model_validate(fleets),
        switched=switched, finishes=finishes,
    )  # fmt: skip
    assert choice.reason
    assert choice.start_first or choice.strategy in ("recreate", "rolling")
    assert not (choice.start_first and (finishes or "ports" in body or ("route" in body and not switched)))
    assert bool(choice.steps) == (choice.strategy == "canary")
    if choice.strategy == "canary":
        assert "route" in body
    if choice.overruled:
        assert choice.strategy != choice.overruled
    if mine == "recreate":
        assert choice.strategy == "recreate"


def test_going_back_has_no_canary() -> None:
    critical = choose(Workload.model_validate({**ROUTE, "tier": "critical"}), Rollout())
    assert (going_back(critical).strategy, going_back(critical).start_first, going_back(critical).steps) == (
        "blue_green",
        True,
        (),
    )
    plain = choose(Workload.model_validate(ROUTE), Rollout())
    assert going_back(plain) == plain
