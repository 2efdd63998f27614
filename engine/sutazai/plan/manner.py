"""The manners in which a run goes: what sets the strategies of a rollback apart, as data that plan and executor read.

Everything that is applied goes in the progressive manner. In none of them a rollback has canaries: what it goes to ran before.
Whatever the manner, containers of that serial which still run get their traffic back first, all in one write.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Strategy = Literal["immediate", "graceful", "selective", "progressive", "emergency"]


@dataclass(frozen=True, slots=True)
class Manner:
    """`about` says it to people.

    `ordered`: everything goes after what it depends on, which must be healthy; else at once, but for what can't be made before
    something else is there. `gated`: traffic moves, and a wave ends, when the new version is healthy; else health is asked for
    when all is done. `settles`: it must stay healthy for `min_healthy_time`. `width`: how many of a wave change at a time, as
    `rollout.max_parallel` says, one (critical last), or all. `drains`: the old version ends what it has when the run is done with
    all, before anything else is done, or not at all. `keeps_going`: no failure keeps back another, nor does a traffic switch that
    does not answer, and what can't be done is left out of the plan. `calls`: so many calls to the provider at a time, at least.
    `selects`: there must be a target."""

    about: str
    ordered: bool = True
    gated: bool = True
    settles: bool = True
    width: Literal["declared", "one", "all"] = "declared"
    drains: Literal["last", "first", "never"] = "last"
    keeps_going: bool = False
    calls: int = 1
    selects: bool = False


MANNERS: Mapping[Strategy, Manner] = {
    "progressive": Manner("wave by wave, each when the one before is healthy"),
    "selective": Manner("only what is selected, wave by wave", selects=True),
    "immediate": Manner(
        "all at once; each gets its traffic as soon as it is healthy",
        ordered=False,
        settles=False,
        width="all",
    ),
    "graceful": Manner(
        "one after the other; each old version ends all it has before the next begins",
        width="one",
        drains="first",
    ),
    "emergency": Manner(
        "all at once; health is not waited for, nothing drains, no failure keeps back another",
        ordered=False,
        gated=False,
        settles=False,
        width="all",
        drains="never",
        keeps_going=True,
        calls=32,
    ),
}
DEFAULT: Strategy = "progressive"
