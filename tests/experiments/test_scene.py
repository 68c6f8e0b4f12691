"""From a Scenario document to what is played."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from autoscaler.errors import TraceError, UsageError
from autoscaler.simulator.signals import Scraping

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


def test_engine_clients_failures_and_monitoring_arrive_too(make):
    """Every choice about batches, retries, stale routers, slow starts, failures and scrapes is in model and course."""
    scene = make(
        gpuQuota=6,
        overload={"gatewayLimit": 7, "retries": 3, "retryAfterSeconds": 4},
        engine={
            "maxNumSeqs": 64,
            "maxNumBatchedTokens": 2048,
            "admission": "Conservative",
            "hingeTokens": 96,
            "squareMs": 0.001,
        },
        coldStart={
            "phases": {
                "engine": {"seconds": 30, "jitter": 0},
                "weights": {"gigabytes": 16, "gigabytesPerSecond": 0.5, "openSeconds": 8, "jitter": 0},
            },
            "slowStart": {"factor": 5, "seconds": 20},
        },
        router="KvAware",
        routerStalenessSeconds=2,
        failures=[{"atSeconds": 60, "replicas": 2, "gpusBackAfterSeconds": 300}],
        monitoring={"scrapeIntervalSeconds": 5, "scrapePhaseSeconds": 1, "rateWindowSeconds": 60},
    )
    model, course = scene.model, scene.course
    assert (model.gateway_limit, model.retries, model.retry_seconds) == (7, 3, 4.0)
    assert (model.max_sequences, model.budget_tokens, model.conservative) == (64, 2048, True)
    assert (model.hinge_tokens, model.square_seconds, model.router, model.stale_seconds) == (96, 1e-6, 3, 2.0)
    assert (model.cold_factor, model.cold_seconds) == (5.0, 20.0)
    assert [phase[:2] for phase in scene.cold_start.phases] == [("weights", 40.0), ("engine", 30.0)]
    assert course.failures == ((60.0, 2, 300.0),)
    assert course.scraping == Scraping(5.0, 1.0, 60.0)


def test_a_share_of_each_prompt_may_be_in_the_cache(make, tmp_path):
    """A hit ratio takes its share of every prompt, and without one nothing is known of hits."""
    (tmp_path / "own.csv").write_text(CSV)
    scene = make(trace_path=tmp_path / "own.csv", prefixHitRatio=0.25)
    assert scene.trace.prefix_tokens.tolist() == [25, 50, 75]
    assert make().trace.prefix_tokens is None


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
