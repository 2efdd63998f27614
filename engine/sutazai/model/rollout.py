"""How a workload and a fleet change. Words and defaults are Nomad's `update` block's and Argo Rollouts'."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sutazai.model.base import EMPTY, SpecModel
from sutazai.model.units import Bytes, Seconds

Percent = Annotated[int, Field(ge=0, le=100)]


class Step(SpecModel):
    """One step of a canary: exactly one of the three."""

    set_weight: Percent | None = None
    pause: Seconds | None = None
    analysis: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Step":
        if len(self.model_fields_set) != 1:
            raise ValueError("a step is exactly one of set_weight, pause, analysis")
        return self


class FleetCanary(SpecModel):
    """The few workloads of a change that go first: those that `select` names, else `percent` of the change. 0 is none."""

    select: str | None = None
    percent: Percent = 10
    bake_time: Seconds = 0.0

    @model_validator(mode="after")
    def _one_way(self) -> "FleetCanary":
        if self.model_fields_set >= {"select", "percent"} and self.select is not None:
            raise ValueError("select and percent exclude each other")
        return self


class Analysis(SpecModel):
    """When a canary counts as worse than its baseline (`rollout/verdict.py` says how that is found)."""

    baseline: Literal["fresh", "running"] = "fresh"
    """What it is compared with: as many new containers of the old version, with the same traffic, or those that run. Where the
    old version can't run beside itself, it is those that run."""
    min_requests: Annotated[int, Field(ge=1)] = 50
    """On either side, before anything is said about errors and latency."""
    max_error_increase: Annotated[float, Field(gt=0, le=1)] = 0.05
    """The increase of the error rate (0.05: five points) that must not get through."""
    max_latency_ratio: Annotated[float, Field(gt=1)] = 2.0
    """How many times as long as the baseline's the answers must not take."""
    min_latency_increase: Seconds = 0.01
    """Longer by less than that is no slowdown, whatever the ratio."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.98
    """How sure a verdict against two versions that are the same must be: 1 - the share of them that fail."""
    max_restarts: Annotated[int, Field(ge=0)] = 0
    max_failed_checks: Annotated[int, Field(ge=0)] = 0
    """How often a check may fail as many times in a row as its `retries` say."""
    max_memory_growth: Bytes = 25 << 20
    """How much more memory a minute, above what the baseline's grows."""
    min_duration: Seconds = 30.0
    """It passes no earlier: what crashes or leaks takes a while to show."""
    interval: Annotated[Seconds, Field(gt=0)] = 5.0
    timeout: Annotated[Seconds, Field(gt=0)] = 300.0
    """What is not known by then is inconclusive."""
    inconclusive: Literal["fail", "pause", "pass"] = "fail"

    @model_validator(mode="after")
    def _in_time(self) -> "Analysis":
        if self.min_duration > self.timeout:
            raise ValueError("min_duration is above timeout, so that it could never pass")
        return self


class Rollout(SpecModel):
    """Durations in seconds. `min_healthy_time` is how long an instance must stay healthy, `healthy_deadline` how long
    it may take to become so, `progress_deadline` how long a wave may go without any progress."""

    strategy: Literal["recreate", "rolling", "blue_green", "canary"] | None = None
    max_parallel: Annotated[int, Field(ge=1)] | None = None
    min_healthy_time: Seconds = 0.0
    healthy_deadline: Annotated[Seconds, Field(gt=0)] = 300.0
    progress_deadline: Annotated[Seconds, Field(gt=0)] = 600.0
    auto_revert: bool = True
    order: Literal["start-first", "stop-first"] | None = None
    drain_timeout: Seconds = 10.0
    steps: tuple[Step, ...] = ()
    fleet_canary: FleetCanary | None = None
    analysis: dict[str, Analysis] = EMPTY
