"""Every preset's queries against a real Prometheus that scrapes an emulated page in that backend's own names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from autoscaler.engine.observation import LATENCY_SIGNALS, Quality, Signal, SignalRequest
from autoscaler.signals.backends import BACKENDS
from autoscaler.signals.gateways import GATEWAYS, gateway_query
from autoscaler.signals.preset import Form, Kind
from autoscaler.signals.presets import PRESETS
from autoscaler.sources.prometheus import PrometheusSource
from autoscaler.sources.scrape import ScrapeSource
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
Lines = dict[str, Any]
"""A page: each series with its value, or with a function from seconds to its value."""


def rising(slope: float) -> Callable[[float], float]:
    """Return a counter that has been rising for an hour."""
    return lambda seconds: slope * (3600.0 + seconds)


def buckets(name: str, *bounds: str, labels: str = "", slope: float = 4.0) -> Lines:
    """Return a histogram of which each bucket but the last has as many, and the last none."""
    rows = {}
    for number, bound in enumerate((*bounds, "+Inf")):
        share = min(number + 1, len(bounds)) / len(bounds)
        rows[f'{name}_bucket{{{labels}{"," if labels else ""}le="{bound}"}}'] = rising(slope * share)
    return rows | {f"{name}_count{{{labels}}}": rising(slope), f"{name}_sum{{{labels}}}": rising(slope)}


def vllm_like(prefix: str, cache: str) -> Lines:
    """Return what vLLM and its relatives show: 3 waiting, 5 running, half the cache, 4 requests a second."""
    labels = 'model_name="m"'
    return {
        f"{prefix}num_requests_waiting{{{labels}}}": 3,
        f"{prefix}num_requests_running{{{labels}}}": 5,
        f"{prefix}{cache}{{{labels}}}": 0.5,
        f'{prefix}request_success_total{{{labels},finished_reason="stop"}}': rising(3),
        f'{prefix}request_success_total{{{labels},finished_reason="length"}}': rising(1),
        f"{prefix}prompt_tokens_total{{{labels}}}": rising(700),
        f"{prefix}generation_tokens_total{{{labels}}}": rising(500),
        **buckets(f"{prefix}time_to_first_token_seconds", "0.5", "1", labels=labels),
        **buckets(f"{prefix}e2e_request_latency_seconds", "5", "10", labels=labels),
        **buckets(f"{prefix}request_queue_time_seconds", "0.3", "0.5", labels=labels),
    }


def sglang() -> Lines:
    """Return two ranks of data parallelism with two copies each."""
    rows: Lines = {}
    for dp in ("0", "1"):
        for tp in ("0", "1"):
            labels = f'model_name="m",engine_type="unified",tp_rank="{tp}",pp_rank="0",dp_rank="{dp}"'
            rows[f"sglang:num_queue_reqs{{{labels}}}"] = 2 if dp == "0" else 1
            rows[f"sglang:num_running_reqs{{{labels}}}"] = 3 if dp == "0" else 2
            rows[f"sglang:token_usage{{{labels}}}"] = 0.25 if dp == "0" else 0.5
    return rows | {
        'sglang:num_requests_total{model_name="m"}': rising(4),
        'sglang:prompt_tokens_total{model_name="m"}': rising(700),
        'sglang:generation_tokens_total{model_name="m"}': rising(500),
        **buckets("sglang:time_to_first_token_seconds", "0.5", "1"),
        **buckets("sglang:e2e_request_latency_seconds", "5", "10"),
        **buckets("sglang:queue_time_seconds", "0.3", "0.5"),
    }


TRITON = {
    'nv_inference_pending_request_count{model="m",version="1"}': 3,
    'nv_inference_request_success{model="m",version="1"}': rising(4),
    'nv_inference_request_duration_us{model="m",version="1"}': rising(9e6),
    **buckets("nv_inference_first_response_histogram_ms", "500", "1000", labels='model="m",version="1"'),
}
PAGES: dict[str, Lines] = {
    "vllm": vllm_like("vllm:", "kv_cache_usage_perc"),
    "sglang": sglang(),
    "tgi": {
        "tgi_queue_size": 3,
        "tgi_batch_current_size": 5,
        "tgi_request_success": rising(4),
        "tgi_request_count": rising(4),
        "tgi_request_input_length_sum": rising(700),
        "tgi_request_generated_tokens_sum": rising(500),
        **buckets("tgi_request_duration", "5", "10"),
        **buckets("tgi_request_queue_duration", "0.3", "0.5"),
    },
    "triton": TRITON,
    "triton-tensorrt-llm": TRITON
    | {
        f'nv_trt_llm_request_metrics{{model="tensorrt_llm",request_type="{kind}",version="1"}}': count
        for kind, count in {"waiting": 3, "active": 5, "scheduled": 4, "context": 1, "max": 512}.items()
    }
    | {
        f'nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type="{kind}",model="tensorrt_llm",version="1"}}': count
        for kind, count in {"fraction": 0.5, "used": 100, "max": 200, "tokens_per": 64}.items()
    },
    "trtllm-serve": vllm_like("trtllm_", "kv_cache_utilization"),
    "nim": vllm_like("", "gpu_cache_usage_perc"),
    "nim-of-vllm": vllm_like("vllm:", "kv_cache_usage_perc"),
    "dynamo": {
        'dynamo_frontend_model_context_length{model="m"}': 8192,
        'dynamo_frontend_queued_requests{model="m"}': 3,
        'dynamo_frontend_active_requests{model="m"}': 8,
        'dynamo_frontend_inflight_requests{model="m"}': 8,
        'dynamo_frontend_requests_total{model="m",endpoint="chat_completions",status="success"}': rising(4),
        'dynamo_frontend_input_sequence_tokens_sum{model="m"}': rising(700),
        'dynamo_frontend_output_sequence_tokens_sum{model="m"}': rising(500),
        **buckets("dynamo_frontend_time_to_first_token_seconds", "0.5", "1", labels='model="m"'),
        **buckets("dynamo_frontend_request_duration_seconds", "5", "10", labels='model="m"'),
    },
    "llama.cpp": {
        "llamacpp:requests_deferred": 3,
        "llamacpp:requests_processing": 5,
        "llamacpp:tokens_predicted_total": rising(500),
    },
}
EXPECTED = {
    "queueDepth": 3.0,
    "pendingRequests": 8.0,
    "requestRate": 4.0,
    "tokenRate": 500.0,
    "kvCacheUtilization": 50.0,
    "timeToFirstToken": 0.9,
    "endToEnd": 9.0,
    "queueTime": 0.46,
}
"""Of every page, and of every preset that has the signal; latencies at the quantile 0.9."""
EXPORTERS: Lines = {
    f'{name}{{gpu="{gpu}",UUID="GPU-{gpu}",hostname="node-1",namespace="ml",pod="vllm"}}': value
    for gpu in ("0", "1")
    for name, value in {
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE": 0.5,
        "DCGM_FI_DEV_FB_USED": 60000 if gpu == "0" else 20000,
        "DCGM_FI_DEV_FB_FREE": 20000 if gpu == "0" else 60000,
        "DCGM_FI_DEV_POWER_USAGE": 300,
    }.items()
}
CADVISOR: Lines = {
    'container_cpu_usage_seconds_total{namespace="ml",pod="vllm",container="server",cpu="total"}': rising(1.5),
    'container_cpu_usage_seconds_total{namespace="ml",pod="vllm",container="proxy",cpu="total"}': rising(0.5),
    'container_cpu_usage_seconds_total{namespace="ml",pod="vllm",container="",cpu="total"}': rising(2.0),
    'container_cpu_usage_seconds_total{namespace="ml",pod="vllm",container="POD",cpu="total"}': rising(0.01),
    'container_cpu_usage_seconds_total{id="/",cpu="total"}': rising(20.0),
}
KUBE_STATE: Lines = {
    'kube_pod_container_resource_requests{namespace="ml",pod="vllm",container="server",resource="cpu",unit="core"}': 3,
    'kube_pod_container_resource_requests{namespace="ml",pod="vllm",container="proxy",resource="cpu",unit="core"}': 1,
    'kube_pod_container_resource_requests{namespace="ml",pod="vllm",container="server",resource="memory"}': 1e10,
}
GATEWAY_PAGES: dict[str, Lines] = {
    "llm-d": {
        f'{name}{{fairness_id="f",inference_pool="{pool}",priority="0"}}': held
        for name in ("llm_d_epp_flow_control_queue_size", "inference_extension_flow_control_queue_size")
        for pool, held in (("mine", 4), ("other", 100))
    },
    "llm-d-before": {'inference_extension_flow_control_queue_size{inference_pool="old"}': 4},
    "envoy": {
        'envoy_cluster_upstream_rq_active{envoy_cluster_name="mine"}': 4,
        'envoy_cluster_upstream_rq_active{envoy_cluster_name="other"}': 100,
        'envoy_cluster_upstream_cx_none_healthy{envoy_cluster_name="mine"}': 17,
        'envoy_cluster_upstream_rq_total{envoy_cluster_name="mine"}': rising(4),
        'envoy_cluster_upstream_rq_completed{envoy_cluster_name="mine"}': rising(4),
        **buckets("envoy_cluster_upstream_rq_time", "5000", "10000", labels='envoy_cluster_name="mine"'),
    },
    "ingress-nginx": {
        'nginx_ingress_controller_requests{ingress="mine",status="200"}': rising(3),
        'nginx_ingress_controller_requests{ingress="mine",status="503"}': rising(1),
        'nginx_ingress_controller_requests{ingress="other",status="200"}': rising(100),
        **buckets("nginx_ingress_controller_request_duration_seconds", "5", "10", labels='ingress="mine"'),
    },
}
JOBS: dict[str, tuple[Lines, dict[str, Any]]] = {
    **{name: (page, {"labels": {"namespace": "ml", "pod": name}}) for name, page in PAGES.items()},
    **{name: (page, {"labels": {"job_of": "gateways"}}) for name, page in GATEWAY_PAGES.items()},
    "dcgm": (EXPORTERS, {"honor_labels": True, "labels": {"namespace": "gpu", "pod": "dcgm-1"}}),
    "cadvisor": (CADVISOR, {"honor_labels": True, "labels": {"node": "node-1"}}),
    # without honorLabels: the exporter's own take the place, and the pod's are called exported_
    "kube-state": (KUBE_STATE, {"labels": {"namespace": "monitoring", "pod": "kube-state-metrics-1"}}),
}


class World:
    """The pages, and the Prometheus that scrapes them every second."""

    def __init__(self, folder: Any) -> None:
        self.began = time.time()
        self.servers = {name: FakeServer(self._answer_of(page)) for name, (page, _) in JOBS.items()}
        jobs = [self._job(name, dict(config)) for name, (_, config) in JOBS.items()]
        self.prometheus = PrometheusServer(find_prometheus(), folder, jobs)
        self.source = PrometheusSource(self.prometheus.url, timing=Timing(1.0, WINDOW_SECONDS, 4.0))

    def stop(self) -> None:
        self.source.close()
        self.prometheus.stop()
        for server in self.servers.values():
            server.stop()

    def settled(self, wanted: Target) -> dict[str, Signal]:
        """Return one target's signals as soon as all are ok, after a whole window of scrapes."""
        behind = f"count_over_time(up[{WINDOW_SECONDS:g}s]) < {WINDOW_SECONDS:g}"
        eventually(lambda: self.prometheus.query("up"), lambda rows: len(rows) == len(JOBS), 40)
        eventually(lambda: self.prometheus.query(behind), lambda rows: not rows, 40)
        return eventually(
            lambda: dict(self.source.collect([wanted], time.time(), 10.0)[wanted.name]),
            lambda signals: all(signal.quality is Quality.OK for signal in signals.values()),
            40,
        )

    def _answer_of(self, page: Lines) -> Callable[..., None]:
        def answer(handler: Any, _: str) -> None:
            seconds = time.time() - self.began
            rows = (f"{name} {value(seconds) if callable(value) else value}\n" for name, value in page.items())
            send(handler, "".join(rows), content_type="text/plain; version=0.0.4")

        return answer

    def _job(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        address = f"127.0.0.1:{self.servers[name].port}"
        preset = PRESETS.get(name)
        path = preset.path if preset else "/metrics"
        static = [{"targets": [address], "labels": config.pop("labels")}]
        return {"job_name": name, "metrics_path": path, "static_configs": static, **config}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All pages, scraped."""
    world = World(tmp_path_factory.mktemp("presets"))
    yield world
    world.stop()


def wants(backend: str) -> str:
    """Return all that a preset measures, as keys of requests."""
    latencies = {name for name, formula in BACKENDS[backend].signals.items() if formula.terms[0].form is Form.BUCKETS}
    return " ".join(f"{name}:0.9" if name in latencies else name for name in BACKENDS[backend].signals)


@pytest.mark.parametrize("page", PAGES)
def test_every_signal_of_every_backend(world: World, page: str) -> None:
    """The same load in each backend's own names gives the same signals: old names, copies, labels, milliseconds."""
    backend = page.removesuffix("-of-vllm")
    signals = world.settled(target(page, pod(page), wants=wants(backend), backend=backend))
    measured = {key.partition(":")[0]: signal.value for key, signal in signals.items()}
    expected = {name: value for name, value in EXPECTED.items() if name in BACKENDS[backend].signals}
    assert {name: measured[name] for name in expected} == pytest.approx(expected, rel=0.05)


IN_FRONT = {
    ("llm-d", "mine"): {"gatewayRequests": 4.0},
    ("llm-d", "old"): {"gatewayRequests": 4.0},
    ("envoy", "mine"): {"gatewayRequests": 4.0, "pendingRequests": 4.0, "requestRate": 4.0, "endToEnd:0.9": 9.0},
    ("ingress-nginx", "mine"): {"requestRate": 4.0, "endToEnd:0.9": 9.0},
    ("dynamo", "m"): {
        "gatewayRequests": 3.0,
        "pendingRequests": 8.0,
        "requestRate": 4.0,
        "tokenRate": 500.0,
        "timeToFirstToken:0.9": 0.9,
        "endToEnd:0.9": 9.0,
    },
}


@pytest.mark.parametrize(("preset", "name"), IN_FRONT, ids=lambda value: value)
def test_every_signal_of_every_gateway(world: World, preset: str, name: str) -> None:
    """Old and new names once, milliseconds as seconds, nobody else's pool; alive without a single pod."""
    gateway, expected = GATEWAYS[preset], IN_FRONT[preset, name]
    wanted = " ".join(f"{one}:0.9" if one in LATENCY_SIGNALS else one for one in gateway.signals)
    asked = target("front", wants=wanted)
    own = {}
    for request in asked.requests:
        query = gateway_query(gateway, name, {}, request)
        assert query is not None
        own[request.key] = query._replace(query=query.query.replace("[120s]", f"[{WINDOW_SECONDS:g}s]"))
    signals = world.settled(asked._replace(overrides=own))
    assert {key: signals[key].value for key in expected} == pytest.approx(expected, rel=0.1)
    if preset == "ingress-nginx":
        assert (signals["gatewayRequests"].value or 0) > 4


def test_a_gateway_that_shows_nothing_is_unknown(world: World) -> None:
    """A pool that nobody has heard of is not idle."""
    world.settled(target("vllm", pod("vllm")))
    query = gateway_query(GATEWAYS["llm-d"], "nobody", {}, SignalRequest("gatewayRequests"))
    assert query is not None
    asked = target("front", wants="gatewayRequests", overrides={"gatewayRequests": query})
    signal = world.source.collect([asked], time.time(), 10.0)["ml/front"]["gatewayRequests"]
    assert signal.quality is Quality.EMPTY


def test_every_backend_has_a_page() -> None:
    """No preset is left untested, and no series of one."""
    assert {name.removesuffix("-of-vllm") for name in PAGES} == set(BACKENDS)
    for name, preset in BACKENDS.items():
        text = "\n".join(PAGES[name])
        for series in preset.series.values():
            suffix = "_bucket" if series.kind is Kind.HISTOGRAM else ""
            assert any(f"{metric.name}{suffix}" in text for metric in series.metrics), series


def test_what_exporters_tell_of_a_pod(world: World) -> None:
    """GPU memory and power from DCGM; CPU from cAdvisor over the requests of kube-state-metrics, pod sums left out."""
    wanted = "gpuUtilization gpuMemoryUtilization gpuPower cpuUtilization"
    signals = world.settled(target("vllm", pod("vllm", node="node-1"), wants=wanted))
    assert {name: signal.value for name, signal in signals.items()} == pytest.approx(
        {"gpuUtilization": 50.0, "gpuMemoryUtilization": 50.0, "gpuPower": 600.0, "cpuUtilization": 50.0}, rel=0.05
    )
    assert {signal.unit for signal in signals.values()} == {"percent", "watts"}


def test_what_exporters_do_not_tell_is_unknown(world: World) -> None:
    """A pod without GPU series or CPU request: no memory, power or CPU of 0, which could lower something."""
    wanted = target("tgi", pod("tgi", node="node-9"), wants="gpuMemoryUtilization gpuPower cpuUtilization")
    world.settled(target("vllm", pod("vllm")))
    signals = world.source.collect([wanted], time.time(), 10.0)[wanted.name]
    assert {signal.quality for signal in signals.values()} == {Quality.EMPTY}


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_read_the_same_without_prometheus(world: World, page: str) -> None:
    """The source `scrape` finds each page at the preset's own path, and the same gauges on it."""
    backend = page.removesuffix("-of-vllm")
    server = world.servers[page]
    gauges = [
        name for name in ("queueDepth", "pendingRequests", "kvCacheUtilization") if name in wants(backend).split()
    ]
    source = ScrapeSource()
    wanted = target(page, pod(page, port=server.port), wants=" ".join(gauges), backend=backend)
    server.asked.clear()
    try:
        signals = source.collect([wanted], time.time(), 10.0)[wanted.name]
    finally:
        source.close()
    assert {name: signal.value for name, signal in signals.items()} == {name: EXPECTED[name] for name in gauges}
    assert BACKENDS[backend].path in server.asked
