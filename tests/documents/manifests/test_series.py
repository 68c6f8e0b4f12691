from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.documents.manifests.series import meaning_of_name, meaning_of_query, reads_pods
from autoscaler.documents.manifests.shape import Matcher

TTFT = "vllm:time_to_first_token_seconds_bucket"
KNOWN = [
    ('sum(vllm:num_requests_waiting{namespace="inference", pod=~"a-.*"})', "queueDepth", "sum", 1.0),
    ("vllm:num_requests_waiting", "queueDepth", "", 1.0),
    ('{__name__="vllm:num_requests_waiting"}', "queueDepth", "", 1.0),
    ("sum(vllm:num_requests_running + vllm:num_requests_waiting)", "pendingRequests", "sum", 1.0),
    ("sum(vllm:num_requests_running) + sum(vllm:num_requests_waiting)", "pendingRequests", "sum", 1.0),
    ("sum(tgi_queue_size) or vector(0)", "queueDepth", "sum", 1.0),
    ("sum(tgi_batch_current_size) + sum(tgi_queue_size)", "pendingRequests", "sum", 1.0),
    ("sum(sglang:num_running_reqs)", "runningRequests", "sum", 1.0),
    ("avg(vllm:gpu_cache_usage_perc)", "kvCacheUtilization", "mean", 100.0),
    ("avg(vllm:kv_cache_usage_perc) * 100", "kvCacheUtilization", "mean", 1.0),
    ("max by (model_name) (vllm:kv_cache_usage_perc)", None, "", 0.0),
    ('avg(DCGM_FI_DEV_GPU_UTIL{exported_pod=~"a-.*"})', "gpuUtilization", "mean", 1.0),
    ("sum(rate(vllm:request_success_total[1m]))", "requestRate", "sum", 1.0),
    ("sum(rate(vllm:generation_tokens_total[2m]))", "tokenRate", "sum", 1.0),
    (f"histogram_quantile(0.99, sum by (le) (rate({TTFT}[2m])))", "timeToFirstToken:0.99", "", 1.0),
    (f"1000 * histogram_quantile(0.9, sum(rate({TTFT}[2m])) by (le))", "timeToFirstToken:0.9", "", 0.001),
    ("sum(tgi_queue_size) / 4", "queueDepth", "sum", 4.0),
]
OWN = [
    "sum(my_queue_length)",
    'sum(vllm:num_requests_waiting{priority="high"})',
    'sum(vllm:num_requests_waiting{namespace="other"})',
    "max_over_time(vllm:num_requests_waiting[5m])",
    "sum(vllm:num_requests_waiting) > 5",
    "sum(vllm:num_requests_waiting) - 1",
    "sum(vllm:num_requests_waiting) + sum(tgi_queue_size)",
    "sum(vllm:num_requests_waiting) + vllm:num_requests_running",
    "sum(vllm:num_requests_waiting + vllm:num_requests_waiting)",
    "avg(avg(vllm:num_requests_waiting))",
    "sum by (pod) (vllm:num_requests_waiting)",
    "rate(vllm:num_requests_waiting[1m])",
    "sum(vllm:request_success_total)",
    "histogram_quantile(0.99, rate(vllm:num_requests_waiting[1m]))",
    "sum(vllm:num_requests_waiting",
    "sum(vllm:num_requests_waiting))",
    "(" * 5000,
    "",
]


@pytest.mark.parametrize(("query", "key", "over", "scale"), KNOWN)
def test_well_known_queries_are_signals_of_ours(query, key, over, scale):
    """A query over the series of a preset is the preset's signal, with how it aggregates and what its unit is."""
    found = meaning_of_query(query, "inference")
    if key is None:
        assert found is None
    else:
        assert found is not None
        assert (found.key, found.over, found.scale) == (key, over, pytest.approx(scale))


@pytest.mark.parametrize("query", OWN)
def test_whatever_else_a_query_does_makes_it_one_of_the_users_own(query):
    """Another metric, another namespace, a part of the requests, another function: nothing is guessed."""
    assert meaning_of_query(query, "inference") is None


@pytest.mark.parametrize(
    "name",
    [
        "vllm:num_requests_waiting",
        "vllm_num_requests_waiting",
        "prometheus.googleapis.com|vllm:num_requests_waiting|gauge",
    ],
)
def test_adapters_names_are_known(name):
    """A metric has its name, with underscores for colons, or wrapped as Google's adapter has it."""
    found = meaning_of_name(name, "mean", (), "inference")
    assert found is not None
    assert (found.signal, found.backend, found.over) == ("queueDepth", "vllm", "mean")
    assert meaning_of_name(name, "sum", (Matcher("queue", "=", "batch"),), "inference") is None


def test_a_query_tells_whether_it_can_wake():
    """What reads a backend's own series answers nothing at zero replicas."""
    assert reads_pods("max_over_time(vllm:num_requests_waiting[5m])")
    assert reads_pods(f"histogram_quantile(0.5, sum by (le) (rate({TTFT}[5m])))")
    assert not reads_pods('sum(rate(istio_requests_total{destination="vllm"}[1m]))')


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*"(){}+*/,=", "sum", "rate", "by", "x", "1", '"a"', "[1m]"])).map(" ".join)
)
def test_no_text_breaks_it(query):
    """Whatever stands in a manifest is known, or the user's own."""
    found = meaning_of_query(query, "inference")
    assert found is None or found.signal
