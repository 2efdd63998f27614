import re
from dataclasses import replace

import pytest

from sutazai.address import agent, service, volume
from sutazai.model.base import Effect
from sutazai.plan.change import Action, Beside, Capacity, FieldChange, Finding, Plan, Reason, ResourceChange
from sutazai.views.plan_sections import capacity_text
from sutazai.views.plan_text import NO_CHANGES, plan_lines, render_plain
from sutazai.views.text import ansi
from unit.views.sample import LIMIT, body, changed, every_action, large


def empty(plan: Plan) -> Plan:
    return replace(plan, changes=(), drift=(), waves=(), findings=(), capacity=None)


@pytest.mark.parametrize("width", [80, 120])
def test_golden(golden, width):
    golden(f"plan-{width}.txt", render_plain(every_action(), width=width))


def test_golden_of_a_fleet(golden):
    golden("plan-fleet.txt", render_plain(large(20, 5), width=80))


@pytest.mark.parametrize(("steps", "lost"), [((), True), (("record",), False)])
def test_no_data_is_lost_with_a_volume_that_is_only_forgotten(steps, lost):
    change = ResourceChange(
        volume("data"), Action.DESTROY, Reason.UNDECLARED, "", {"name": "theirs"}, None, steps=steps
    )
    text = render_plain(replace(empty(every_action()), changes=(change,)))
    assert "- volume.data" in text
    assert ("the data in it is lost" in text) is lost


def test_no_changes():
    assert render_plain(empty(every_action())) == NO_CHANGES + "\n"


def test_left_out_by_target_is_not_called_a_match():
    text = render_plain(
        replace(empty(every_action()), pending=frozenset({agent("a"), agent("b")}), targeted=True)
    )
    assert NO_CHANGES not in text
    assert "2 more resources would change" in text


@pytest.mark.parametrize("verbose", [False, True])
def test_every_changed_address_is_named(verbose):
    for plan in (every_action(), large()):
        text = render_plain(plan, verbose=verbose)
        assert all(re.search(rf"\b{re.escape(change.address.name)}\b", text) for change in plan.actions)


@pytest.mark.parametrize("verbose", [False, True])
def test_a_secret_value_is_never_shown(verbose):
    text = render_plain(every_action(), verbose=verbose)
    assert "new-token" not in text
    assert "old-token" not in text
    assert "(sensitive value)" in text


def test_a_fleet_is_short_enough_to_be_read_and_fits_the_terminal():
    rows = render_plain(large(), width=80).splitlines()
    assert len(rows) < 600
    assert max(map(len, rows)) <= 80


def test_one_change_in_all_agents_is_one_block():
    fields = (FieldChange(("image",), "fleet/agent:1.0", "fleet/agent:1.1", Effect.REPLACE),)
    changes = tuple(
        changed(f"agent-{n:03}", Action.REPLACE, Reason.CANNOT_UPDATE, *fields) for n in range(131)
    )
    text = render_plain(replace(empty(every_action()), changes=changes))
    assert text.count("fleet/agent:1.0 -> fleet/agent:1.1") == 1
    assert "131 agents will be replaced" in text
    assert "agent-130" in text


def test_a_value_that_differs_for_each_is_shown_for_each():
    changes = tuple(
        changed(
            f"agent-{n}",
            Action.UPDATE,
            Reason.CHANGED,
            FieldChange(LIMIT, n << 20, (n + 1) << 20, Effect.IN_PLACE),
        )
        for n in range(1, 6)
    )
    text = render_plain(replace(empty(every_action()), changes=changes))
    assert all(f"agent-{n}: {n}M -> {n + 1}M" in text for n in range(1, 6))


def test_what_differs_between_members_of_a_group_is_never_swallowed():
    """Two of five have another image, so they can't be part of a block that shows one image."""
    changes = tuple(
        ResourceChange(
            agent(f"agent-{n}"),
            Action.CREATE,
            Reason.NEW,
            after=body(image=f"fleet/agent:{1 if n < 3 else 2}"),
        )
        for n in range(5)
    )
    text = render_plain(replace(empty(every_action()), changes=changes))
    assert "fleet/agent:1" in text
    assert "fleet/agent:2" in text


def test_escape_sequences_in_specs_do_not_reach_the_terminal():
    change = ResourceChange(
        agent("x"), Action.CREATE, Reason.NEW, after=body(environment={"A": "\x1b]0;owned\x07"})
    )
    assert "\x1b" not in render_plain(replace(empty(every_action()), changes=(change,)))


@pytest.mark.parametrize("hidden", ["\u200b", "\xa0", "\xad", "\ufeff", "\u2060", "\u061c", "\U000e0041"])
def test_what_nobody_can_see_is_written_out(hidden):
    field = FieldChange(("environment", "KEY"), "abc", f"abc{hidden}", Effect.REPLACE)
    change = changed("x", Action.REPLACE, Reason.CANNOT_UPDATE, field)
    written = hidden.encode("unicode_escape").decode()
    assert f'abc -> "abc{written}"' in render_plain(replace(empty(every_action()), changes=(change,)))


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a\nb", "a\r\nb", "- a\n+ a\\r\n  b"),
        ("a\nb", "a\nb\n", "  a\n- b\n\\ no newline at the end\n+ b"),
        ("a\nb\n", "a\nb", "  a\n- b\n+ b\n\\ no newline at the end"),
        ("a\nb\nc\n", "a\x0cb\nc\n", "- a\n- b\n+ a\\x0cb\n  c"),
        ("a\n", "a\nb\n", '- "a\\n"\n+ a\n+ b'),
        ("a\nb\n", "a\nb\n\n", "  a\n  b\n+"),
    ],
)
def test_texts_never_differ_without_a_line_that_says_where(before, after, shown):
    field = FieldChange(("environment", "KEY"), before, after, Effect.REPLACE)
    change = changed("x", Action.REPLACE, Reason.CANNOT_UPDATE, field)
    text = render_plain(replace(empty(every_action()), changes=(change,)))
    block = text.partition("KEY:")[2].partition("\n")[2].partition("\n\n")[0]
    assert "\n".join(row[10:] for row in block.splitlines()) == shown


def test_colour_adds_nothing_but_colour():
    coloured = ansi(plan_lines(every_action()))
    assert re.sub(r" +\n", "\n", re.sub(r"\x1b\[[\d;]*m", "", coloured)) == render_plain(every_action())


def test_what_no_field_tells_of_drift_is_told_beside_the_fields():
    field = FieldChange(("deploy", "resources", "limits", "cpus"), 0.5, 1, Effect.IN_PLACE, drift=True)
    said = {"a": "its container is paused", "b": "its container is paused", "c": "its container is paused",
            "d": "its container was renamed to x", "e": ""}  # fmt: skip
    drift = tuple(
        replace(changed(name, Action.UPDATE, Reason.STOPPED, field), detail=text)
        for name, text in said.items()
    )
    text = render_plain(replace(empty(every_action()), drift=drift))
    assert "~ 3 agents: its container is paused" in text
    assert "~ agent.d: its container was renamed to x" in text
    assert "~ agent.e\n" in text
    assert text.count("cpus: 0.5 -> 1") == 3


def test_the_same_drift_of_many_is_one_block():
    field = FieldChange(("environment", "EXTRA"), None, "1", Effect.REPLACE, drift=True)
    drift = tuple(changed(f"agent-{n:03}", Action.UPDATE, Reason.DRIFTED, field) for n in range(40))
    text = render_plain(replace(empty(every_action()), drift=drift))
    assert text.count("environment.EXTRA") == 1
    assert all(f"agent-{n:03}" in text for n in range(40))


def test_drift_for_other_reasons_is_said_apart():
    def gone(name, why):
        return replace(changed(name, Action.UPDATE, Reason.DRIFTED), detail=why)

    drift = (*(gone(f"agent-{n}", "its container is paused") for n in range(3)),
             *(gone(f"agent-{n}", "its container exited with code 137") for n in range(3, 6)), gone("agent-6", "it is gone"))  # fmt: skip
    text = render_plain(replace(empty(every_action()), drift=drift))
    assert "3 agents: its container is paused\n        agent-0, agent-1, agent-2" in text
    assert "3 agents: its container exited with code 137\n        agent-3, agent-4, agent-5" in text
    assert "agent.agent-6: it is gone" in text


def test_strategies_that_differ_in_a_number_only_are_one_line():
    changes = tuple(
        replace(
            changed(f"agent-{n}", Action.REPLACE, Reason.REQUESTED),
            strategy_reason=f"port {11000 + n} is published",
        )
        for n in range(20)
    )
    text = render_plain(replace(empty(every_action()), changes=changes))
    assert "recreate: 20 workloads (port N is published)" in text
    few = render_plain(replace(empty(every_action()), changes=changes[:2]))
    assert "recreate: agent.agent-0 (port 11000 is published)" in few
    assert "recreate: agent.agent-1 (port 11001 is published)" in few


@pytest.mark.parametrize(
    ("capacity", "text"),
    [
        (
            Capacity(3 << 30, 0, 1.5, 0.0, 4, 1, 16 << 30, 2, unlimited_cpus=4),
            (
                "4 instances may use up to 3G of memory (the host has 16G: 19 %; 1 of them without a limit) and any number of "
                "CPUs (the host has 2)."
            ),
        ),
        (
            Capacity(0, 1 << 30, 0.5, 0.25, 1, 1),
            "1 instance may use any amount of memory and up to 0.5 CPUs; reserved are 1G and 0.25 CPUs.",
        ),
        (
            Capacity(1 << 30, 0, 0.5, 0.0, 1, 0, beside=Beside(2, 3 << 30, 0.75)),
            (
                "1 instance may use up to 1G of memory and up to 0.5 CPUs. While it changes, 2 more containers run beside, with "
                "up to 3G of memory and 0.75 CPUs."
            ),
        ),
        (
            Capacity(1 << 30, 0, 0.5, 0.0, 1, 0, beside=Beside(1, unlimited=1, unlimited_cpus=1)),
            (
                "1 instance may use up to 1G of memory and up to 0.5 CPUs. While it changes, 1 more container runs beside, with "
                "any amount of memory and any number of CPUs."
            ),
        ),
    ],
)
def test_what_has_no_limit_is_not_counted_as_nothing(capacity: Capacity, text: str) -> None:
    assert capacity_text(capacity) == text


def test_a_finding_names_its_workload_also_where_its_words_begin_with_the_name():
    finding = Finding(
        "error", "not-carried-out", "secrets (grafana-password) are not here", service("grafana")
    )
    text = render_plain(replace(every_action(), findings=(finding,)))
    assert "secrets (grafana-password) are not here (service.grafana)" in text


def test_who_destroys_is_not_told_what_the_fleet_needs():
    plan = every_action()
    assert "Capacity:" in render_plain(plan)
    assert "Capacity:" not in render_plain(replace(plan, kind="destroy"))
