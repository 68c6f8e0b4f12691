"""What a page's samples say of a preset's series, and rows of an answer of pods."""

from __future__ import annotations

import math

import pytest

from autoscaler.signals.backends import SGLANG, TGI, TRITON, TRITON_TENSORRT_LLM, VLLM
from autoscaler.signals.exporters import DCGM
from autoscaler.signals.page import CounterKey, Sample, across, buckets, counters, exported, values
from autoscaler.signals.preset import Form, Term
from autoscaler.signals.query import Across
from autoscaler.signals.vectors import PodKey, Row, histograms, numbers, seen

WAITING, KV, BUSY = Term("waiting", Form.VALUE), Term("kv_cache", Form.VALUE), Term("busy", Form.VALUE)
DONE, RATE = Term("completed", Form.VALUE), Term("completed", Form.RATE)
TTFT = Term("first_token", Form.BUCKETS)


def sample(name: str, value: float, **labels: str) -> Sample:
    """Return one sample."""
    return Sample(name, labels, value)


def test_engines_of_a_pod_are_added_and_fullest_cache_taken() -> None:
    """Several engines of one pod make one number."""
    page = [
        sample("vllm:num_requests_waiting", 2.0, engine="0"),
        sample("vllm:num_requests_waiting", 3.0, engine="1"),
        sample("vllm:kv_cache_usage_perc", 0.25, engine="0"),
        sample("vllm:kv_cache_usage_perc", 0.75, engine="1"),
    ]
    assert values(VLLM, [WAITING, KV, DONE], page) == {WAITING: 5.0, KV: 75.0}


def test_old_and_new_names_are_not_added() -> None:
    """A server that shows both is read once, by the new name."""
    page = [sample("vllm:gpu_cache_usage_perc", 0.5), sample("vllm:kv_cache_usage_perc", 0.5)]
    assert values(VLLM, [KV], page) == {KV: 50.0}
    assert values(VLLM, [KV], page[:1]) == {KV: 50.0}


def test_blank_gpu_readings_are_dropped() -> None:
    """A reading beyond what is physical is none; the older metric then serves, in its own unit."""
    blank = sample("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 9223372036854775794.0, gpu="0")
    assert values(DCGM, [BUSY], [blank]) == {}
    assert values(DCGM, [BUSY], [blank, sample("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, gpu="1")]) == {BUSY: 50.0}
    assert values(DCGM, [BUSY], [blank, sample("DCGM_FI_DEV_GPU_UTIL", 93.0)]) == {BUSY: 93.0}
    assert values(DCGM, [BUSY], [sample("DCGM_FI_DEV_GPU_UTIL", -1.0)]) == {}


def test_counters_for_rates_come_by_series_and_bound() -> None:
    """Only what a rate is wanted of is kept, with labels other than `le` added up."""
    page = [
        sample("vllm:request_success_total", 4.0, finished_reason="stop"),
        sample("vllm:request_success_total", 1.0, finished_reason="abort"),
        sample("vllm:time_to_first_token_seconds_bucket", 3.0, le="0.5"),
        sample("vllm:time_to_first_token_seconds_bucket", 5.0, le="+Inf"),
        sample("vllm:time_to_first_token_seconds_bucket", 9.0, le="junk"),
    ]
    found = counters(VLLM, [WAITING, RATE, TTFT], page)
    assert found[CounterKey("completed")] == 5.0
    assert buckets(TTFT, found) == {0.5: 3.0, math.inf: 5.0}
    assert counters(VLLM, [DONE], page) == {}


def test_exported_names_are_what_a_page_is_searched_for() -> None:
    """Histograms by their buckets, and every older name."""
    assert exported(TGI, [RATE]) == {"tgi_request_success", "tgi_request_success_total"}
    assert exported(VLLM, [TTFT]) == {"vllm:time_to_first_token_seconds_bucket"}


@pytest.mark.parametrize(("how", "expected"), [(Across.SUM, 6.0), (Across.MEAN, 2.0), (Across.MAX, 3.0)])
def test_across(how: Across, expected: float) -> None:
    """Several numbers become one, and NaN is not lost in it."""
    assert across(how, [1.0, 2.0, 3.0]) == expected
    assert math.isnan(across(how, [1.0, math.nan, 3.0]))


def test_rows_belong_to_the_gpus_user_before_the_exporters_pod() -> None:
    """`exported_pod` is the user where the exporter's own pod took `pod`; rows that name no pod are left out."""
    rows = [
        Row({"namespace": "gpu", "pod": "exporter", "exported_namespace": "ml", "exported_pod": "a"}, 90.0, 0.0),
        Row({"namespace": "ml", "pod": "b"}, 80.0, 0.0),
        Row({"namespace": "ml", "pod": "b"}, 10.0, 0.0),
        Row({"namespace": "ml"}, 1.0, 0.0),
    ]
    assert numbers(rows) == {PodKey("ml", "a"): 90.0, PodKey("ml", "b"): 80.0}


def test_buckets_come_by_pod() -> None:
    """Rows without a readable bound are left out."""
    rows = [Row({"namespace": "ml", "pod": "a", "le": le}, 1.0, 0.0) for le in ("0.5", "+Inf", "junk")]
    rows.append(Row({"namespace": "ml", "pod": "a"}, 1.0, 0.0))
    assert histograms(rows) == {PodKey("ml", "a"): {0.5: 1.0, math.inf: 1.0}}


def test_ages_are_by_prometheus_own_clock() -> None:
    """How old a sample is does not depend on our clock; the newest of several counts, and nodes speak too."""
    rows = [
        *(Row({"namespace": "ml", "pod": "a"}, at, 1000.0) for at in (990.0, 997.0, 995.0)),
        Row({"namespace": "gpu", "pod": "exporter", "Hostname": "node-1"}, 980.0, 1000.0),
        Row({"namespace": "gpu", "pod": "exporter", "hostname": "node-2"}, 1001.0, 1000.0),
    ]
    found = seen(rows)
    assert found.pods[PodKey("ml", "a")] == 3.0
    assert found.nodes == {"node-1": 20.0, "node-2": 0.0}


def test_copies_of_one_rank_count_once() -> None:
    """Two ranks of tensor parallelism show one queue; two of data parallelism have one each."""
    samples = [
        Sample("sglang:num_queue_reqs", {"tp_rank": tp, "dp_rank": dp}, value)
        for tp, dp, value in (("0", "0", 3.0), ("1", "0", 2.0), ("0", "1", 4.0))
    ]
    term = Term("waiting", Form.VALUE)
    assert values(SGLANG, [term], samples) == {term: 7.0}
    alone = [Sample("sglang:num_queue_reqs", {}, 5.0), Sample("sglang:num_queue_reqs", {"tp_rank": "1"}, 5.0)]
    assert values(SGLANG, [term], alone) == {term: 5.0}


def test_a_label_tells_which_series_of_a_name_is_meant() -> None:
    """TensorRT-LLM's requests of all kinds share one name."""
    samples = [
        Sample("nv_trt_llm_request_metrics", {"request_type": kind, "model": "m"}, value)
        for kind, value in (("waiting", 3.0), ("active", 5.0), ("max", 512.0))
    ]
    terms = [Term("waiting", Form.VALUE), Term("active", Form.VALUE)]
    assert values(TRITON_TENSORRT_LLM, terms, samples) == {terms[0]: 3.0, terms[1]: 5.0}


def test_bounds_in_milliseconds_become_seconds() -> None:
    """The counts stay as they are."""
    name = "nv_inference_first_response_histogram_ms_bucket"
    samples = [Sample(name, {"le": le}, count) for le, count in (("100", 4.0), ("2000", 9.0), ("+Inf", 10.0))]
    term = Term("first_response", Form.BUCKETS)
    assert buckets(term, counters(TRITON, [term], samples)) == {0.1: 4.0, 2.0: 9.0, math.inf: 10.0}
