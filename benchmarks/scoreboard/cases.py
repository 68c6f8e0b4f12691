"""What is played: scenes, cold starts and seeds, all fixed before any decider was tuned on them."""

from __future__ import annotations

from typing import NamedTuple

COLD_STARTS = (80, 300, 30, 420)
"""Median seconds from a replica's creation to Ready; the first two are run first."""
TUNING_SEEDS = (0, 1, 2)
"""A peer's setting, and the size of a fixed fleet, is chosen on these redraws."""
JUDGING_SEEDS = (3, 4)
"""And is judged on these."""
ALL_SEEDS = (*TUNING_SEEDS, *JUDGING_SEEDS)
OBJECTIVE = 0.99
"""Share of all requests that must meet their objective."""


class Case(NamedTuple):
    """One kind of traffic on one kind of replica; `benchmarks.lab.scenes` makes its redraws."""

    scene: str
    what: str
    kind: str
    """`chat`, `flash crowd`, `weekly`, `constant`, `bursty`, `surges`, or `long`: which claims it counts for."""
    settings_from: str | None = None
    """Held-out traffic: the scene whose tuned settings are carried over to it."""
    large: bool = False
    """Eight hours or more, or millions of requests: peers have the smaller grid."""


DEVELOPMENT = (
    Case("conv", "Azure chat x 30, one hour, H100 8B", "chat"),
    Case("conv70", "Azure chat x 10, one hour, 70B on 2 H100", "chat"),
    Case("wcup", "World Cup 10 June 1998, 11 h, chat lengths, L40S 8B", "flash crowd", large=True),
    Case("wcup8h", "World Cup 11 June 1998, 8 h, chat lengths, H100 8B", "flash crowd", large=True),
    Case("week", "ServeGen m-large, first 30 h of a week, chat lengths, 70B on 2 H100", "weekly", large=True),
    Case("poisson", "150 requests/s, Poisson, 72 min, chat lengths, H100 8B", "constant"),
    Case("code", "Azure code completion x 3, 24 min five times, L40S 8B", "bursty"),
    Case("surges", "8 requests/s, five times as many at six moments of 12 h, L40S 8B", "surges", large=True),
)
"""Traffic that policies may be tuned on."""

HELD_OUT = (
    Case("day12", "World Cup 12 June 1998, 11 h, chat lengths, L40S 8B", "flash crowd", "wcup", large=True),
    Case("jun13", "World Cup 13 June 1998, 11 h, chat lengths, L40S 8B", "flash crowd", "wcup", large=True),
    Case("jun06", "World Cup 6 June 1998, 11 h, chat lengths, L40S 8B", "flash crowd", "wcup", large=True),
    Case(
        "week2",
        "ServeGen m-large, hours 72 to 102 of the week, chat lengths, 70B on 2 H100",
        "weekly",
        "week",
        large=True,
    ),
    Case("codetail", "Azure code completion x 8, its last 12 min twelve times, H100 8B", "bursty", "code"),
    Case("onoff", "code completion in bursts of half a minute, minutes apart, 3 h, L40S 8B", "bursty", "code"),
    Case("long", "Mooncake conversation x 10, prompts of 12,000 tokens on average, H100 8B", "long", "conv"),
    Case("reasoning", "ServeGen deepseek-r1, half the rate, hours 12 to 24, 70B on 2 H100", "long", "week", large=True),
)
"""Traffic that no policy is tuned on."""

CASES = (*DEVELOPMENT, *HELD_OUT)


def case(scene: str) -> Case:
    """Return the case of a scene."""
    return next(one for one in CASES if one.scene == scene)
