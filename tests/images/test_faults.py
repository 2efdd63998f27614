"""The faults that tests of the engine order from an agent."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from images.running import Agent

Start = Callable[..., Agent]


def test_errors_come_in_a_fixed_sequence_and_spare_the_checks(start_agent: Start) -> None:
    agent = start_agent(FAULT_ERROR_RATE="0.3")
    codes = [agent.get("/info").code for _ in range(20)]
    assert codes.count(500) == 6
    assert codes[:10] == codes[10:] == [200, 200, 200, 500, 200, 200, 500, 200, 200, 500]
    assert {agent.get(path).code for path in ("/health", "/ready") for _ in range(5)} == {200}


def test_latency_is_added_and_spares_the_checks(start_agent: Start) -> None:
    agent = start_agent(FAULT_LATENCY="3")
    began = time.monotonic()
    assert agent.get("/health").code == 200
    assert time.monotonic() - began < 3
    began = time.monotonic()
    assert agent.get("/info").code == 200
    assert time.monotonic() - began >= 3


def test_health_fails_for_good_while_it_still_works(start_agent: Start) -> None:
    agent = start_agent(FAULT_HEALTH="fail")
    assert [agent.get(path).code for path in ("/health", "/ready", "/info")] == [503, 503, 200]


def test_a_start_delay_is_kept_and_can_be_ended(start_agent: Start, launch_agent: Start) -> None:
    began = time.monotonic()
    start_agent(FAULT_START_DELAY="0.6")
    assert time.monotonic() - began >= 0.6

    waiting = launch_agent(FAULT_START_DELAY="600", FAULT_LATENCY="1")
    until_signals_are_caught(waiting)
    with pytest.raises(ConnectionRefusedError):
        waiting.get("/health")
    assert waiting.stop() == (0, "agent agent: stopped, 0 requests left unanswered\n")


def until_signals_are_caught(agent: Agent) -> None:
    """SigCgt is the kernel's mask of signals with a handler; SIGTERM is the fifteenth."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        status = Path(f"/proc/{agent.process.pid}/status").read_text()
        caught = re.search(r"^SigCgt:\t(\w+)$", status, re.MULTILINE)
        if caught and int(caught[1], 16) & 1 << 14:
            return
    pytest.fail("the agent does not catch SIGTERM")


def test_it_crashes_when_told(start_agent: Start, launch_agent: Start) -> None:
    assert start_agent(FAULT_CRASH_AFTER="0.4").wait() == (1, "agent: crashing as FAULT_CRASH_AFTER says\n")
    assert launch_agent(FAULT_CRASH_AFTER="0.3", FAULT_START_DELAY="600").wait()[0] == 1


def test_memory_grows_at_the_rate_that_was_asked_for(start_agent: Start) -> None:
    agent = start_agent(FAULT_MEMORY_GROWTH="1200")  # 20 MiB a second
    began, first = time.monotonic(), resident(agent)
    end = began + 20
    while (grown := resident(agent) - first) < 30 * 1024**2:
        assert time.monotonic() < end, f"only {grown} bytes more"
    assert (
        time.monotonic() - began >= 0.9
    )  # in 0.9 s and what is due at the next half second, no more than 30 MiB


def resident(agent: Agent) -> float:
    found = re.search(
        r"^process_resident_memory_bytes (\S+)$", agent.get("/metrics").body.decode(), re.MULTILINE
    )
    assert found
    return float(found[1])


def test_all_problems_of_the_environment_are_told_at_once(launch_agent: Start) -> None:
    code, log = launch_agent(
        AGENT_PORT="70000",
        AGENT_CAPABILITIES="analysis telepathy",
        AGENT_SERVICES="redis",
        AGENT_PEERS="a=b:1 a=c:2",
        FAULT_ERROR_RATE="1.5",
        FAULT_LATENCY="nan",
        FAULT_CRASH_AFTER="soon",
        FAULT_MEMORY_GROWTH="-1",
        FAULT_HEALTH="maybe",
    ).wait()
    assert code == 2
    told = [line.removeprefix("agent: ").split(" ")[0] for line in log.splitlines()]
    assert told == [
        "AGENT_PORT",
        "AGENT_CAPABILITIES",
        "AGENT_SERVICES",
        "AGENT_PEERS",
        "FAULT_ERROR_RATE",
        "FAULT_LATENCY",
        "FAULT_MEMORY_GROWTH",
        "FAULT_CRASH_AFTER",
        "FAULT_HEALTH",
    ]


def test_a_variable_that_is_set_to_nothing_is_not_set(start_agent: Start) -> None:
    empty = dict.fromkeys(("FAULT_ERROR_RATE", "FAULT_HEALTH", "FAULT_CRASH_AFTER", "AGENT_PEERS"), "")
    assert start_agent(**empty).get("/info").code == 200
