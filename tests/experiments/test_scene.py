"""From a Scenario document to what is played."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from autoscaler.errors import TraceError, UsageError

CSV = "arrival_seconds,prompt_tokens,output_tokens\n1,100,10\n5,200,20\n9,300,30\n"


def _startups(scene, replicas):
    fleet = scene.fleet(None)
    fleet.scale_to(replicas, 0.0)
    return [entry.ready_at for entry in fleet.roster()]


def test_what_a_scenario_says_arrives_where_it_belongs(make):
    """Objective, bounds, horizon, overload, cold start, router and prices are those of the document."""
    scene = make(
        preset="h100-llama-3.1-70b-fp8-tp2",
        objective={"ttftSeconds": 3, "tpotSeconds": 0.1},
        initialReplicas=2,
        minReplicas=0,
        maxReplicas=7,
        gpuQuota=8,
        horizonSeconds=500,
        overload={"queueLimit": 9, "clientTimeoutSeconds": 30},
        coldStart={"preset": "cold-caches", "jitter": 0},
        prices={"gpuHourUsd": 4},
        router="PowerOfTwo",
    )
    assert scene.objective == (3.0, 0.1)
    assert (scene.min_replicas, scene.max_replicas, scene.gpus_per_replica, scene.gpu_hour_usd) == (0, 7, 2, 4.0)
    assert (
        scene.course.horizon_seconds,
        scene.course.initial_replicas,
        scene.course.startup_seconds,
        scene.course.replicas_quota,
    ) == (500.0, 2, 300.0, 4)
    assert (scene.model.router, scene.model.queue_limit, scene.model.timeout_seconds) == (2, 9, 30.0)
    assert pytest.approx(_startups(scene, 4)) == [0.0, 0.0, 300.0, 300.0]


def test_the_horizon_leaves_time_for_the_last_requests(make):
    """Without a horizon of its own, a scenario ends five minutes after the last arrival."""
    scene = make()
    assert scene.trace.duration_seconds + 300 == scene.course.horizon_seconds


def test_the_seed_decides_traffic_and_cold_starts(make):
    """Another seed gives other traffic and other cold starts; the same one gives the same."""
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    np.testing.assert_array_equal(one.trace.arrival_seconds, same.trace.arrival_seconds)
    assert _startups(one, 5) == _startups(same, 5)
    assert len(one.trace.arrival_seconds) != len(other.trace.arrival_seconds)
    assert all(a != b for a, b in itertools.islice(zip(_startups(one, 5), _startups(other, 5), strict=True), 1, None))


def test_a_recorded_trace_is_found_beside_the_scenario(make, tmp_path):
    """A relative path is looked for beside the scenario's file; window and pace are applied."""
    (tmp_path / "own.csv").write_text(CSV)
    traffic = {"trace": {"path": "own.csv", "rateScale": 2, "windowSeconds": [1, 9]}}
    assert make(folder=tmp_path, traffic=traffic).trace.arrival_seconds.tolist() == [0.0, 2.0]


def test_another_trace_takes_the_place_of_the_traffic(make, tmp_path):
    """A trace from the command line replaces whatever traffic the scenario has."""
    (tmp_path / "other.csv").write_text(CSV)
    assert make(trace_path=tmp_path / "other.csv").trace.arrival_seconds.tolist() == [1.0, 5.0, 9.0]


def test_what_cannot_be_played_says_so(make, tmp_path):
    """Unknown presets and empty windows name what is wrong and what there is."""
    with pytest.raises(UsageError, match=r"h100-llama-3\.1-8b"):
        make(preset="h100")
    with pytest.raises(UsageError, match="cold-node"):
        make(coldStart={"preset": "icy"})
    (tmp_path / "own.csv").write_text(CSV)
    with pytest.raises(TraceError, match="no request"):
        make(folder=tmp_path, traffic={"trace": {"path": "own.csv", "windowSeconds": [100, 200]}})
