"""That the fleets Hypothesis draws for `jumps equal steps` meet what a fleet can meet."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import Phase, given, settings

from autoscaler.simulator import kernel
from tests.simulator.fleets import cases

CASES = 200


def test_the_drawn_fleets_are_broad():
    """Of 200 fleets, at least one in thirty has each of these: chunks, preemption, timeouts, refusals, drains etc."""
    seen = Counter()

    @settings(max_examples=CASES, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(cases())
    def look(case):
        fleet = case.play(case.fleet())
        results = fleet.results()
        lives = fleet.lifetimes()
        started = np.array([life.ready_at > life.created_at for life in lives])
        seen.update(
            cases=1,
            chunked_prefill=bool((case.prompts > case.model.budget_tokens).any()),
            preemption=fleet.preemptions() > 0,
            timeouts=bool((results.outcome == kernel.TIMED_OUT).any()),
            refusals=bool((results.outcome == kernel.REJECTED).any()),
            drains=any(life.gone_at > life.created_at for life in lives),
            cold_starts=bool(started.any()),
            several_replicas=len(lives) > 1,
            hinge=case.model.hinge_tokens >= 0,
            squares=case.model.square_seconds > 0,
            conservative=case.model.conservative,
            unfinished=bool((results.outcome == kernel.PENDING).any()),
            **{f"router_{case.model.router}": True},
        )

    look()
    print(dict(seen))
    assert seen["cases"] >= 0.9 * CASES
    assert min(seen.values()) >= seen["cases"] / 30
