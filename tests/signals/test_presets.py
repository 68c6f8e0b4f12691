"""The presets, and the PromQL that they make."""

from __future__ import annotations

import pytest

from autoscaler.signals.backends import NIM, SGLANG, TGI, TRITON, TRITON_TENSORRT_LLM, TRTLLM_SERVE, VLLM
from autoscaler.signals.exporters import CADVISOR, DCGM
from autoscaler.signals.preset import UNITS, Form, Kind, Preset, Term
from autoscaler.signals.presets import BACKENDS, PRESETS, resolve
from autoscaler.signals.promql import evidence_query, existing_query, scope, term_query

RUNNING, TTFT = Term("running", Form.VALUE), Term("first_token", Form.BUCKETS)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_signal_has_its_series_and_a_unit(preset: Preset) -> None:
    """No formula names a series that is not there, and every signal is a standard one."""
    for name, formula in preset.signals.items():
        assert name in UNITS
        assert {term.series for term in formula.read} <= set(preset.series)
    used = {term.series for formula in preset.signals.values() for term in formula.read}
    assert used == set(preset.series)


def test_backends_share_the_gpu_exporter() -> None:
    """GPU use is measured beside the backend; a signal nobody measures is None."""
    assert set(BACKENDS) == {
        *("vllm", "sglang", "tgi", "triton", "triton-tensorrt-llm", "trtllm-serve", "nim", "dynamo", "llama.cpp"),
    }
    cpu = resolve("triton", "cpuUtilization")
    assert cpu is not None
    assert cpu.preset is CADVISOR
    gpu = resolve("vllm", "gpuUtilization")
    assert gpu is not None
    assert gpu.preset is DCGM
    assert resolve("tgi", "timeToFirstToken") is None
    assert resolve("vllm", "gatewayRequests") is None
    assert resolve("unheard-of", "queueDepth") is None
    assert resolve("dcgm", "queueDepth") is None


@pytest.mark.parametrize(
    ("preset", "term", "expected"),
    [
        pytest.param(
            VLLM,
            RUNNING,
            'sum by (namespace, pod) (vllm:num_requests_running{namespace=~"a|b"})',
            id="gauge",
        ),
        pytest.param(
            VLLM,
            Term("kv_cache", Form.VALUE),
            '100 * max by (namespace, pod) (vllm:kv_cache_usage_perc{namespace=~"a|b"} >= 0 <= 1)'
            ' or 100 * max by (namespace, pod) (vllm:gpu_cache_usage_perc{namespace=~"a|b"} >= 0 <= 1)',
            id="old and new name",
        ),
        pytest.param(
            VLLM,
            TTFT,
            'sum by (namespace, pod, le) (rate(vllm:time_to_first_token_seconds_bucket{namespace=~"a|b"}[120000ms]))',
            id="histogram",
        ),
        pytest.param(
            VLLM,
            Term("tokens", Form.RATE),
            'sum by (namespace, pod) (rate(vllm:generation_tokens_total{namespace=~"a|b"}[120000ms]))',
            id="rate",
        ),
        pytest.param(
            TGI,
            Term("tokens", Form.RATE),
            'sum by (namespace, pod) (rate(tgi_request_generated_tokens_sum{namespace=~"a|b"}[120000ms]))'
            ' or NaN * sum by (namespace, pod) (tgi_request_generated_tokens_sum{namespace=~"a|b"})',
            id="rate of what is absent when idle",
        ),
        pytest.param(
            SGLANG,
            RUNNING,
            'sum by (namespace, pod) (max by (namespace, pod, dp_rank) (sglang:num_running_reqs{namespace=~"a|b"}))',
            id="copies counted once",
        ),
        pytest.param(
            TRITON_TENSORRT_LLM,
            Term("waiting", Form.VALUE),
            'sum by (namespace, pod) (nv_trt_llm_request_metrics{namespace=~"a|b", request_type="waiting"})',
            id="one of several series of a name",
        ),
        pytest.param(
            TRITON,
            Term("first_response", Form.BUCKETS),
            "sum by (namespace, pod, le) "
            '(rate(nv_inference_first_response_histogram_ms_bucket{namespace=~"a|b"}[120000ms]))',
            id="milliseconds are no factor of the counts",
        ),
        pytest.param(
            CADVISOR,
            Term("used", Form.RATE),
            "100 * sum by (exported_namespace, exported_pod) (rate(container_cpu_usage_seconds_total"
            '{exported_namespace=~"a|b", exported_pod!="", container!="", container!="POD"}[120000ms]))'
            " or 100 * sum by (namespace, pod) (rate(container_cpu_usage_seconds_total"
            '{namespace=~"a|b", exported_pod="", container!="", container!="POD"}[120000ms]))',
            id="another exporter's, in both forms of the labels",
        ),
    ],
)
def test_query_text(preset: Preset, term: Term, expected: str) -> None:
    """One query serves all targets, joins names by `or`, and answers by pod."""
    assert term_query(preset, term, scope(["b", "a", "b"]), 120.0) == expected


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_no_query_turns_missing_into_zero(preset: Preset) -> None:
    """No `vector(0)`, no sum of old and new names: what is missing stays missing."""
    for formula in preset.signals.values():
        for term in formula.read:
            text = term_query(preset, term, "", 120.0)
            assert "vector" not in text
            assert " + " not in text


def test_gpu_query_reads_both_forms_of_the_labels() -> None:
    """With the chart's default the GPU's user stands in `exported_pod`, with honorLabels in `pod`."""
    text = term_query(DCGM, Term("busy", Form.VALUE), "ml", 120.0)
    assert 'by (exported_namespace, exported_pod) (DCGM_FI_PROF_GR_ENGINE_ACTIVE{exported_namespace=~"ml"' in text
    assert 'by (namespace, pod) (DCGM_FI_PROF_GR_ENGINE_ACTIVE{namespace=~"ml", exported_pod=""}' in text
    assert text.index("PROF_GR_ENGINE_ACTIVE") < text.index("DEV_GPU_UTIL")


def test_evidence_is_of_the_samples_own_time() -> None:
    """`timestamp` must have a plain selector as its argument, or it tells the time of the query."""
    assert evidence_query(VLLM, "") == "max by (namespace, pod) (timestamp(vllm:num_requests_running))"
    assert evidence_query(TGI, "a") == (
        'min by (namespace, pod) (timestamp(up{namespace=~"a", pod!=""}))'
        ' and on (namespace, pod) (min by (namespace, pod) (up{namespace=~"a", pod!=""}) == 1)'
    )


def test_scope_is_left_out_when_it_would_be_too_long() -> None:
    """A query travels in an address, and a thousand namespaces do not fit into one."""
    assert scope(["b", "a", "a"]) == "a|b"
    assert scope(f"namespace-{i}" for i in range(1000)) == ""
    assert term_query(VLLM, RUNNING, "", 120.0) == "sum by (namespace, pod) (vllm:num_requests_running)"


def test_names_can_be_looked_up() -> None:
    """Any number of names can be asked for in one query."""
    assert existing_query(["b", "a"]) == 'group by (__name__) ({__name__=~"a|b"})'


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_preset_says_where_it_comes_from_and_how_to_find_it(preset: Preset) -> None:
    """Versions, a probe, and one unit for all names of a histogram, whose bounds are scaled together."""
    assert preset.since
    assert preset.probe
    for series in preset.series.values():
        if series.kind is Kind.HISTOGRAM:
            assert {metric.scale for metric in series.metrics} == {series.bound_scale}


def test_pages_are_where_the_server_has_them() -> None:
    """`/metrics` of trtllm-serve is JSON, and NIM has its own place."""
    assert TRTLLM_SERVE.path == "/prometheus/metrics"
    assert NIM.path == "/v1/metrics"
