"""How a workload and a fleet change. Words and defaults are Nomad's `update` block's and Argo Rollouts'."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sutazai.model.base import SpecModel
from sutazai.model.units import Seconds

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
    """The few workloads of a change that go first."""

    select: str | None = None
    percent: Percent = 10
    bake_time: Seconds = 0.0


class Analysis(SpecModel):
    """When a canary counts as worse than its baseline."""

    min_requests: Annotated[int, Field(ge=1)] = 50
    max_error_increase: Annotated[float, Field(ge=0, le=1)] = 0.05
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.98
    max_latency_ratio: Annotated[float, Field(ge=1)] = 1.5
    interval: Seconds = 5.0
    timeout: Seconds = 300.0
    inconclusive: Literal["fail", "pause", "pass"] = "fail"


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
    analysis: dict[str, Analysis] = {}
