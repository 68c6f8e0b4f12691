"""The pages are real exposition text, in the names that the presets ask for."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.daemon.sandbox.metrics_page import Naming, gateway_page, replica_page
from autoscaler.daemon.sandbox.numbers import FleetNumbers, HistogramNumbers, Life, ReplicaNumbers
from autoscaler.errors import UsageError

NAMING = Naming("vllm", "inference", "llama-8b", 'meta "llama"\\8b', "NVIDIA L40S")
TTFT = HistogramNumbers((0.1, 0.5, 1.0, float("inf")), (4, 7, 9, 10), 9.5)
REPLICA = ReplicaNumbers("pod-1", Life.READY, 0.0, 80.0, 3, 12, 0.25, 0.934, 10, 8900, 1900, TTFT, TTFT)
IDLE = REPLICA._replace(waiting=0, running=0, completed=0)


def samples(page):
    """Return every sample of a page as (name, labels, value)."""
    families = text_string_to_metric_families(page)
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


def value(page, series, **labels):
    """Return the one sample of that name with these labels among its own."""
    found = [v for n, have, v in samples(page) if n == series and labels.items() <= have.items()]
    assert len(found) == 1, (series, labels, found)
    return found[0]


def test_vllm_page_reads_back_with_its_values():
    """A parser finds vLLM's gauges and counters with the replica's numbers, and a label's quotes survive."""
    page = replica_page(REPLICA, NAMING)
    model = {"model_name": 'meta "llama"\\8b'}
    assert value(page, "vllm:num_requests_waiting", **model) == 3
    assert value(page, "vllm:num_requests_running", **model) == 12
    assert value(page, "vllm:kv_cache_usage_perc") == 0.25
    assert value(page, "vllm:request_success_total", finished_reason="stop") == 10
    assert value(page, "vllm:generation_tokens_total") == 1900


def test_histograms_are_cumulative():
    """Buckets add up to the count, ending at +Inf."""
    page = replica_page(REPLICA, NAMING)
    name = "vllm:time_to_first_token_seconds"
    buckets = {labels["le"]: v for n, labels, v in samples(page) if n == f"{name}_bucket"}
    assert buckets == {"0.1": 4, "0.5": 7, "1": 9, "+Inf": 10}
    assert value(page, f"{name}_count") == 10
    assert value(page, f"{name}_sum") == 9.5


def test_gpu_is_named_as_dcgm_does():
    """GPU_UTIL is a whole percentage and GR_ENGINE_ACTIVE a ratio, both with the pod that uses the GPU."""
    page = replica_page(REPLICA, NAMING)
    assert value(page, "DCGM_FI_DEV_GPU_UTIL", pod="pod-1", namespace="inference") == 93
    assert value(page, "DCGM_FI_PROF_GR_ENGINE_ACTIVE", pod="pod-1") == 0.934


def test_tgi_page_has_tgi_names_and_no_model_label():
    """TGI: seconds without a unit in the name, counters without `_total`, no model label, no time to first token."""
    page = replica_page(REPLICA, NAMING._replace(backend="tgi"))
    assert value(page, "tgi_queue_size") == 3
    assert value(page, "tgi_batch_current_size") == 12
    assert value(page, "tgi_request_duration_count") == 10
    names = {name for name, _, _ in samples(page)}
    assert not any("vllm" in name or "first_token" in name for name in names)
    assert all("model_name" not in labels for name, labels, _ in samples(page))


def test_fresh_tgi_replica_shows_no_series_of_its_own():
    """TGI's series appear at first use; vLLM's and the GPU's are there from the start."""
    assert "tgi_" not in replica_page(IDLE, NAMING._replace(backend="tgi"))
    assert "DCGM_" in replica_page(IDLE, NAMING._replace(backend="tgi"))
    assert value(replica_page(IDLE, NAMING), "vllm:num_requests_waiting") == 0


def test_gateway_page_lives_at_zero_replicas():
    """With no replica at all the gateway still says how many requests it holds."""
    page = gateway_page(FleetNumbers(0.0, (), held=2, arrived=40), NAMING)
    assert value(page, "llm_d_epp_flow_control_queue_size", inference_pool="llama-8b") == 2
    assert value(page, "llm_d_epp_ready_endpoints", name="llama-8b") == 0


def test_unknown_backend_is_refused_with_the_known_ones():
    """The message names the value and what is allowed."""
    with pytest.raises(UsageError, match=r"'sglang' is not one of vllm, tgi"):
        NAMING._replace(backend="sglang").checked()
