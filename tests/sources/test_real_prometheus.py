"""The presets' queries and the source against a real Prometheus that scrapes emulated backends every second."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.engine.observation import Quality, Signal
from autoscaler.signals.histogram import quantile
from autoscaler.signals.query import SignalQuery
from autoscaler.sources.prometheus import PrometheusSource
from autoscaler.sources.timing import Timing
from tests.real.prometheus import PrometheusServer, find_prometheus
from tests.real.waiting import eventually
from tests.sources.builders import pod, target
from tests.sources.fakes import FakeServer, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.sources import Target

pytestmark = pytest.mark.cluster

WINDOW_SECONDS = 8.0
TTFT_PER_SECOND = {"0.1": 2.0, "0.5": 10.0, "2.5": 18.0, "+Inf": 20.0}
"""Observations at or below each bound that each pod of `chat` adds a second."""


class World:
    """Emulated backends and the Prometheus that scrapes them."""

    def __init__(self, folder_of: Callable[[str], Any]) -> None:
        self.began = time.time()
        self.pages: dict[str, Callable[[float], str]] = PAGES
        self.down: set[str] = set()
        self._servers = {name: FakeServer(self._answer_of(name)) for name in PAGES}
        jobs = [self._job(name, labels) for name, labels in SCRAPED.items()]
        self.prometheus = PrometheusServer(find_prometheus(), folder_of("prometheus"), jobs)
        self.source = PrometheusSource(self.prometheus.url, timing=Timing(1.0, WINDOW_SECONDS, 4.0))

    def stop(self) -> None:
        self.source.close()
        self.prometheus.stop()
        for server in self._servers.values():
            server.stop()

    def signals(self, wanted: Target) -> dict[str, Signal]:
        """Return one target's signals now."""
        return dict(self.source.collect([wanted], time.time(), 10.0)[wanted.name])

    def settled(self, wanted: Target, seconds: float = 40) -> dict[str, Signal]:
        """Return one target's signals as soon as all of them are ok."""
        return eventually(
            lambda: self.signals(wanted), lambda s: all(x.quality is Quality.OK for x in s.values()), seconds
        )

    def fill_window(self) -> None:
        """Return when all were scraped for a whole window: until then Prometheus' rates are too low."""
        behind = f"count_over_time(up[{WINDOW_SECONDS:g}s]) < {WINDOW_SECONDS:g}"
        eventually(lambda: self.prometheus.query("up"), lambda rows: len(rows) == len(PAGES))
        eventually(lambda: self.prometheus.query(behind), lambda rows: not rows)

    def _answer_of(self, name: str) -> Callable[..., None]:
        def answer(handler: Any, _: str) -> None:
            if name in self.down:
                send(handler, "", 503)
            else:
                send(handler, self.pages[name](time.time() - self.began), content_type="text/plain; version=0.0.4")

        return answer

    def _job(self, name: str, labels: dict[str, str]) -> dict[str, Any]:
        address = f"127.0.0.1:{self._servers[name].port}"
        labels = dict(labels)
        honor = labels.pop("honor_labels", "") == "true"
        config = [{"targets": [address], "labels": labels}]
        return {"job_name": name, "honor_labels": honor, "static_configs": config}


def vllm_page(waiting: float, running: float, cache: dict[str, float], speed: float) -> Callable[[float], str]:
    """Return a page of vLLM whose counters rise steadily; the cache's gauge under the names given."""

    def page(seconds: float) -> str:
        label = 'engine="0",model_name="m"'
        lines = [
            "# TYPE vllm:num_requests_waiting gauge",
            f"vllm:num_requests_waiting{{{label}}} {waiting}",
            f"vllm:num_requests_running{{{label}}} {running}",
            f'vllm:num_requests_running{{engine="1",model_name="m"}} {running}',
            "# TYPE vllm:request_success_total counter",
            f'vllm:request_success_total{{{label},finished_reason="stop"}} {1000 + speed * 4 * seconds}',
            f'vllm:request_success_total{{{label},finished_reason="abort"}} {speed * seconds}',
            f"vllm:generation_tokens_total{{{label}}} {speed * 500 * seconds}",
            *(f"{name}{{{label}}} {value}" for name, value in cache.items()),
        ]
        for name in ("time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds"):
            lines.append(f"# TYPE vllm:{name} histogram")
            for le, slope in TTFT_PER_SECOND.items():
                lines.append(f'vllm:{name}_bucket{{{label},le="{le}"}} {speed * slope * seconds}')
            lines.append(f"vllm:{name}_sum{{{label}}} {seconds}")
            lines.append(f"vllm:{name}_count{{{label}}} {speed * TTFT_PER_SECOND['+Inf'] * seconds}")
        return "\n".join(lines) + "\n"

    return page


def tgi_page(seconds: float) -> str:
    """Return a page of TGI in use."""
    lines = [
        "# TYPE tgi_queue_size gauge\ntgi_queue_size 3",
        "# TYPE tgi_batch_current_size gauge\ntgi_batch_current_size 7",
        f"# TYPE tgi_request_count counter\ntgi_request_count {6 * seconds}",
        f'# TYPE tgi_request_success counter\ntgi_request_success{{method="generate"}} {5 * seconds}',
        f"# TYPE tgi_request_generated_tokens histogram\ntgi_request_generated_tokens_sum {700 * seconds}",
    ]
    for name in ("tgi_request_duration", "tgi_request_queue_duration"):
        lines.append(f"# TYPE {name} histogram")
        lines += [f'{name}_bucket{{le="{le}"}} {slope * seconds}' for le, slope in TTFT_PER_SECOND.items()]
    return "\n".join(lines) + "\n"


AWAKE: list[bool] = []
"""Not empty once `first-1` has served its first requests."""
BLANK = 9223372036854775794
BUSY, UTIL = "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_UTIL"


def gpu_page(*lines: tuple[str, str, str, float]) -> Callable[[float], str]:
    """Return a page of the GPU exporter: each line a metric, a GPU, more labels, and a value."""
    page = "".join(
        f'{name}{{gpu="{gpu}",UUID="GPU-{gpu}",device="nvidia{gpu}",modelName="H200",{labels}}} {value}\n'
        for name, gpu, labels, value in lines
    )
    return lambda seconds: page


ON_1 = 'Hostname="node-1",namespace="ml",pod="chat-1"'
ON_2 = 'hostname="node-2",namespace="ml",pod="chat-2"'
PAGES: dict[str, Callable[[float], str]] = {
    "chat-1": vllm_page(3, 5, {"vllm:kv_cache_usage_perc": 0.5, "vllm:gpu_cache_usage_perc": 0.5}, 1.0),
    "chat-2": vllm_page(4, 6, {"vllm:gpu_cache_usage_perc": 0.75}, 2.0),
    "other-1": vllm_page(50, 50, {"vllm:kv_cache_usage_perc": 1.0}, 9.0),
    "flaky-1": vllm_page(1, 1, {}, 1.0),
    "flaky-2": vllm_page(2, 1, {}, 1.0),
    "silent-1": lambda seconds: "",
    "late-1": lambda seconds: (
        f"vllm:num_requests_running 0 {round((time.time() - 60) * 1000)}\n"
        f"vllm:num_requests_waiting 0 {round((time.time() - 60) * 1000)}\n"
    ),
    "busy-1": tgi_page,
    "idle-1": lambda seconds: "# nothing yet\n",
    "first-1": lambda seconds: "tgi_request_count 5\n" if AWAKE else "",
    "sidecar-of-idle-1": lambda seconds: "# a proxy beside it\n",
    "gpus-default": gpu_page(
        (BUSY, "0", ON_1, 0.9),
        (BUSY, "1", ON_1, 0.7),
        (BUSY, "2", ON_1, BLANK),
        (UTIL, "0", ON_1, 100),
        (BUSY, "3", 'Hostname="node-1"', 0),
    ),
    "gpus-honored": gpu_page((UTIL, "0", ON_2, 40), (UTIL, "1", ON_2, BLANK), (BUSY, "0", ON_2, BLANK)),
}
SCRAPED: dict[str, dict[str, str]] = {
    name: {"namespace": "ml", "pod": name.removeprefix("sidecar-of-")} for name in PAGES if not name.startswith("gpus")
} | {
    "gpus-default": {"namespace": "gpu", "pod": "dcgm-exporter-1"},
    "gpus-honored": {"namespace": "gpu", "pod": "dcgm-exporter-2", "honor_labels": "true"},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All backends, scraped for some seconds when the first test asks for rates."""
    world = World(tmp_path_factory.mktemp)
    yield world
    world.stop()


CHAT = (pod("chat-1", node="node-1"), pod("chat-2", node="node-2"))


def test_gauges_of_vllm(world: World) -> None:
    """Both engines of a pod, both pods, the cache under its old and new name, and nobody else's pods."""
    signals = world.settled(target("chat", *CHAT, wants="queueDepth pendingRequests kvCacheUtilization"))
    assert {name: signal.value for name, signal in signals.items()} == {
        "queueDepth": 7.0,
        "pendingRequests": 7.0 + 2 * 11.0,
        "kvCacheUtilization": 75.0,
    }
    assert all(signal.pods == 2 and time.time() - signal.taken_at < 4 for signal in signals.values())


def test_rates_and_quantiles_of_vllm(world: World) -> None:
    """Rates are those of the pages; quantiles are what Prometheus' own function says; samples count the requests."""
    latencies = {
        "timeToFirstToken": "time_to_first_token_seconds",
        "endToEnd": "e2e_request_latency_seconds",
        "queueTime": "request_queue_time_seconds",
    }
    wants = "requestRate tokenRate " + " ".join(f"{name}:{q}" for name in latencies for q in (0.5, 0.9, 0.99))
    wanted = target("chat", *CHAT, wants=wants)
    world.fill_window()
    signals = world.settled(wanted)
    assert signals["requestRate"].value == pytest.approx(3 * 5, rel=0.05)
    assert signals["tokenRate"].value == pytest.approx(3 * 500, rel=0.05)
    for name, series in latencies.items():
        for q in (0.5, 0.9, 0.99):
            (row,) = world.prometheus.query(
                f'histogram_quantile({q}, sum by (le) (rate(vllm:{series}_bucket{{pod=~"chat-.*"}}[8s])))'
            )
            signal = signals[f"{name}:{q:g}"]
            assert signal.value == pytest.approx(float(row["value"][1]), rel=0.03)
            assert signal.samples == pytest.approx(3 * 20 * WINDOW_SECONDS, rel=0.05)
    assert signals["timeToFirstToken:0.5"].value == pytest.approx(0.5, rel=0.03)
    assert signals["timeToFirstToken:0.99"].value == 2.5


def test_completions_of_vllm_rise_with_the_pages(world: World) -> None:
    """The total starts at 0 for pods from before, and rises as fast as the pods complete."""
    wanted = target("counted", *CHAT, wants="completedRequests")
    began = time.time()
    first = world.settled(wanted)["completedRequests"]
    assert first.value == 0.0
    later = eventually(lambda: world.signals(wanted)["completedRequests"], lambda s: (s.value or 0) > 30)
    assert later.value is not None
    assert later.value <= 15 * (time.time() - began + 3)


def test_tgi_in_use_and_idle(world: World) -> None:
    """All signals TGI has; a pod that shows nothing is 0, as long as each of its endpoints was scraped."""
    busy = pod("busy-1")
    wants = "queueDepth pendingRequests requestRate tokenRate endToEnd:0.9 queueTime:0.9"
    world.fill_window()
    signals = world.settled(target("tgi", busy, wants=wants, backend="tgi"))
    assert signals["queueDepth"].value == 3.0
    assert signals["pendingRequests"].value == 10.0
    assert signals["requestRate"].value == pytest.approx(6, rel=0.05)
    assert signals["tokenRate"].value == pytest.approx(700, rel=0.05)
    assert signals["endToEnd:0.9"].value == pytest.approx(2.5, rel=0.03)
    idle = target("idle", pod("idle-1"), wants="pendingRequests requestRate completedRequests", backend="tgi")
    signals = world.settled(idle)
    assert {signal.value for signal in signals.values()} == {0.0}
    world.down.add("sidecar-of-idle-1")
    eventually(lambda: world.signals(idle)["pendingRequests"].quality, lambda quality: quality is Quality.EMPTY)
    world.down.clear()


def test_a_counter_that_was_just_born_has_no_rate_yet(world: World) -> None:
    """Absent it is 0; there with a single sample it is unknown, for it may have risen by anything; then it is known."""
    wanted = target("first", pod("first-1"), wants="requestRate", backend="tgi")
    assert world.settled(wanted)["requestRate"].value == 0.0
    AWAKE.append(True)
    eventually(lambda: world.signals(wanted)["requestRate"].quality, lambda quality: quality is Quality.NAN)
    assert world.settled(wanted)["requestRate"].value == 0.0


def test_gpus_in_both_forms(world: World) -> None:
    """With honorLabels and without; blank readings dropped; the older metric where the newer is blank; idle is 0."""
    wants = "gpuUtilization"
    signals = world.settled(target("chat", *CHAT, wants=wants))
    assert signals["gpuUtilization"].value == pytest.approx((80.0 + 40.0) / 2)
    assert world.signals(target("a", CHAT[0], wants=wants))["gpuUtilization"].value == pytest.approx(80.0)
    idle = world.signals(target("b", CHAT[1], pod("other-1", node="node-1"), wants=wants))["gpuUtilization"]
    assert (idle.value, idle.quality) == (20.0, Quality.OK)
    lost = world.signals(target("b", CHAT[1], pod("other-1", node="node-9"), wants=wants))["gpuUtilization"]
    assert lost.quality is Quality.PARTIAL


def test_a_pod_that_goes_down_is_missing_then_back(world: World) -> None:
    """A failed scrape ends a series at once: one of two is partial, both are unknown, and both come back."""
    wanted = target("flaky", pod("flaky-1"), pod("flaky-2"))

    def quality_after(*down: str) -> Signal:
        world.down = set(down)
        expected = {0: Quality.OK, 1: Quality.PARTIAL, 2: Quality.EMPTY}[len(down)]
        return eventually(lambda: world.signals(wanted)["queueDepth"], lambda signal: signal.quality is expected)

    assert quality_after().value == 3.0
    partial = quality_after("flaky-2")
    assert (partial.value, partial.missing) == (1.0, 1)
    assert quality_after("flaky-1", "flaky-2").value is None
    assert quality_after().value == 3.0


def test_a_page_without_the_series_is_unknown(world: World) -> None:
    """VLLM that shows nothing is no idle vLLM."""
    eventually(lambda: world.prometheus.query('up{pod="silent-1"} == 1'), bool)
    signal = world.signals(target("silent", pod("silent-1")))["queueDepth"]
    assert (signal.quality, signal.missing) == (Quality.EMPTY, 1)


def test_old_samples_are_stale(world: World) -> None:
    """Prometheus goes on to show a sample for minutes: its own time tells how old it is."""
    eventually(lambda: world.prometheus.query('vllm:num_requests_waiting{pod="late-1"}'), bool)
    signal = world.signals(target("late", pod("late-1")))["queueDepth"]
    assert signal.quality is Quality.STALE
    assert time.time() - signal.taken_at == pytest.approx(60, abs=5)


@pytest.mark.parametrize(
    ("query", "value", "quality", "detail"),
    [
        ("vector(7)", 7.0, Quality.OK, ""),
        ("scalar(vector(7))", 7.0, Quality.OK, ""),
        ('sum(vllm:num_requests_waiting{pod=~"chat.*"})', 7.0, Quality.OK, ""),
        ('vllm:num_requests_waiting{pod=~"chat.*"}', None, Quality.ERROR, "2 series, one expected"),
        ("sum(no_such_series)", None, Quality.EMPTY, "nothing"),
        ("vector(0) / 0", None, Quality.NAN, "NaN"),
        ("vector(1) / 0", None, Quality.ERROR, "+Inf"),
        ('"text"', None, Quality.ERROR, "returned a string"),
        ("up[5m]", None, Quality.ERROR, "returned a matrix"),
        ("sum(", None, Quality.ERROR, "HTTP 400, bad_data: invalid parameter"),
        ("up * on() up", None, Quality.ERROR, "HTTP 422, execution: "),
    ],
)
def test_documents_own_queries(world: World, query: str, value: float | None, quality: Quality, detail: str) -> None:
    """What Prometheus really answers to right and wrong queries."""
    world.settled(target("chat", *CHAT))
    wanted = target("own", wants="gatewayRequests", overrides={"gatewayRequests": SignalQuery(query)})
    signal = world.signals(wanted)["gatewayRequests"]
    assert (signal.value, signal.quality) == (value, quality)
    assert detail in signal.detail


def test_existing_names_and_readiness(world: World) -> None:
    """A look-up of names tells those that are there."""
    world.settled(target("chat", *CHAT))
    world.source.ready(10.0)
    names = ["vllm:num_requests_waiting", "vllm:time_to_first_token_seconds_bucket", "vllm:absent"]
    assert world.source.existing(names, 10.0) == set(names[:2])


counts = st.floats(0, 1000).map(lambda value: round(value, 3))


@settings(max_examples=60)
@given(
    table=st.dictionaries(st.sampled_from([-2.0, 0.0, 0.25, 1.0, 2.5, 40.0]), counts, min_size=1),
    total=counts,
    q=st.integers(0, 100).map(lambda percent: percent / 100),
)
def test_quantiles_are_prometheus_own(world: World, table: dict[float, float], total: float, q: float) -> None:
    """On any buckets, also such as fall, our quantile is the one that Prometheus computes."""
    buckets = table | {math.inf: total}
    vectors = " or ".join(
        f'label_replace(vector({count:.17g}), "le", "{"+Inf" if bound == math.inf else bound}", "", "")'
        for bound, count in buckets.items()
    )
    (row,) = world.prometheus.query(f"histogram_quantile({q}, {vectors})")
    assert quantile(q, buckets) == pytest.approx(float(row["value"][1]), nan_ok=True, rel=1e-9)
