"""Upstream's own tables for the Knative Pod Autoscaler."""

from __future__ import annotations

import pytest

from autoscaler.peers.knative_autoscaler import KpaSpec, KpaState, resolve_target, start, tick
from autoscaler.peers.knative_scaler import Phase, Revision, ScalerRules, scale_to
from autoscaler.peers.knative_window import bucket_of, buckets_in, largest, put
from tests.conformance.table import load, of_kind

TABLE = load("knative_kpa.json")
KINDS = ("kpa_sequence", "kpa_create", "max_window", "time_window", "resolve_target", "scaler")


def spec(fields) -> KpaSpec:
    """Return the decider spec of a case."""
    return KpaSpec(
        fields["target_value"],
        fields["total_value"],
        fields["target_burst_capacity"],
        fields["panic_threshold"],
        fields["max_scale_up_rate"],
        fields["max_scale_down_rate"],
        fields["stable_window_s"],
        fields["activation_scale"],
        fields["scale_down_delay_s"],
        fields["reachable"],
    )


def test_the_table_is_whole():
    """All sixty-nine cases are run, none is lost on loading."""
    assert [len(of_kind(TABLE, kind)) for kind in KINDS] == [21, 3, 7, 3, 14, 21]


@pytest.mark.parametrize("case", of_kind(TABLE, "kpa_sequence"))
def test_sequences(case):
    """Tick by tick, the scale, the burst capacity and the panic are upstream's."""
    state, rules = start(case["initial_ready_pods"], 0.0), spec(case["spec"])
    if "initial_state" in case:
        state = KpaState(case["initial_state"]["panic_since"], case["initial_state"]["max_panic_pods"])
    for step in case["steps"]:
        rules = spec(step["update_spec"]) if "update_spec" in step else rules
        expected = step["expected"]
        assert expected["valid"] is not (bool(step.get("metrics_error")) or bool(step.get("pod_count_error")))
        if not expected["valid"]:
            continue  # the decider has nothing to call the arithmetic with; its own tests say that it holds
        scale, state = tick(rules, state, step["ready_pods"], step["stable"], step["panic"], step["t"])
        assert scale.replicas == expected["scale"]
        assert scale.excess_burst_capacity == pytest.approx(expected["excess_burst_capacity"], abs=1)
        if "in_panic" in expected:
            assert (state.panic_since is not None) is expected["in_panic"]
        if "panic_since" in expected:
            assert state.panic_since == expected["panic_since"]


@pytest.mark.parametrize("case", of_kind(TABLE, "kpa_create"))
def test_creation(case):
    """A new autoscaler panics if there is more than one ready pod, and remembers how many there are."""
    state, expected = start(case["initial_ready_pods"], 5.0), case["expected"]
    assert state.max_panic_pods == expected["max_panic_pods"]
    assert ("in_panic" not in expected) or (state.panic_since is not None) is expected["in_panic"]


@pytest.mark.parametrize("case", of_kind(TABLE, "max_window"))
def test_max_window(case):
    """The window's maximum after each value is upstream's."""
    window, found = {}, []
    for index, value in zip(case["indices"], case["values"], strict=True):
        window = put(window, case["buckets"], index, value)
        found.append(largest(window))
    assert found == case["expected_current_after_each"]


@pytest.mark.parametrize("case", of_kind(TABLE, "time_window"))
@pytest.mark.parametrize("phase", [0.0, 0.3])
def test_time_window(case, phase):
    """Times fall into buckets as upstream's do, whatever the phase of the clock."""
    if phase and any(record["t"] % 1 for record in case["records"]):
        phase = 0.0  # half seconds share a bucket with the second before at phase 0 only
    granularity, window = case["granularity_s"], {}
    for record in case["records"]:
        index = bucket_of(1_700_000_000.0 + phase + record["t"], granularity)
        window = put(window, buckets_in(case["duration_s"], granularity), index, record["value"])
    assert largest(window) == case["expected_current"]


@pytest.mark.parametrize("case", of_kind(TABLE, "resolve_target"))
def test_targets(case):
    """The target per pod comes from the annotation, the hard limit and the defaults as upstream's does."""
    given, config = case["input"], case["config"]
    by_rate = given["metric"] == "rps"
    percent = given["target_utilization_percent_annotation"]
    utilization = config["target_utilization" if by_rate else "container_concurrency_target_fraction"]
    target, total = resolve_target(
        config["rps_target_default" if by_rate else "container_concurrency_target_default"],
        utilization if percent is None else percent / 100,
        given["target_annotation"],
        0.0 if by_rate else given["container_concurrency"],
    )
    assert (target, total) == (pytest.approx(case["expected"]["target"]), case["expected"]["total"])


@pytest.mark.parametrize("case", of_kind(TABLE, "scaler"))
def test_scaler(case):
    """From active over inactive to zero, each step is taken when upstream takes it."""
    given, expected = case["input"], case["expected"]
    config, pa = given["config"], given["pa"]

    def given_or(annotation, default):
        return config[default] if pa[annotation] is None else pa[annotation]

    deadline = given_or("progress_deadline_annotation_s", "progress_deadline_s")
    rules = ScalerRules(
        given["min_scale"] or config["min_scale"],
        given["max_scale"] or config["max_scale"],
        given_or("initial_scale_annotation", "initial_scale"),
        given_or("window_annotation_s", "stable_window_s"),
        config["scale_to_zero_grace_period_s"],
        given_or("retention_annotation_s", "pod_retention_s"),
        deadline + config["activation_timeout_buffer_s"],
        config["enable_scale_to_zero"],
        given_or("target_burst_capacity_annotation", "target_burst_capacity") == -1,
        pa["reachability"] != "unreachable",
    )
    revision = Revision(
        given["start_replicas"],
        Phase(pa["status"]),
        pa["status_age_s"],
        given["sks"]["proxy_for_s"],
        pa["scale_target_initialized"],
    )

    def probe() -> bool:
        assert given["activator_probe"] != "must_not_be_called"
        return given["activator_probe"] == "ok"

    found = scale_to(given["scale_to"], rules, revision, probe)
    patches = found.applies and found.replicas != given["start_replicas"]
    assert (found.replicas, patches) == (expected["replicas"], expected["patches_scale"])
    if "reenqueue_calls" in expected:
        assert found.looks_again is bool(expected["reenqueue_calls"])
