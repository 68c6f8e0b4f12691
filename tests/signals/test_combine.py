"""From pods to one signal: which quality, which value, who is missing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.engine.observation import Quality, Signal, SignalRequest
from autoscaler.signals.backends import TGI, VLLM
from autoscaler.signals.combine import PodReading, PodState, combine, counter_readings
from autoscaler.signals.exporters import CADVISOR, DCGM
from autoscaler.signals.preset import Form, Preset, Term

WAITING, RUNNING = Term("waiting", Form.VALUE), Term("running", Form.VALUE)
TTFT = Term("first_token", Form.BUCKETS)
BUSY = Term("busy", Form.VALUE)
KV = Term("kv_cache", Form.VALUE)
INF = math.inf


def pod(
    name: str, state: PodState = PodState.FRESH, *, ready: bool = True, at: float = 100.0, **values: Any
) -> PodReading:
    """Return a reading whose values are given by series."""
    terms = {"waiting": WAITING, "running": RUNNING, "first_token": TTFT, "busy": BUSY, "kv_cache": KV}
    return PodReading(name, ready, state, at, {terms[series]: value for series, value in values.items()})


def signal(preset: Preset, request: SignalRequest, *pods: PodReading, caveat: str = "") -> Signal:
    """Return the preset's signal over these pods, with a window of 100 s."""
    return combine(request, preset, preset.signals[request.name], pods, 100.0, caveat)


QUEUE, PENDING = SignalRequest("queueDepth"), SignalRequest("pendingRequests")
FRESH, STALE, UNSEEN, FAILED = PodState.FRESH, PodState.STALE, PodState.UNSEEN, PodState.FAILED


@pytest.mark.parametrize(
    ("pods", "quality", "value", "missing"),
    [
        pytest.param([], Quality.NO_PODS, None, 0, id="zero replicas"),
        pytest.param([pod("a", UNSEEN, ready=False)], Quality.NO_PODS, None, 0, id="only starting pods"),
        pytest.param([pod("a", waiting=3.0), pod("b", waiting=4.0)], Quality.OK, 7.0, 0, id="a sum"),
        pytest.param([pod("a", waiting=0.0)], Quality.OK, 0.0, 0, id="zero is a value"),
        pytest.param([pod("a", waiting=3.0), pod("b", UNSEEN)], Quality.PARTIAL, 3.0, 1, id="one unseen"),
        pytest.param([pod("a", waiting=3.0), pod("b", STALE, waiting=9.0)], Quality.PARTIAL, 3.0, 1, id="one stale"),
        pytest.param([pod("a", waiting=3.0), pod("b", FAILED)], Quality.PARTIAL, 3.0, 1, id="one failed"),
        pytest.param([pod("a", waiting=3.0), pod("b")], Quality.PARTIAL, 3.0, 1, id="one without the series"),
        pytest.param([pod("a", waiting=3.0), pod("b", waiting=math.nan)], Quality.PARTIAL, 3.0, 1, id="one NaN"),
        pytest.param([pod("a", waiting=3.0), pod("b", UNSEEN, ready=False)], Quality.OK, 3.0, 0, id="one starting"),
        pytest.param(
            [pod("a", waiting=3.0), pod("b", ready=False, waiting=2.0)], Quality.OK, 5.0, 0, id="not ready, but serving"
        ),
        pytest.param([pod("a", UNSEEN), pod("b", UNSEEN)], Quality.EMPTY, None, 2, id="none seen"),
        pytest.param([pod("a"), pod("b", UNSEEN)], Quality.EMPTY, None, 2, id="none with the series"),
        pytest.param([pod("a", STALE, waiting=1.0), pod("b")], Quality.STALE, None, 2, id="all old or absent"),
        pytest.param([pod("a", waiting=math.nan)], Quality.NAN, None, 1, id="all NaN"),
        pytest.param([pod("a", waiting=math.inf)], Quality.NAN, None, 1, id="infinite"),
        pytest.param([pod("a", FAILED), pod("b", STALE), pod("c")], Quality.ERROR, None, 3, id="the gravest reason"),
    ],
)
def test_quality_of_a_sum(pods: list[PodReading], quality: Quality, value: float | None, missing: int) -> None:
    """Only complete and fresh answers are ok; what is missing counts 0, and what is unknown has no value."""
    result = signal(VLLM, QUEUE, *pods)
    assert (result.quality, result.value, result.missing) == (quality, value, missing)
    assert bool(result.detail) == (quality is not Quality.OK)


def test_pending_is_waiting_and_running() -> None:
    """A pod contributes both numbers or is missing: half of them would be a wrong sum."""
    whole = pod("a", waiting=3.0, running=5.0)
    assert signal(VLLM, PENDING, whole).value == 8.0
    half = signal(VLLM, PENDING, whole, pod("b", waiting=7.0))
    assert (half.quality, half.value, half.missing, half.pods) == (Quality.PARTIAL, 8.0, 1, 1)


def test_absence_is_zero_only_where_the_preset_says_so_and_the_pod_was_seen() -> None:
    """TGI's series appear at first use; vLLM's are always there."""
    assert signal(TGI, PENDING, pod("a")).value == 0.0
    assert signal(TGI, PENDING, pod("a")).quality is Quality.OK
    assert signal(TGI, PENDING, pod("a", UNSEEN)).quality is Quality.EMPTY
    assert signal(TGI, PENDING, pod("a", STALE)).quality is Quality.STALE
    assert signal(TGI, PENDING, pod("a", FAILED)).quality is Quality.ERROR
    assert signal(VLLM, PENDING, pod("a")).quality is Quality.EMPTY


def test_a_caveat_makes_ok_partial_and_nothing_else() -> None:
    """A partial response may lack anything: it is no evidence for less."""
    doubtful = signal(VLLM, QUEUE, pod("a", waiting=3.0), caveat="store down")
    assert (doubtful.quality, doubtful.value, doubtful.detail) == (Quality.PARTIAL, 3.0, "store down")
    assert signal(VLLM, QUEUE, caveat="store down").quality is Quality.NO_PODS


def test_mean_is_over_ready_pods_and_the_missing_count_zero() -> None:
    """GPU use: a pod that loads weights does not dilute it, one that is missing does, as for an HPA when raising."""
    request = SignalRequest("gpuUtilization")
    result = signal(DCGM, request, pod("a", busy=90.0), pod("b", busy=70.0), pod("c", ready=False, busy=0.0))
    assert (result.value, result.quality, result.unit) == (80.0, Quality.OK, "percent")
    result = signal(DCGM, request, pod("a", busy=90.0), pod("b", UNSEEN))
    assert (result.value, result.quality) == (45.0, Quality.PARTIAL)


def test_max_is_the_fullest_pods() -> None:
    """KV use is the worst replica's."""
    result = signal(VLLM, SignalRequest("kvCacheUtilization"), pod("a", kv_cache=20.0), pod("b", kv_cache=95.0))
    assert result.value == 95.0


def test_quantile_is_of_the_merged_histogram() -> None:
    """Buckets are added over the pods; samples are the requests within the window."""
    request = SignalRequest("timeToFirstToken", 0.5)
    fast, slow = {1.0: 0.2, 4.0: 0.2, INF: 0.2}, {1.0: 0.0, 4.0: 0.6, INF: 0.6}
    result = signal(VLLM, request, pod("a", first_token=fast), pod("b", first_token=slow))
    assert result.value == pytest.approx(1 + 3 * 0.2 / 0.6)
    assert result.samples == pytest.approx(80)
    assert (result.name, result.unit, result.quality) == ("timeToFirstToken:0.5", "seconds", Quality.OK)


def test_quantile_without_traffic_is_nan() -> None:
    """No request is no latency, and not a good one."""
    result = signal(VLLM, SignalRequest("timeToFirstToken", 0.99), pod("a", first_token={1.0: 0.0, INF: 0.0}))
    assert (result.quality, result.value, result.samples) == (Quality.NAN, None, 0.0)
    assert "no request" in result.detail
    absent = signal(TGI, SignalRequest("endToEnd", 0.99), pod("a"))
    assert (absent.quality, absent.samples) == (Quality.NAN, 0.0)


def test_latency_needs_a_quantile() -> None:
    """Asked for without one, it says what is missing."""
    result = signal(VLLM, SignalRequest("timeToFirstToken"), pod("a", first_token={1.0: 1.0, INF: 1.0}))
    assert result.quality is Quality.NAN
    assert "needs a quantile" in result.detail


def test_taken_at_is_the_newest_samples() -> None:
    """Of several pods, the newest; of a stale one, when it was last seen."""
    assert signal(VLLM, QUEUE, pod("a", at=90.0, waiting=1.0), pod("b", at=97.0, waiting=1.0)).taken_at == 97.0
    assert signal(VLLM, QUEUE, pod("a", STALE, at=40.0)).taken_at == 40.0


def test_detail_names_few_pods() -> None:
    """A thousand missing pods do not fill a log line."""
    result = signal(VLLM, QUEUE, pod("a", waiting=1.0), *(pod(f"pod-{i}", UNSEEN) for i in range(1000)))
    assert "pod-0, pod-1, pod-2 and 997 more showed no such series" in result.detail
    assert len(result.detail) < 100


def test_counter_readings_are_those_that_count() -> None:
    """A tally gets what contributes, absent ones of TGI as 0, and nothing of pods that are stale."""
    done = Term("completed", Form.VALUE)
    readings = [PodReading("a", True, FRESH, 1.0, {done: 5.0}), PodReading("b", True, FRESH, 1.0, {})]
    readings.append(PodReading("c", True, STALE, 1.0, {done: 9.0}))
    assert counter_readings(TGI, TGI.signals["completedRequests"], readings) == {"a": 5.0, "b": 0.0}
    assert counter_readings(VLLM, VLLM.signals["completedRequests"], readings) == {"a": 5.0}


states = st.sampled_from(PodState)
pods = st.builds(
    lambda state, ready, waiting: pod("p", state, ready=ready, **({} if waiting is None else {"waiting": waiting})),
    states,
    st.booleans(),
    st.none() | st.floats(0, 1000) | st.just(math.nan),
)


@given(readings=st.lists(pods, max_size=8))
def test_ok_means_that_every_ready_pod_spoke(readings: list[PodReading]) -> None:
    """Whatever the pods do: ok iff no ready pod is missing, a value iff ok or partial, and never more than was read."""
    result = signal(VLLM, QUEUE, *readings)
    speaking = [
        r.values[WAITING] for r in readings if r.state is FRESH and not math.isnan(r.values.get(WAITING, math.nan))
    ]
    assert result.missing == sum(r.ready for r in readings) - sum(
        r.ready and r.state is FRESH and not math.isnan(r.values.get(WAITING, math.nan)) for r in readings
    )
    assert (result.value is not None) == (result.quality in (Quality.OK, Quality.PARTIAL)) == bool(speaking)
    if speaking:
        assert result.value == pytest.approx(math.fsum(speaking))
        assert (result.quality is Quality.OK) == (result.missing == 0)


CPU_USED, CPU_ASKED = Term("used", Form.RATE), Term("requested", Form.VALUE)


@pytest.mark.parametrize(
    ("second", "quality", "value"),
    [
        ({CPU_USED: 100.0, CPU_ASKED: 2.0}, Quality.OK, 75.0),
        ({CPU_USED: 0.0, CPU_ASKED: 2.0}, Quality.OK, 50.0),
        ({CPU_USED: 100.0, CPU_ASKED: 0.0}, Quality.PARTIAL, 50.0),
        ({CPU_USED: 100.0}, Quality.PARTIAL, 50.0),
        ({CPU_ASKED: 2.0}, Quality.PARTIAL, 50.0),
    ],
    ids=["both", "idle", "nothing requested", "no request", "no usage"],
)
def test_a_share_is_known_only_with_both_its_numbers(second: dict[Term, float], quality: Quality, value: float) -> None:
    """The mean over the pods; one that requests nothing uses no known share of it, and not 0 %."""
    pods = [
        PodReading("a", True, FRESH, 100.0, {CPU_USED: 200.0, CPU_ASKED: 2.0}),
        PodReading("b", True, FRESH, 100.0, second),
    ]
    result = signal(CADVISOR, SignalRequest("cpuUtilization"), *pods)
    assert (result.quality, result.value) == (quality, value)
