from __future__ import annotations

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from autoscaler.cli.main import main
from autoscaler.cli.series import alternatives, metric_names, variants
from autoscaler.documents.lint import ONLY_QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTOSCALER = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: InferenceAutoscaler
metadata: {name: llama-8b, namespace: inference}
spec:
  scaleTargetRef: {name: llama-8b}
  minReplicas: 0
  maxReplicas: 10
  signals:
    gatewayRequests: {query: 'sum(llm_d_epp_flow_control_queue_size{inference_pool="llama-8b"})'}
  policyRef: {name: scale-to-zero}
"""
QUEUE_ONLY = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: queue}
spec:
  rules: [{type: queueDepth, targetPerReplica: 4}]
"""
TITLE = "InferenceAutoscaler inference/llama-8b"
RULES = "rules pendingRequests, latency"
SCENARIO = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: Scenario
metadata: {name: hour}
spec:
  horizonSeconds: 3600
  traffic: {generator: {}}
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """A way to run `autoscaler check` on a text: the exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("AUTOSCALER_")]:
        monkeypatch.delenv(name)

    def run(text: str | None, *arguments: str) -> tuple[int, str, str]:
        if text is not None:
            (tmp_path / "docs.yaml").write_text(text)
            arguments = ("-f", "docs.yaml", *arguments)
        with pytest.raises(SystemExit) as ended:
            main(["check", *arguments])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.fixture
def prometheus() -> Iterator[tuple[str, set[str]]]:
    """A server with the query API, and the set of the metric names that it has."""
    names: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            form = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            query = parse_qs(form or urlsplit(self.path).query)["query"][0]
            (asked,) = re.findall(r'__name__=~"([^"]*)"', query)
            rows = [{"metric": {"__name__": name}, "value": [0, "1"]} for name in names if re.fullmatch(asked, name)]
            answer = json.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", names
        server.shutdown()
        thread.join()


def test_right_documents_are_summed_up_and_exit_with_0(check):
    """One line each, on standard output, with what will be scaled and how."""
    code, out, err = check(f"{AUTOSCALER}---\n{SCENARIO}")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"ok docs.yaml:1 (document 1): {TITLE}: Deployment llama-8b, 0 to 10 replicas, DryRun, {RULES}",
        "ok docs.yaml:12 (document 2): Scenario hour: policies llm-interactive",
    ]


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("  replica: {preset: l4-llama-3.1-8b}\n", ", replica l4-llama-3.1-8b"),
        (
            "  replica: {iteration: {baseMs: 6, promptTokenMs: 0.02, sequenceMs: 0, contextTokenMs: 0}}\n",
            ", replica with iteration times of its own",
        ),
        ("  objective: {ttftSeconds: 1.5}\n", ", objective TTFT 1.5 s and TPOT 0.05 s"),
    ],
    ids=["preset", "iteration", "objective"],
)
def test_what_a_replica_is_and_what_is_promised_is_summed_up_too(check, says, told):
    """After the rules, which go by it."""
    code, out, _ = check(AUTOSCALER + says)
    assert (code, out.splitlines()[0].endswith(f"{RULES}{told}")) == (0, True)


def test_warnings_stand_below_the_document_and_do_not_fail(check):
    """What looks like a mistake is told, and the exit code is 0."""
    code, out, _ = check(QUEUE_ONLY)
    assert code == 0
    assert out.splitlines() == [
        "ok docs.yaml:1: ScalingPolicy queue: rules queueDepth",
        f"  warning: {ONLY_QUEUE}",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (AUTOSCALER.replace("maxReplicas: 10", "maxReplicas: ten"),
         "docs.yaml:7: spec.maxReplicas: must be a valid integer (found 'ten')"),
        (AUTOSCALER.replace("gatewayRequests", "queueDepth"), "docs.yaml:8: spec.signals: scale-to-zero needs a wake"),
        (AUTOSCALER.replace("minReplicas: 0", "minReplicas: 1"), "docs.yaml:6: spec.minReplicas: must be 0"),
        (SCENARIO + "  policies: [llm-interactiv]\n", "docs.yaml:7: spec.policies[0]: must name a ScalingPolicy"),
        (SCENARIO + "  preset: h100-llama-3.1-8\n", "docs.yaml:7: spec.preset: must be one of "),
        ("nonsense: [", "docs.yaml:1: must be YAML"),
    ],
    ids=["a value", "no wake signal", "zero on one side", "no such policy", "no such preset", "no YAML"],
)  # fmt: skip
def test_wrong_documents_exit_with_2_and_say_why_without_a_traceback(check, text, says):
    """The message is on standard error, and nothing was called ok."""
    code, out, err = check(text)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_without_documents_it_says_what_it_needs(check):
    """Neither -f nor settings."""
    code, _, err = check(None)
    assert code == 2
    assert "needs -f FILE or FOLDER, or `documents` in the settings" in err


def test_the_settings_name_documents_and_rule_files(check, tmp_path):
    """What the daemon would load is what is checked, plug-ins included."""
    (tmp_path / "mine.py").write_text(
        "from typing import ClassVar, Literal\n"
        "from autoscaler.engine.proposal import Role, abstain\n"
        "from autoscaler.rules.base import RuleModel\n"
        "class Mine(RuleModel):\n"
        "    type: Literal['mine'] = 'mine'\n    name: str = 'mine'\n"
        "    role: ClassVar = Role.SIZE\n    needs: ClassVar = ()\n"
        "    def propose(self, observation, fleet, memory, now): return abstain(''), memory\n"
    )
    (tmp_path / "mine.yaml").write_text(QUEUE_ONLY.replace("queueDepth, targetPerReplica: 4", "mine"))
    (tmp_path / "settings.yaml").write_text("documents: [mine.yaml]\nrule_files: [mine.py]\n")
    assert check(None, "--settings", "settings.yaml")[:2] == (0, "ok mine.yaml:1: ScalingPolicy queue: rules mine\n")


def test_a_source_that_cannot_read_a_signal_is_a_warning(check, tmp_path):
    """The settings say `scrape`, and the wake signal is PromQL."""
    (tmp_path / "settings.yaml").write_text("source: scrape\n")
    code, out, _ = check(AUTOSCALER, "--settings", "settings.yaml")
    assert code == 0
    assert out.splitlines()[1:] == [
        "  warning: signals.gatewayRequests has no `url` and `metric`: the source scrape cannot read it"
    ]


def test_it_says_which_series_exist_and_under_which_name(check, prometheus):
    """Found, found under an older name, missing, and missing with the name that was probably meant."""
    url, names = prometheus
    names |= {"vllm:num_requests_waiting", "vllm_num_requests_running", "llm_d_epp_flow_control_queue_size"}
    meant = "; did you mean vllm_num_requests_running? Then give it in `spec.signals`"
    code, out, err = check(AUTOSCALER, "--prometheus", url)
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        f"Prometheus at {url}:",
        "  found    vllm:num_requests_waiting (pendingRequests, queueDepth, vllm)",
        f"  missing  vllm:num_requests_running (pendingRequests, vllm){meant}",
        "  missing  vllm:time_to_first_token_seconds_bucket (timeToFirstToken, vllm)",
        "  missing  vllm:request_success_total (completedRequests, vllm)",
        "  found    llm_d_epp_flow_control_queue_size (gatewayRequests, own query of inference/llama-8b)",
    ]


def test_a_typing_error_in_an_own_query_is_told_with_the_name_that_exists(check, prometheus):
    """A counter's suffix is the usual one to forget."""
    url, names = prometheus
    names |= {"held_requests_total"}
    text = AUTOSCALER.replace("llm_d_epp_flow_control_queue_size", "held_requests")
    _, out, _ = check(text, "--prometheus", url)
    place = "own query of inference/llama-8b"
    assert out.endswith(f"  missing  held_requests (gatewayRequests, {place}); did you mean held_requests_total?\n")


def test_older_names_and_series_that_vanish_when_idle_are_told_apart(check, prometheus):
    """The KV gauge under its old name; the GPU's may be absent while nothing is served."""
    url, names = prometheus
    names |= {"vllm:gpu_cache_usage_perc"}
    text = QUEUE_ONLY.replace(
        "[{type: queueDepth, targetPerReplica: 4}]",
        "[{type: threshold, signal: kvCacheUtilization, above: 90}, {type: gpuUtilization, targetPercent: 80}]",
    )
    target = AUTOSCALER.replace("minReplicas: 0", "minReplicas: 1").replace("scale-to-zero", "queue")
    _, out, _ = check(f"{target}---\n{text}", "--prometheus", url)
    older = "vllm:gpu_cache_usage_perc, an older name of vllm:kv_cache_usage_perc"
    gpu = "DCGM_FI_PROF_GR_ENGINE_ACTIVE or DCGM_FI_DEV_GPU_UTIL (gpuUtilization, dcgm)"
    assert f"  found    {older} (kvCacheUtilization, vllm)\n" in out
    assert f"  missing  {gpu}; it may be absent while nothing is served\n" in out


GATEWAY = AUTOSCALER.replace(
    """  signals:
    gatewayRequests: {query: 'sum(llm_d_epp_flow_control_queue_size{inference_pool="llama-8b"})'}
""",
    "  gateway: {preset: llm-d, name: llama-8b}\n",
)


def test_a_gateway_is_looked_up_under_its_old_and_new_name(check, prometheus):
    """One series with two names: the old one is found as such, and without either it says what must be on."""
    url, names = prometheus
    names |= {"inference_extension_flow_control_queue_size"}
    new, old = "llm_d_epp_flow_control_queue_size", "inference_extension_flow_control_queue_size"
    place = "(gatewayRequests, gateway llm-d of inference/llama-8b)"
    _, out, _ = check(GATEWAY, "--prometheus", url)
    assert f"  found    {old}, an older name of {new} {place}\n" in out
    names.clear()
    _, out, _ = check(GATEWAY, "--prometheus", url)
    assert f"  missing  {new} or {old} {place}; it needs the feature gate flowControl, " in out


def test_a_backend_that_shows_nothing_says_what_it_needs_and_which_may_be_meant(check, prometheus):
    """SGLang without its flag; and then vLLM's series where SGLang was written."""
    url, names = prometheus
    text = (
        QUEUE_ONLY
        + "---\n"
        + AUTOSCALER.replace("scale-to-zero", "queue").replace("minReplicas: 0", "minReplicas: 1\n  backend: sglang")
    )
    _, out, _ = check(text, "--prometheus", url)
    assert "  missing  sglang:num_queue_reqs (queueDepth, pendingRequests, sglang); it needs --enable-metrics\n" in out
    assert "is `backend" not in out
    names |= {"vllm:num_requests_running"}
    _, out, _ = check(text, "--prometheus", url)
    assert out.endswith("  nothing of sglang is there, but of vllm and nim: is `backend: vllm` meant?\n")


def test_what_one_series_needs_is_told_with_it(check, prometheus):
    """Triton's histogram is an option, the others are there."""
    url, names = prometheus
    names |= {"nv_inference_pending_request_count"}
    text = QUEUE_ONLY.replace(
        "targetPerReplica: 4}", "targetPerReplica: 4}, {type: latency, signal: timeToFirstToken, objectiveSeconds: 2}"
    )
    target = AUTOSCALER.replace("scale-to-zero", "queue").replace("minReplicas: 0", "minReplicas: 1\n  backend: triton")
    _, out, _ = check(f"{text}---\n{target}", "--prometheus", url)
    assert "  found    nv_inference_pending_request_count (queueDepth, triton)\n" in out
    assert "; it may be absent while nothing is served; it needs --metrics-config histogram_latencies=true" in out


@pytest.mark.parametrize(
    ("query", "series"),
    [
        ("sum(new) or sum(old)", (("new", "old"),)),
        ("sum(a) + sum(b)", (("a",), ("b",))),
        ("sum(a + b) or sum(c)", (("a",), ("b",), ("c",))),
        ("sum(a or b)", (("a",), ("b",))),
        ("sum(a) or vector(0)", (("a",),)),
        ('sum(a{x="or"})', (("a",),)),
        ("", ()),
    ],
)
def test_names_joined_by_or_are_one_series(query, series):
    """Old and new of one thing; what is added up are two."""
    assert alternatives(query) == series


def test_a_prometheus_that_does_not_answer_exits_with_1(check):
    """The documents are right and the world is not: the address is named."""
    code, out, err = check(AUTOSCALER, "--prometheus", "http://127.0.0.1:1")
    assert code == 1
    assert out.startswith("ok docs.yaml:1: ")
    assert "http://127.0.0.1:1" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("up", ("up",)),
        ('sum(a_b{pod=~"x or y"})', ("a_b",)),
        ("sum by (namespace, pod) (rate(vllm:e2e_bucket[5m]))", ("vllm:e2e_bucket",)),
        ("sum(a) or sum(b) or vector(0)", ("a", "b")),
        ("histogram_quantile(0.99, sum by (le) (rate(x_bucket[2m]))) / on (pod) group_left y offset 5m > bool 1e3",
         ("x_bucket", "y")),
        ("a{b='c'} + a", ("a",)),
        ("", ()),
    ],
)  # fmt: skip
def test_metric_names_are_found_in_a_query(query, names):
    """Not the functions, labels, keywords, texts, durations or numbers."""
    assert metric_names(query) == names


def test_variants_are_other_spellings_and_never_the_name_itself():
    """Colon and underscore, prefixes, the suffix of counters."""
    assert set(variants("vllm:request_success_total")) == {
        "vllm_request_success_total",
        "request_success_total",
        "ray_vllm_request_success_total",
        "vllm:request_success_total_total",
        "vllm:request_success",
    }
    assert "x" not in variants("x")
