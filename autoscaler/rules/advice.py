"""What one floor, or one fixed count, would have prevented, cost or saved: the last hours replayed under each."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.rules.fluid import available, missed_share, shape, unevenness
from autoscaler.rules.tape import BIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_HOURS = BIN_SECONDS / 3600.0
_DAY_HOURS = 24.0
_CAREFUL = 0.5
"""Of the misses allowed, a floor may leave this part: the fluid errs by up to a factor of two."""
_CHEAPER = 0.1
"""A fixed count must take this much less: replays err by a few percent."""


class Question(NamedTuple):
    """What the replay is to find out."""

    startup_seconds: float
    wait_seconds: float
    """Who waits longer has missed the objective."""
    allowed_share: float
    """Of all requests, that may miss it."""
    most: int
    """No more replicas than these."""
    requests_per_need: float
    """Requests in a bin whose need is one replica."""
    limit: float | None
    """Replica-hours a day that a floor may cost; None for no limit."""
    requests: float = 0.0
    """That came in a day, for numbers to go by."""


class Advice(NamedTuple):
    """What the replay found; hours are replica-hours, and those of the floor are above what the policy asked for."""

    hours: float = 0.0
    """Of traffic that were replayed."""
    policy_missed: float = 0.0
    """Share of requests."""
    policy_hours: float = 0.0
    floor: int = 0
    """The lowest that keeps the objective; 0 where the policy alone does."""
    floor_missed: float = 0.0
    floor_hours: float = 0.0
    affordable: int = 0
    """The highest count up to the floor that the limit pays for all day."""
    affordable_missed: float = 0.0
    fixed: int = 0
    """The lowest constant count that keeps the objective."""
    fixed_hours: float = 0.0
    requests: float = 0.0

    def a_day(self, hours: float) -> float:
        """Return replica-hours of the replayed time as replica-hours a day."""
        return hours * _DAY_HOURS / self.hours if self.hours else 0.0

    @property
    def prevented(self) -> float:
        """Requests that the floor would have kept from missing."""
        return max(0.0, self.policy_missed - self.floor_missed) * self.requests

    @property
    def saved_hours(self) -> float:
        """What the fixed count takes less than the policy with the floor that it needs; below 0 it takes more."""
        return self.policy_hours + self.floor_hours - self.fixed_hours

    @property
    def fixed_is_cheaper(self) -> bool:
        """Whether the fixed count takes at least a tenth less."""
        return self.fixed > 0 and self.saved_hours >= _CHEAPER * (self.policy_hours + self.floor_hours)


def advise(needs: Sequence[float], asked: Sequence[int], question: Question) -> Advice:
    """Return what the bins teach."""
    if not needs:
        return Advice()
    slots = shape(unevenness(needs, question.requests_per_need), question.wait_seconds)
    ready = available(asked, question.startup_seconds)
    nobody = [0] * len(needs)

    def with_floor(floor: int) -> float:
        return missed_share(needs, ready, slots, question.wait_seconds, floor)

    def alone(count: int) -> float:
        return missed_share(needs, nobody, slots, question.wait_seconds, count)

    counts = Counter(asked)
    hours = len(needs) * _HOURS
    missed = floor_missed = affordable_missed = with_floor(0)
    aim = _CAREFUL * question.allowed_share
    fixed = _lowest(alone, 1, question.most, aim)
    floor = affordable = 0
    if missed > question.allowed_share:
        # a fixed count that does would do as a floor as well
        floor = affordable = _lowest(with_floor, 1, fixed, aim)
        floor_missed = affordable_missed = with_floor(floor)
        most_hours = math.inf if question.limit is None else question.limit * hours / _DAY_HOURS
        while affordable and _extra(affordable, counts) > most_hours:
            affordable -= 1
        if affordable < floor:
            affordable_missed = with_floor(affordable)
    policy_hours, floor_hours = sum(asked) * _HOURS, _extra(floor, counts)
    return Advice(
        hours,
        missed,
        policy_hours,
        floor,
        floor_missed,
        floor_hours,
        affordable,
        affordable_missed,
        fixed,
        fixed * hours,
        question.requests,
    )


def _lowest(missed: Callable[[int], float], low: int, high: int, share: float) -> int:
    """Return the lowest count that misses no more than a share; the highest where none does."""
    while low < high:
        middle = (low + high) // 2
        if missed(middle) <= share:
            high = middle
        else:
            low = middle + 1
    return high


def _extra(floor: int, asked: Mapping[int, int]) -> float:
    """Return the replica-hours that a floor adds."""
    return sum(max(0, floor - count) * times for count, times in asked.items()) * _HOURS


def write(advice: Advice) -> str:
    """Return the advice as a text for a memory."""
    return ",".join(map(repr, advice))


_WHOLE = frozenset({"floor", "affordable", "fixed"})


@lru_cache(maxsize=4096)
def read(text: str) -> Advice:
    """Return the advice that `write` wrote down."""
    found: Any = dict(zip(Advice._fields, text.split(","), strict=True))
    found = {name: (int if name in _WHOLE else float)(value) for name, value in found.items()}
    return Advice(**found)


@lru_cache(maxsize=4096)
def said(text: str, price: float | None) -> str:
    """Return what `write` wrote down, for a person, with what replica-hours are worth where there is a price."""
    advice = read(text)

    def worth(hours: float) -> str:
        a_day = advice.a_day(hours)
        return f"{a_day:.3g} replica-hours a day" + ("" if price is None else f" ({a_day * price:.2f})")

    words = f"in {advice.hours:.3g} h the policy alone would have missed {advice.policy_missed:.2%}"
    if advice.floor:
        words += f", with a floor of {advice.floor} {advice.floor_missed:.2%}"
        words += f", {advice.prevented:.0f} requests fewer" if advice.requests else ""
        words += f", for {worth(advice.floor_hours)}"
    if advice.fixed_is_cheaper:
        words += f"; {advice.fixed} all the time would have done for {worth(advice.saved_hours)} less"
    return words


@lru_cache(maxsize=4096)
def figures(text: str) -> tuple[tuple[str, float], ...]:
    """Return what `write` wrote down, as figures of a proposal."""
    advice = read(text)
    return (
        ("replayed_hours", advice.hours),
        ("policy_missed_share", advice.policy_missed),
        ("floor_replicas", float(advice.floor)),
        ("floor_missed_share", advice.floor_missed),
        ("floor_prevents_requests", advice.prevented),
        ("floor_replica_hours_per_day", advice.a_day(advice.floor_hours)),
        ("fixed_replicas", float(advice.fixed)),
        ("fixed_saves_replica_hours_per_day", advice.a_day(advice.saved_hours)),
    )
