"""Scores: what is counted, what is billed, and what the JSON holds."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from autoscaler.errors import DocumentError, UsageError
from autoscaler.experiments.compare import compare
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.score import attained, spread
from autoscaler.simulator.fleet import Results, compiled_kernel

AZURE = Path(__file__).parents[3] / "shared" / "traces" / "azure-llm-2023-conv.csv.xz"
SPREAD = {"mean", "p50", "p90", "p99", "max"}
RESULT = {
    "policy", "requests", "completed", "rejected", "timed_out", "unfinished", "failed", "slo_attainment",
    "ttft_seconds", "tpot_seconds", "e2e_seconds", "gpu_hours", "cost_usd", "cost_per_1k_requests_usd",
    "bound_gpu_hours", "oracle_gpu_hours", "scale_ups", "scale_downs", "cold_starts", "max_replicas", "mean_replicas",
    "mean_utilization", "wall_seconds", "decide_seconds",
}  # fmt: skip
POLICY = """
apiVersion: autoscaler.inference.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: own}
spec: {rules: [{type: pendingRequests, targetPerReplica: 8}]}
"""


def _compare(scene, *names, compiled=None):
    players = [player for name in names for player in contestants(name, scene)]
    return compare(scene, players, compiled=compiled, timer=itertools.count(0.0).__next__)


def test_the_json_is_as_documented(make):
    """Exactly the documented keys, null for what is not known, and no NaN."""
    text = json.dumps(_compare(make(seed=3), "fixed:1", "llm-interactive").to_json(), allow_nan=False)
    found = json.loads(text)
    assert {"schema_version", "scenario", "preset", "seed", "objective", "trace", "results"} == set(found)
    assert {"ttft_seconds", "tpot_seconds"} == set(found["objective"])
    assert {"requests", "duration_seconds"} == set(found["trace"])
    assert [result["policy"] for result in found["results"]] == ["fixed:1", "llm-interactive"]
    for result in found["results"]:
        assert set(result) == RESULT
        assert all(set(result[name]) == SPREAD for name in ("ttft_seconds", "tpot_seconds", "e2e_seconds"))
        assert (result["bound_gpu_hours"], result["oracle_gpu_hours"]) == (None, None)


def test_a_fixed_fleet_is_billed_from_start_to_horizon(make):
    """Three replicas for 600 s at 2 GPUs each are an hour of GPU; nothing else is billed, and nothing scales."""
    scene = make(initialReplicas=3, horizonSeconds=600, prices={"gpusPerReplica": 2, "gpuHourUsd": 3})
    (result,) = _compare(scene, "fixed:3").scores
    assert (result.gpu_hours, result.cost_usd, result.mean_replicas, result.max_replicas) == (1.0, 3.0, 3.0, 3)
    assert (result.scale_ups, result.scale_downs, result.cold_starts) == (0, 0, 0)


def test_starting_and_draining_replicas_are_billed(make):
    """A replica that is added at the first tick is billed from then on, although it serves later."""
    scene = make(initialReplicas=1, horizonSeconds=600, coldStart={"seconds": 80, "jitter": 0})
    (result,) = _compare(scene, "fixed:2").scores
    assert pytest.approx(result.gpu_hours) == (600 + 585) / 3600
    assert (result.scale_ups, result.cold_starts, result.max_replicas) == (1, 1, 2)


def test_every_request_is_accounted_for(make):
    """In overload, the completed, rejected, timed out and unfinished are all the requests, and the missed ones miss."""
    scene = make(
        traffic={"generator": {"requestsPerSecond": 80, "durationSeconds": 120}},
        overload={"queueLimit": 50, "clientTimeoutSeconds": 3},
        preset="l4-llama-3.1-8b",
        horizonSeconds=122,
    )
    (result,) = _compare(scene, "fixed:1").scores
    fates = (result.completed, result.rejected, result.timed_out, result.unfinished)
    assert all(fates)
    assert len(scene.trace.arrival_seconds) == sum(fates)
    assert result.slo_attainment <= result.completed / result.requests


def test_the_objective_counts_first_token_and_decode_time():
    """Late first tokens, slow decoding and everything unfinished miss; decoding within a second never does."""
    nan = math.nan
    results = Results(
        arrival=np.zeros(6),
        first_token=np.array([2.0, 2.1, 1.0, 1.0, 1.0, nan]),
        finish=np.array([3.0, 3.0, 1.9, 6.1, 5.9, 5.0]),
        outcome=np.array([1, 1, 1, 1, 1, 3], np.int8),
        prompt_tokens=np.full(6, 10, np.int32),
        output_tokens=np.array([5, 5, 2, 101, 101, 5], np.int32),
    )
    assert attained(results, 2.0, 0.05).tolist() == [True, False, True, False, True, False]


def test_spreads_without_values_are_unknown():
    """No request, no number."""
    assert all(map(math.isnan, spread(np.empty(0))))
    assert pytest.approx(spread(np.array([1.0, 2.0, 3.0]))) == (2.0, 2.0, 2.8, 2.98, 3.0)


def test_policies_come_from_files_and_the_library(make, tmp_path):
    """A file stands for each policy in it, a name for one of the library."""
    scene, path = make(), tmp_path / "own.yaml"
    path.write_text(POLICY + "---" + POLICY.replace("own", "other"))
    assert [player.name for player in contestants(str(path), scene)] == ["own", "other"]
    assert [player.name for player in contestants("llm-interactive", scene)] == ["llm-interactive"]


@pytest.mark.parametrize("name", ["fixed:", "fixed:x", "fixed:-1", "fixed:999", "llm-interactiv", "fixed"])
def test_unknown_policies_are_usage_errors(make, name):
    """A policy that does not exist is named with what there is."""
    with pytest.raises(UsageError, match="must be"):
        contestants(name, make())


def test_files_without_a_policy_are_document_errors(make, tmp_path):
    """A missing file, and one that holds something else, are errors with the file's name."""
    with pytest.raises(DocumentError, match=r"nothing\.yaml"):
        contestants(str(tmp_path / "nothing.yaml"), make())


def _stop_at(share):
    """Return a watch that asks to stop once so much is done."""

    def watch(_policy, done):
        if done >= share:
            raise KeyboardInterrupt

    return watch


def test_a_stopped_comparison_says_so_and_scores_what_was_simulated(make):
    """The run under way counts what arrived and cost until then; later policies are not run."""
    scene = make(initialReplicas=2, horizonSeconds=600)
    players = [player for name in ("fixed:2", "fixed:3") for player in contestants(name, scene)]
    comparison = compare(scene, players, compiled=None, timer=lambda: 0.0, watch=_stop_at(0.25))
    (run,) = comparison.runs
    found = comparison.to_json()
    assert (found["partial"], found["results"][0]["partial"], found["results"][0]["simulated_seconds"]) == (
        True,
        True,
        150.0,
    )
    assert run.score.requests == int((scene.trace.arrival_seconds <= 150.0).sum())
    assert run.score.gpu_hours == pytest.approx(2 * 150 / 3600)
    assert run.score.mean_replicas == pytest.approx(2.0)


def test_a_wish_to_stop_at_the_horizon_leaves_a_whole_run(make):
    """What was finished when somebody asked to stop is not called partial; what was not begun is missing."""
    scene = make()
    players = [player for name in ("fixed:1", "fixed:2") for player in contestants(name, scene)]
    one = compare(scene, players[:1], compiled=None, timer=lambda: 0.0, watch=_stop_at(1.0))
    two = compare(scene, players, compiled=None, timer=lambda: 0.0, watch=_stop_at(1.0))
    assert (one.partial, two.partial) == (False, True)
    assert [run.stopped_at for run in two.runs] == [None]
    assert one.scores == two.scores


def test_both_modes_give_the_same_scores(make):
    """The compiled kernel and plain Python agree on every figure of a run that scales."""
    compiled = compiled_kernel()
    if compiled is None:
        pytest.skip("numba is not installed")
    scene = make(traffic={"generator": {"requestsPerSecond": 20, "durationSeconds": 200}}, router="PowerOfTwo")
    assert _compare(scene, "llm-interactive") == _compare(scene, "llm-interactive", compiled=compiled)


@pytest.mark.skipif(not AZURE.exists(), reason="the recorded traces are not here")
def test_the_conversation_hour_is_replayed_whole(make):
    """All 19,366 requests of the Azure conversation trace are accounted for, and the policy attains the objective."""
    scene = make(trace_path=AZURE)
    (result,) = _compare(scene, "llm-interactive", compiled=compiled_kernel()).scores
    assert result.requests == 19_366
    assert result.requests == result.completed + result.rejected + result.timed_out + result.unfinished
    assert result.slo_attainment > 0.99
