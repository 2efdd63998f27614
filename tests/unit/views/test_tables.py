import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.address import agent, service
from sutazai.model.fleet import Fleet
from sutazai.state.scope import Slot
from sutazai.state.v2 import InstanceRecord, JudgementRecord, Operation, ResourceRecord, State, VerdictRecord
from sutazai.views import compare, history, status
from sutazai.views.status import Status, StatusRow
from sutazai.views.tables import table
from sutazai.views.text import cells, plain
from unit.views.sample import body, fleet

ROWS = (
    StatusRow(agent("planner"), "healthy", "running", "blue", image="fleet/agent:1.0", uptime=7500.0,
              ports=("127.0.0.1:11001->8080",), tier="critical", category="data"),
    StatusRow(agent("writer"), "unhealthy", "running", "green", image="fleet/agent:1.1", uptime=5.0, tier="auxiliary",
              category="data", restarts=3, detail='check "up": connection refused'),
    StatusRow(service("redis"), "missing", tier="critical", category="database", detail="not created"),
)  # fmt: skip


def state(serial: int, fleet_now: Fleet, **more: object) -> State:
    operation = Operation.model_validate(
        {"command": "apply", "who": "ada@host", "started": f"2026-01-0{serial}T12:00:00Z", "seconds": 61.5,
         "outcome": "done", "added": 3, "replaced": 1, **more})  # fmt: skip
    record = ResourceRecord(address=agent("planner"), slot=Slot.BLUE, tainted=serial == 2, instances=(
        InstanceRecord(id="c1", name="shop-local-planner-blue", slot=Slot.BLUE, replica=1, image="shop/planner:1.0",
                       image_id="sha256:" + "1" * 64, spec_hash="h"),))  # fmt: skip
    return State(sutazai_version="0.1.0", lineage="5d0f5a50-7f0e-4d6c-9d20-8f6b7bb9c1aa", serial=serial, project="shop",
                 environment="local", spec_digest="ab" * 32, operation=operation, desired=fleet_now,
                 resources=(record,))  # fmt: skip


def test_status_golden(golden):
    golden(
        "status.txt",
        status.render_plain(Status("shop", "local", 7, ROWS, ("the last run was cut off",)), width=100),
    )


def test_status_json_counts_and_lists():
    data = json.loads(status.to_json(Status("shop", "local", 7, ROWS)))
    assert (data["total"], data["healthy"]) == (3, 1)
    assert [row["address"] for row in data["instances"]] == ["agent.planner", "agent.writer", "service.redis"]


def test_problems_come_before_the_table():
    text = status.render_plain(Status("shop", "local", 7, ROWS))
    assert text.index('agent.writer unhealthy: check "up"') < text.index("NAME")


def test_history_and_serial_golden(golden):
    slow = JudgementRecord(
        metric="latency", outcome="fail", text="latency median 90 ms against 20 ms (p < 0.0001)"
    )
    verdict = VerdictRecord(address=agent("planner"), analysis="errors", outcome="fail", judgements=(slow,))
    failed = {
        "outcome": "failed",
        "why": "more memory",
        "error": "agent.planner: no answer",
        "verdicts": (verdict,),
    }
    one, two = state(1, fleet()), state(2, fleet(), **failed)
    golden("history.txt", history.render_plain([one, two]))
    golden("serial.txt", plain(history.serial_lines(two)))
    assert [row["serial"] for row in json.loads(history.history_json([one, two]))] == [2, 1]
    assert json.loads(history.serial_json(two))["operation"]["why"] == "more memory"


def other_fleet() -> Fleet:
    agents = {
        "planner": body(environment={"MODE": "slow", "PORT": "8080"}),
        "writer": body(),
        "scribe": body(),
    }
    data = fleet().model_dump(mode="json", exclude_unset=True)
    return Fleet.model_validate({**data, "agents": agents})


def test_compare_golden(golden):
    found = compare.compare_fleets(fleet(), other_fleet())
    golden("compare.txt", compare.render_plain("serial 1", "serial 2", found))
    data = json.loads(compare.to_json("serial 1", "serial 2", found))
    assert data["only_right"] == ["agent.scribe"]
    assert data["different"] == [{"address": "agent.planner", "fields": [
        {"path": ["environment", "MODE"], "left": "fast", "right": "slow"}]}]  # fmt: skip


def test_a_fleet_compared_with_itself_is_the_same():
    assert compare.compare_fleets(fleet(), fleet()) == ()


@settings(deadline=None)
@given(
    st.lists(st.lists(st.text(max_size=60), min_size=3, max_size=3), min_size=1, max_size=6),
    st.integers(30, 120),
)
def test_a_table_never_is_wider_than_the_terminal(rows, width):
    for row in plain(table(("ONE", "TWO", "THREE"), rows, width)).splitlines():
        assert cells(row) <= width


def test_the_ports_of_a_whole_fleet_are_counted() -> None:
    """As the traffic switch has them."""
    rows = (
        StatusRow(agent("a"), "healthy", "running", ports=("127.0.0.1:8001->80/tcp",)),
        StatusRow(
            agent("b"),
            "healthy",
            "running",
            ports=tuple(f"127.0.0.1:{n}->{n}/tcp" for n in range(9000, 9131)),
        ),
    )
    text = status.render_plain(Status("shop", "local", 1, rows))
    assert "127.0.0.1:8001->80/tcp" in text
    assert "131 ports" in text
    assert "9000" not in text


def compared(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    """The lines of two fleets' comparison."""
    old, new = ({"project": "shop", "environment": "local", "agents": agents} for agents in (left, right))
    found = compare.compare_fleets(Fleet.model_validate(old), Fleet.model_validate(new))
    return compare.render_plain("serial 1", "serial 2", found).splitlines()


def test_a_release_of_many_is_compared_once():
    names = ("a", "b", "c", "other")
    old = {name: body(image=f"shop/{name}:1") for name in names}
    new = {name: body(image=f"shop/{name}:2") for name in names} | {"other": body(image="shop/other:3")}
    assert compared(old, new) == [
        "From serial 1 to serial 2 (4):",
        "  ~ 3 agents",
        "      ~ image: shop/NAME:1 -> shop/NAME:2",
        "      each of:",
        "        a, b, c",
        "",
        "  ~ agent.other",
        "      ~ image: shop/other:1 -> shop/other:3",
        "",
        "0 resources more, 0 fewer, 4 different.",
    ]


def test_a_port_that_both_have_is_no_difference_wherever_it_stands():
    old, new = body(ports=["8001:80", "8002:80"]), body(ports=["8000:80", "8001:80", "8002:80"])
    assert "      + ports.0: 0.0.0.0:8000 -> 80/tcp" in compared({"a": old}, {"a": new})
    assert not [row for row in compared({"a": old}, {"a": new}) if "8001" in row or "8002" in row]
