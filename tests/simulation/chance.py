"""Every decision of one simulated history, drawn from one seed, and the story of what was drawn."""

import random
from dataclasses import dataclass, field


class Killed(BaseException):
    """The process died here. Not an Exception, so that nothing tidies up after it."""


@dataclass(slots=True)
class Odds:
    """How probable each fault is, at each call where it can happen. All 0: nothing fails any more."""

    refused: float = 0.0
    lost: float = 0.0
    twice: float = 0.0
    slow: float = 0.0
    restart: float = 0.0
    full: float = 0.0
    switch: float = 0.0
    hand: float = 0.0
    removing: float = 0.0


@dataclass(slots=True)
class Chance:
    """`dies_at` is the number of the fault point at which the process under way dies, 0 for never. `power`: it dies with its
    machine, and what was not synced is lost. `bereft`: containers ended
    or went of which the run can't know. `unstartable`: those under whose start the engine was killed, which it never starts again.
    `going`: those that it is removing, with how many calls it takes till they are gone."""

    random: random.Random
    odds: Odds = field(default_factory=Odds)
    dies_at: int = 0
    points: int = 0
    dead: bool = False
    power: bool = False
    full: int = 0
    frozen: int = 0
    bereft: bool = False
    unstartable: set[str] = field(default_factory=set)
    going: dict[str, int] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.story.append(text)

    def happens(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    def alive(self) -> None:
        """A dead process does nothing more, whatever its code would go on to do."""
        if self.dead:
            raise Killed

    def dies_here(self, where: str) -> bool:
        """Whether the process dies at this point. What is still to happen before it does is the caller's."""
        self.points += 1
        if self.points != self.dies_at:
            return False
        self.note(f"KILLED {where}{' by a power cut' if self.power else ''}")
        self.dead = True
        return True

    def disk_is_full(self) -> bool:
        """A full disk stays full for some calls."""
        if self.full:
            self.full -= 1
            return True
        if self.happens(self.odds.full):
            self.full = self.random.choice((0, 0, 1, 3, 100))
            return True
        return False

    def is_frozen(self) -> bool:
        """The traffic switch that is frozen stays so while it is asked for some times."""
        self.frozen = max(self.frozen - 1, 0)
        return self.frozen > 0

    def new_process(self) -> None:
        self.dead, self.points, self.full, self.frozen, self.dies_at = False, 0, 0, 0, 0
        self.bereft = False
