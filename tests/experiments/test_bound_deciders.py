"""No decider gets below the bound: not a fixed fleet, and not the native engine."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoscaler.experiments.bound import bound_gpu_hours, shortest_start_seconds
from autoscaler.experiments.compare import compare
from autoscaler.experiments.contestants import contestants

pytest.importorskip("scipy")

PRESETS = ("l4-llama-3.1-8b", "t4-8b-int4", "h100-llama-2-7b")


@st.composite
def specs(draw):
    """Draw a scenario of a few minutes, and the name of a contestant."""
    generator = {
        "requestsPerSecond": draw(st.sampled_from([0.05, 0.5, 3.0])),
        "durationSeconds": 200,
        "promptTokens": {"mean": draw(st.sampled_from([50, 700]))},
        "outputTokens": {"mean": draw(st.sampled_from([3, 60]))},
    }
    if draw(st.booleans()):
        generator["diurnal"] = {"amplitude": 1.0, "periodSeconds": 100}
    return {
        "preset": draw(st.sampled_from(PRESETS)),
        "objective": {"ttftSeconds": draw(st.sampled_from([1, 5])), "tpotSeconds": draw(st.sampled_from([0.1, 0.4]))},
        "coldStart": {"seconds": draw(st.sampled_from([5, 40])), "jitter": draw(st.sampled_from([0.0, 0.4]))},
        "initialReplicas": draw(st.integers(1, 3)),
        "minReplicas": draw(st.integers(0, 2)),
        "traffic": {"generator": generator},
        "seed": draw(st.integers(0, 1000)),
    }, draw(st.sampled_from(["llm-interactive", "fixed:0", "fixed:1", "fixed:2", "fixed:4"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=specs(), windows=st.sampled_from([5, 40]))
def test_no_decider_beats_the_bound(make, drawn, windows):
    """Held to the share of requests that it served in time itself, every decider bills at least the bound."""
    spec, name = drawn
    scene = make(**spec)
    result = compare(scene, contestants(name, scene), compiled=None, timer=lambda: 0.0).scores[0]
    bound = bound_gpu_hours(
        scene.trace,
        scene.model,
        scene.objective,
        cold_start_seconds=shortest_start_seconds(scene, starts=50),
        horizon_seconds=scene.course.horizon_seconds,
        gpus_per_replica=scene.gpus_per_replica,
        attainment=result.slo_attainment,
        initial_replicas=scene.course.initial_replicas,
        minimum_replicas=min(scene.min_replicas, int(name[6:])) if name.startswith("fixed") else scene.min_replicas,
        windows=windows,
    )
    assert result.cold_starts <= 50
    assert bound.status == "optimal"
    assert bound.gpu_hours <= result.gpu_hours * (1 + 1e-9) + 1e-9


def test_a_fleet_that_begins_below_the_minimum_pays_for_what_it_had(make):
    """Until its first tick it bills the count of the beginning, and the bound does not ask for more."""
    scene = make(
        initialReplicas=1, minReplicas=3, traffic={"generator": {"requestsPerSecond": 1, "durationSeconds": 60}}
    )
    result = compare(scene, contestants("fixed:3", scene), compiled=None, timer=lambda: 0.0).scores[0]
    bound = bound_gpu_hours(
        scene.trace, scene.model, scene.objective, cold_start_seconds=1.0,
        horizon_seconds=scene.course.horizon_seconds, initial_replicas=1, minimum_replicas=3,
    )  # fmt: skip
    assert bound.gpu_hours <= result.gpu_hours


def test_the_shortest_start_is_the_shortest_drawn(make):
    """It is what the scene's own replicas draw, after those of the beginning, and the median where nothing is drawn."""
    scene = make(initialReplicas=2, coldStart={"seconds": 80, "jitter": 0.2})
    fleet = scene.fleet(None)
    fleet.scale_to(22, 0.0)
    starts = [replica.ready_at for replica in fleet.replicas()]
    assert starts[:2] == [0.0, 0.0]
    assert shortest_start_seconds(scene, starts=20) == min(starts[2:]) < 80
    assert shortest_start_seconds(make(coldStart={"seconds": 80, "jitter": 0.0})) == pytest.approx(80.0)
