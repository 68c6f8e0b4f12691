"""What each backend calls its metrics, and which signals they make up.

Sources: vllm-project/vllm `vllm/v1/metrics/loggers.py`; sgl-project/sglang
`python/sglang/srt/observability/metrics_collector.py`; huggingface/text-generation-inference `router/src/server.rs`
and `backends/v3/src/`; triton-inference-server/core `src/metrics.cc`; NVIDIA/TensorRT-LLM
`tensorrt_llm/metrics/collector.py` and `triton_backend/all_models/inflight_batcher_llm`; ai-dynamo/dynamo
`lib/runtime/src/metrics/prometheus_names.rs`; ggml-org/llama.cpp `tools/server/README.md`; for NIM the vendor's pages.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from autoscaler.engine.observation import (
    COMPLETED_REQUESTS,
    GENERATED_TOKENS,
    KV_CACHE_UTILIZATION,
    PENDING_REQUESTS,
    PROMPT_TOKENS,
    QUEUE_DEPTH,
    REQUEST_RATE,
    STARTED_REQUESTS,
    TOKEN_RATE,
)
from autoscaler.signals.preset import (
    Evidence,
    Matcher,
    Metric,
    Preset,
    counter,
    gauge,
    histogram,
    quantile,
    rate,
    share,
    value,
)
from autoscaler.signals.query import Across

if TYPE_CHECKING:
    from collections.abc import Mapping

VLLM = Preset(
    "vllm",
    {
        "waiting": gauge("vllm:num_requests_waiting"),
        "running": gauge("vllm:num_requests_running"),
        # Every reason of finishing counts, also `abort`: whoever was served was not idle.
        "completed": counter("vllm:request_success_total"),
        "tokens": counter("vllm:generation_tokens_total"),
        "prompts": counter("vllm:prompt_tokens_total"),
        # Rises with each first token: the nearest to a counter of requests that were taken up.
        "started": counter("vllm:time_to_first_token_seconds_count"),
        # A ratio of 0 to 1, despite `perc`.
        "kv_cache": gauge(share("vllm:kv_cache_usage_perc"), share("vllm:gpu_cache_usage_perc"), within=Across.MAX),
        "first_token": histogram("vllm:time_to_first_token_seconds"),
        "end_to_end": histogram("vllm:e2e_request_latency_seconds"),
        "queue_time": histogram("vllm:request_queue_time_seconds"),
    },
    {
        QUEUE_DEPTH: value("waiting"),
        PENDING_REQUESTS: value("waiting", "running"),
        COMPLETED_REQUESTS: value("completed"),
        STARTED_REQUESTS: value("started"),
        PROMPT_TOKENS: value("prompts"),
        GENERATED_TOKENS: value("tokens"),
        # There is no counter of arrivals: over a window, what was completed is the nearest.
        REQUEST_RATE: rate("completed"),
        TOKEN_RATE: rate("tokens"),
        KV_CACHE_UTILIZATION: value("kv_cache", across=Across.MAX),
        "timeToFirstToken": quantile("first_token"),
        "endToEnd": quantile("end_to_end"),
        "queueTime": quantile("queue_time"),
    },
    Evidence.SERIES,
    ("vllm:num_requests_running",),
    port=8000,
    since="0.8 with engine V1; older names of the KV cache's gauge are read too",
)
"""vLLM, engine V1."""

TGI = Preset(
    "tgi",
    {
        "waiting": gauge("tgi_queue_size", absent_when_idle=True),
        "running": gauge("tgi_batch_current_size", absent_when_idle=True),
        # Counters without `_total`; behind an OpenMetrics collector they gain it.
        "completed": counter("tgi_request_success", "tgi_request_success_total", absent_when_idle=True),
        "arrived": counter("tgi_request_count", "tgi_request_count_total", absent_when_idle=True),
        "tokens": counter("tgi_request_generated_tokens_sum", absent_when_idle=True),
        "prompts": counter("tgi_request_input_length_sum", absent_when_idle=True),
        "end_to_end": histogram("tgi_request_duration", absent_when_idle=True),
        "queue_time": histogram("tgi_request_queue_duration", absent_when_idle=True),
    },
    {
        QUEUE_DEPTH: value("waiting"),
        PENDING_REQUESTS: value("waiting", "running"),
        COMPLETED_REQUESTS: value("completed"),
        # Counted on arrival: while a queue grows, its rise is counted twice, which errs on the safe side.
        STARTED_REQUESTS: value("arrived"),
        PROMPT_TOKENS: value("prompts"),
        GENERATED_TOKENS: value("tokens"),
        REQUEST_RATE: rate("arrived"),
        TOKEN_RATE: rate("tokens"),
        "endToEnd": quantile("end_to_end"),
        "queueTime": quantile("queue_time"),
    },
    Evidence.SCRAPE,
    port=80,
    since="3.0; the project is in maintenance mode",
)
"""Text Generation Inference. It has no histogram of the time to first token and no KV gauge."""

SGLANG = Preset(
    "sglang",
    {
        # Ranks of tensor and pipeline parallelism may all show one queue; those of data parallelism have their own.
        "waiting": gauge("sglang:num_queue_reqs", apart=("dp_rank",)),
        "running": gauge("sglang:num_running_reqs", apart=("dp_rank",)),
        "completed": counter("sglang:num_requests_total", absent_when_idle=True),
        "started": counter("sglang:time_to_first_token_seconds_count", absent_when_idle=True),
        "prompts": counter("sglang:prompt_tokens_total", absent_when_idle=True),
        "tokens": counter("sglang:generation_tokens_total", absent_when_idle=True),
        "kv_cache": gauge(share("sglang:token_usage"), within=Across.MAX),
        "first_token": histogram("sglang:time_to_first_token_seconds", absent_when_idle=True),
        "end_to_end": histogram("sglang:e2e_request_latency_seconds", absent_when_idle=True),
        "queue_time": histogram("sglang:queue_time_seconds", absent_when_idle=True),
    },
    {
        QUEUE_DEPTH: value("waiting"),
        PENDING_REQUESTS: value("waiting", "running"),
        COMPLETED_REQUESTS: value("completed"),
        STARTED_REQUESTS: value("started"),
        PROMPT_TOKENS: value("prompts"),
        GENERATED_TOKENS: value("tokens"),
        REQUEST_RATE: rate("completed"),
        TOKEN_RATE: rate("tokens"),
        KV_CACHE_UTILIZATION: value("kv_cache", across=Across.MAX),
        "timeToFirstToken": quantile("first_token"),
        "endToEnd": quantile("end_to_end"),
        "queueTime": quantile("queue_time"),
    },
    Evidence.SERIES,
    ("sglang:num_running_reqs",),
    port=30000,
    since="names of the source of 2026",
    needs="--enable-metrics",
)
"""SGLang. With prefill and decode apart, each is a target of its own."""

TRITON = Preset(
    "triton",
    {
        "waiting": gauge("nv_inference_pending_request_count"),
        "completed": counter("nv_inference_request_success"),
        "first_response": histogram(
            Metric("nv_inference_first_response_histogram_ms", 0.001),
            absent_when_idle=True,
            needs="--metrics-config histogram_latencies=true, an experiment of Triton's",
        ),
    },
    {
        # Triton does not tell how many requests it executes, so there is no `pendingRequests`.
        QUEUE_DEPTH: value("waiting"),
        COMPLETED_REQUESTS: value("completed"),
        REQUEST_RATE: rate("completed"),
        "timeToFirstToken": quantile("first_response"),
    },
    Evidence.SERIES,
    ("nv_inference_pending_request_count",),
    port=8002,
    since="23.10 or so",
)
"""Triton Inference Server, whatever it serves. Latencies are sums by default, of which there is no quantile."""


def _trtllm(kind: str) -> Metric:
    return Metric("nv_trt_llm_request_metrics", where=(Matcher("request_type", kind),))


TRITON_TENSORRT_LLM = Preset(
    "triton-tensorrt-llm",
    {
        "waiting": gauge(_trtllm("waiting")),
        "active": gauge(_trtllm("active")),
        "completed": counter("nv_inference_request_success"),
        "kv_cache": gauge(
            share("nv_trt_llm_kv_cache_block_metrics", Matcher("kv_cache_block_type", "fraction")), within=Across.MAX
        ),
        "first_response": TRITON.series["first_response"],
    },
    {
        QUEUE_DEPTH: value("waiting"),
        PENDING_REQUESTS: value("waiting", "active"),
        COMPLETED_REQUESTS: value("completed"),
        REQUEST_RATE: rate("completed"),
        KV_CACHE_UTILIZATION: value("kv_cache", across=Across.MAX),
        "timeToFirstToken": quantile("first_response"),
    },
    Evidence.SERIES,
    ("nv_trt_llm_request_metrics",),
    port=8002,
    since="23.11; the request type `waiting` is newer",
)
"""Triton with the TensorRT-LLM backend. Ensembles count a request once per model: scale by one model's own query."""

TRTLLM_SERVE = Preset(
    "trtllm-serve",
    {
        "waiting": gauge("trtllm_num_requests_waiting"),
        "running": gauge("trtllm_num_requests_running"),
        "completed": counter("trtllm_request_success_total", absent_when_idle=True),
        "started": counter("trtllm_time_to_first_token_seconds_count", absent_when_idle=True),
        "prompts": counter("trtllm_prompt_tokens_total", absent_when_idle=True),
        "tokens": counter("trtllm_generation_tokens_total", absent_when_idle=True),
        "kv_cache": gauge(share("trtllm_kv_cache_utilization"), within=Across.MAX),
        "first_token": histogram("trtllm_time_to_first_token_seconds", absent_when_idle=True),
        "end_to_end": histogram("trtllm_e2e_request_latency_seconds", absent_when_idle=True),
        "queue_time": histogram("trtllm_request_queue_time_seconds", absent_when_idle=True),
    },
    SGLANG.signals,
    Evidence.SERIES,
    ("trtllm_num_requests_running",),
    port=8000,
    path="/prometheus/metrics",
    since="1.3.0rc12",
    needs="return_perf_metrics: true and enable_iter_perf_stats: true, and a scrape of /prometheus/metrics",
)
"""TensorRT-LLM's own server; its `/metrics` is JSON."""


def _nim(name: str) -> tuple[str, str]:
    """Return the names of a NIM: without a prefix, or that of the vLLM inside."""
    return name, f"vllm:{name}"


NIM = Preset(
    "nim",
    {
        "waiting": gauge(*_nim("num_requests_waiting")),
        "running": gauge(*_nim("num_requests_running")),
        "completed": counter(*_nim("request_success_total"), absent_when_idle=True),
        "started": counter(*_nim("time_to_first_token_seconds_count"), absent_when_idle=True),
        "prompts": counter(*_nim("prompt_tokens_total"), absent_when_idle=True),
        "tokens": counter(*_nim("generation_tokens_total"), absent_when_idle=True),
        "kv_cache": gauge(
            *map(share, ("gpu_cache_usage_perc", "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")),
            within=Across.MAX,
        ),
        "first_token": histogram(*_nim("time_to_first_token_seconds"), absent_when_idle=True),
        "end_to_end": histogram(*_nim("e2e_request_latency_seconds"), absent_when_idle=True),
    },
    {name: formula for name, formula in SGLANG.signals.items() if name != "queueTime"},
    Evidence.SERIES,
    _nim("num_requests_running"),
    port=8000,
    path="/v1/metrics",
    since="names of the vendor's pages; those of a vLLM inside are read too",
    needs="a scrape of /v1/metrics",
)
"""NVIDIA NIM for LLMs."""

DYNAMO = Preset(
    "dynamo",
    {
        # Waiting for the first token, so that prefill is in it.
        "waiting": gauge("dynamo_frontend_queued_requests", absent_when_idle=True),
        "in_flight": gauge(
            "dynamo_frontend_active_requests", "dynamo_frontend_inflight_requests", absent_when_idle=True
        ),
        "completed": counter("dynamo_frontend_requests_total", absent_when_idle=True),
        "started": counter("dynamo_frontend_time_to_first_token_seconds_count", absent_when_idle=True),
        "prompts": counter("dynamo_frontend_input_sequence_tokens_sum", absent_when_idle=True),
        "tokens": counter(
            "dynamo_frontend_output_tokens_total", "dynamo_frontend_output_sequence_tokens_sum", absent_when_idle=True
        ),
        "first_token": histogram("dynamo_frontend_time_to_first_token_seconds", absent_when_idle=True),
        "end_to_end": histogram("dynamo_frontend_request_duration_seconds", absent_when_idle=True),
    },
    {
        QUEUE_DEPTH: value("waiting"),
        PENDING_REQUESTS: value("in_flight"),
        COMPLETED_REQUESTS: value("completed"),
        STARTED_REQUESTS: value("started"),
        PROMPT_TOKENS: value("prompts"),
        GENERATED_TOKENS: value("tokens"),
        REQUEST_RATE: rate("completed"),
        TOKEN_RATE: rate("tokens"),
        "timeToFirstToken": quantile("first_token"),
        "endToEnd": quantile("end_to_end"),
    },
    Evidence.SERIES,
    # A registered model's own facts are there before its first request, and prove that the prefix is the usual one.
    ("dynamo_frontend_model_context_length", "dynamo_frontend_model_kv_cache_block_size"),
    port=8000,
    since="names of the source of 2026; inflight_requests is the older name of active_requests",
    needs="the usual DYN_METRICS_PREFIX, and a registered model",
)
"""Frontends of NVIDIA Dynamo that stand in the pods that are scaled; in front of others they are a gateway."""

LLAMA_CPP = Preset(
    "llama.cpp",
    {
        "waiting": gauge("llamacpp:requests_deferred"),
        "running": gauge("llamacpp:requests_processing"),
        "tokens": counter("llamacpp:tokens_predicted_total"),
    },
    {
        QUEUE_DEPTH: value("waiting"),
        PENDING_REQUESTS: value("waiting", "running"),
        GENERATED_TOKENS: value("tokens"),
        TOKEN_RATE: rate("tokens"),
    },
    Evidence.SERIES,
    ("llamacpp:requests_processing",),
    port=8080,
    since="names of the source of 2026",
    needs="--metrics",
)
"""The server of llama.cpp: no counter of requests, no histogram and no gauge of the KV cache."""

BACKENDS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (VLLM, SGLANG, TGI, TRITON, TRITON_TENSORRT_LLM, TRTLLM_SERVE, NIM, DYNAMO, LLAMA_CPP)
    }
)
"""What a document's `backend` may name."""
