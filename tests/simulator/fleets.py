"""Fleets and traffic drawn by Hypothesis: small, crowded, and quick to simulate step by step."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from autoscaler.simulator.arrays import histogram_bounds
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.layout import UNLIMITED, Model

BOUNDS = histogram_bounds((0.1, 1.0, 10.0), (0.05, 0.5, 5.0, 50.0), (1.0, 10.0))
OUTCOMES = ("pending", "completed", "rejected", "timed out", "failed")


class Case(NamedTuple):
    """One fleet, its traffic, and what is done with it: (time, replicas), or minus the replicas that fail."""

    model: Model
    arrivals: np.ndarray
    prompts: np.ndarray
    outputs: np.ndarray
    actions: list
    startup_seconds: list
    seed: int
    horizon: float
    hits: np.ndarray | None = None

    def __repr__(self):
        return f"Case({self.model._replace(bounds=None)}, {self.actions}, {self.seed=}, {self.horizon=})"

    def fleet(self, compiled=None):
        """Return a fleet that holds the traffic and the replicas of the beginning."""
        startups = itertools.chain([0.0] * self.actions[0][1], self.startup_seconds)
        fleet = SimulatedFleet(self.model, startups, seed=self.seed, compiled=compiled)
        fleet.add_requests(self.arrivals, self.prompts, self.outputs, self.hits)
        fleet.scale_to(self.actions[0][1], 0.0)
        return fleet

    def play(self, fleet, stops=()):
        """Scale as the actions say, stopping at `stops` too, to the horizon; return the fleet."""
        moments = sorted(
            [*((at, count) for at, count in self.actions[1:]), *((at, None) for at in stops)], key=lambda one: one[0]
        )
        for at, count in moments:
            if at > self.horizon:
                break
            fleet.advance(at)
            if count is not None and count >= 0:
                fleet.scale_to(count, at)
            elif count is not None:
                fleet.fail(-count, at)
        fleet.advance(self.horizon)
        return fleet


@st.composite
def cases(draw, requests=60, *, everything=False):
    """Draw a case; times come from a seeded generator, for ties between sums of floats would be decided by rounding.

    With `everything`, prompts hit caches, clients try again, routers see old data, replicas start slowly and fail.
    """
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    count = max(1, requests - draw(st.integers(0, requests)))
    kv_tokens = draw(st.sampled_from([90, 120, 150, 400, 100_000]))
    longest = min(kv_tokens, draw(st.sampled_from([100_000, 100_000, 80])))
    max_sequences = draw(st.integers(1, 8))
    model = Model(
        base_seconds=draw(st.sampled_from([0.006, 0.05])),
        prefill_seconds=draw(st.sampled_from([0.0, 1e-4, 3e-3])),
        sequence_seconds=draw(st.sampled_from([0.0, 1e-3])),
        context_seconds=draw(st.sampled_from([0.0, 5e-5])),
        square_seconds=draw(st.sampled_from([0.0, 1e-6])),
        hinge_tokens=draw(st.sampled_from([-1, 0, 20])),
        front_seconds=draw(st.sampled_from([0.0, 0.012])),
        back_seconds=0.0008,
        token_seconds=draw(st.sampled_from([0.0, 46e-6])),
        max_sequences=max_sequences,
        budget_tokens=max_sequences + draw(st.sampled_from([1, 7, 40, 8192])),
        kv_tokens=kv_tokens,
        conservative=draw(st.sampled_from([False, False, True])),
        longest_tokens=longest,
        router=draw(st.integers(0, 3 if everything else 2)),
        queue_limit=draw(st.sampled_from([UNLIMITED, 1, 5])),
        gateway_limit=draw(st.sampled_from([UNLIMITED, 3])),
        timeout_seconds=draw(st.sampled_from([math.inf, 0.3, 2.0])),
        bounds=BOUNDS,
    )
    if everything:
        model = model._replace(
            retries=draw(st.sampled_from([0, 1, 3])),
            retry_seconds=draw(st.sampled_from([0.01, 0.4, 5.0])),
            stale_seconds=draw(st.sampled_from([0.0, 0.0, 0.03, 1.7])),
            cold_factor=draw(st.sampled_from([1.0, 3.0])),
            cold_seconds=draw(st.sampled_from([0.0, 0.5, 20.0])),
            few_replicas=draw(st.sampled_from([0, 16])),
        )
    pace = draw(st.sampled_from([0.002, 0.05, 0.5]))
    gaps = random.exponential(pace, count) * (random.random(count) > draw(st.sampled_from([0.0, 0.5])))
    prompts = np.maximum(1, random.lognormal(3.0, 1.0, count)).astype(np.int32)
    outputs = np.maximum(1, random.lognormal(2.5, 1.0, count)).astype(np.int32)
    changes = draw(st.lists(st.integers(-2 if everything else 0, 4), max_size=5))
    hits = None
    if everything and draw(st.booleans()):
        hits = (prompts * random.uniform(-0.5, 1.2, count).clip(0, 1)).astype(np.int32)
    span = float(gaps.sum()) + 0.5
    moments = np.sort(random.uniform(0.0, 1.2 * span, len(changes)))
    return Case(
        model,
        0.001 + np.cumsum(gaps),
        prompts,
        outputs,
        [(0.0, draw(st.integers(0, 4))), *zip(moments.tolist(), changes, strict=True)],
        random.exponential(0.3 * span, 64).tolist(),
        seed,
        draw(st.sampled_from([0.5, 3.0])) * span + draw(st.sampled_from([0.0, 60.0])),
        hits,
    )
