"""The references beside a result, and the same comparison over several seeds."""

from __future__ import annotations

import math
import sys
from functools import partial

import numpy as np
import pytest

from autoscaler.experiments.compare import compare
from autoscaler.experiments.confidence import estimate
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.references import with_references
from autoscaler.experiments.seeds import over_seeds, play_seeds

TIMER = partial(float, 0)


def _play(scene, *names, **options):
    players = [player for name in names for player in contestants(name, scene)]
    comparison = compare(scene, players, compiled=None, timer=TIMER)
    return with_references(comparison, players, timer=TIMER, compiled=None, seconds_limit=20.0, **options)


def test_every_result_has_the_bound(make):
    """No result that meets the objective is below it, and the JSON says how it was found."""
    pytest.importorskip("scipy")
    found = _play(make(initialReplicas=2), "fixed:1", "fixed:2").to_json()
    assert found["references"] == {"bound": "optimal", "oracle": "not asked for: --oracle", "attainment": 0.99}
    for result in found["results"]:
        assert 0 < result["bound_gpu_hours"] <= result["gpu_hours"]
        assert result["oracle_gpu_hours"] is None


def test_a_fleet_below_the_minimum_has_a_bound_of_its_own(make):
    """A fixed fleet may be smaller than the scenario's minimum: it is not held to a bill that it need not pay."""
    pytest.importorskip("scipy")
    one, three = _play(make(initialReplicas=3, minReplicas=3), "fixed:1", "fixed:3").scores
    assert one.bound_gpu_hours < three.bound_gpu_hours <= three.gpu_hours


def test_without_scipy_the_bound_is_unknown_and_says_why(make, monkeypatch):
    """A missing scipy takes the bound, and nothing else."""
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    found = _play(make(), "fixed:1").to_json()
    assert found["results"][0]["bound_gpu_hours"] is None
    assert "scipy" in found["references"]["bound"]


def test_the_oracle_lies_between_bound_and_result(make):
    """What is achievable costs no less than the bound; here no more than a fleet that is too large."""
    pytest.importorskip("scipy")
    (result,) = _play(make(initialReplicas=1), "fixed:3", ask_oracle=True).scores
    assert result.bound_gpu_hours <= result.oracle_gpu_hours < result.gpu_hours


def test_an_objective_that_nothing_meets_has_no_oracle(make):
    """Where no schedule meets the objective the oracle is null, and the reason says how near it came."""
    found = _play(make(objective={"ttftSeconds": 0.001}), "fixed:1", ask_oracle=True).to_json()
    assert found["results"][0]["oracle_gpu_hours"] is None
    assert "schedules met the objective" in found["references"]["oracle"]


def _shift(scene, seed):
    return scene._replace(seed=seed)


def _plain(scores):
    """Return the scores with null for NaN, which is not equal to itself once it went to another process."""
    return [score.to_json() for score in scores]


@pytest.mark.parametrize("jobs", [1, 2])
def test_seeds_are_scored_as_if_they_were_alone(make, jobs):
    """Mean and interval are those of the single runs, side by side or one after the other."""
    scene = make(traffic={"generator": {"requestsPerSecond": 30, "durationSeconds": 120}}, router="PowerOfTwo")
    players = [*contestants("fixed:1", scene), *contestants("llm-interactive", scene)]
    first = compare(scene, players, compiled=None, timer=TIMER)
    told = []
    others = play_seeds(
        partial(_shift, scene), players, [1, 2], timer=TIMER, use_compiled=False, jobs=jobs,
        watch=lambda policy, share: told.append((policy, share)),
    )  # fmt: skip
    alone = [compare(_shift(scene, seed), players, compiled=None, timer=TIMER).scores for seed in (0, 1, 2)]
    assert [_plain(scores) for _, scores in others] == [_plain(scores) for scores in alone[1:]]
    comparison = over_seeds(first, others)
    for place, run in enumerate(comparison.runs):
        assert run.over_seeds.seeds == (0, 1, 2)
        assert run.over_seeds.gpu_hours == estimate([scores[place].gpu_hours for scores in alone])
        assert run.over_seeds.ttft_p99_seconds == estimate([scores[place].ttft_seconds.p99 for scores in alone])
        assert set(run.to_json()["seeds"]) == {"seeds", "slo_attainment", "gpu_hours", "ttft_p99_seconds"}
    assert told[-1][1] == 1.0


def test_a_seed_that_was_stopped_does_not_count(make):
    """Only seeds that were played whole are in the estimates."""
    scene = make()
    players = contestants("fixed:1", scene)

    def watch(policy, share):
        if policy.endswith("seed 2") and share > 0.5:
            raise KeyboardInterrupt

    options = {"timer": TIMER, "use_compiled": False, "jobs": 1, "watch": watch}
    assert [seed for seed, _ in play_seeds(partial(_shift, scene), players, [1, 2, 3], **options)] == [1]


def test_the_interval_of_equal_results_is_a_point(make):
    """A fixed fleet without cold starts costs the same under every seed."""
    scene = make(initialReplicas=2, horizonSeconds=600)
    players = contestants("fixed:2", scene)
    first = compare(scene, players, compiled=None, timer=TIMER)
    others = play_seeds(
        partial(_shift, scene), players, [1, 2], timer=TIMER, use_compiled=False, jobs=1, watch=lambda _, __: None
    )
    hours = over_seeds(first, others).runs[0].over_seeds.gpu_hours
    assert (hours.mean, hours.half_width) == (pytest.approx(1200 / 3600), pytest.approx(0.0))
    assert not math.isnan(hours.half_width)
    assert np.isfinite(hours.mean)
