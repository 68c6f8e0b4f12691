"""The Prometheus source against a fake that answers, lies, hangs and refuses."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from autoscaler.engine.observation import Quality, Signal
from autoscaler.errors import SourceError, UsageError
from autoscaler.signals.query import SignalQuery
from autoscaler.sources.credentials import Credentials
from autoscaler.sources.prometheus import PrometheusSource
from tests.real.child import free_port
from tests.sources.builders import pod, target
from tests.sources.fakes import answer, cut, drip, refusal, send, vector, zipped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sources.fakes import FakePrometheus, Handler

NOW = 5000.0
OWN = {"gatewayRequests": SignalQuery("my_gateway")}


def rows(value: float | str, *pods: str, **labels: str) -> list[tuple[dict[str, str], float | str]]:
    """Return one row per pod of the namespace `ml`."""
    return [({"namespace": "ml", "pod": name, **labels}, value) for name in pods]


def sampled(*pods: str, age: float = 5.0) -> bytes:
    """Return the answer to an evidence query: these pods were sampled so long ago."""
    return vector(*rows(1000.0 - age, *pods))


@pytest.fixture
def source(prometheus: FakePrometheus, closing: Callable[..., Any]) -> PrometheusSource:
    """A source that asks the fake."""
    return closing(PrometheusSource(prometheus.url, connections=8))


def own_signal(source: PrometheusSource, deadline_seconds: float = 10.0, wants: str = "gatewayRequests") -> Signal:
    """Return what a document's own query gives."""
    collected = source.collect([target("a", wants=wants, overrides=OWN)], NOW, deadline_seconds)
    return collected["ml/a"][wants]


def test_pods_are_joined_and_dead_ones_dropped(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """One query answers for all pods of all targets; each target gets its own, and a dead pod's gauge nobody."""
    prometheus.replies = {
        "timestamp": sampled("a-1", "a-2", "b-1", "dead"),
        "num_requests_waiting": vector(*rows(3, "a-1", "a-2"), *rows(7, "b-1"), *rows(99, "dead")),
    }
    collected = source.collect([target("a", pod("a-1"), pod("a-2")), target("b", pod("b-1"))], NOW, 10.0)
    assert collected["ml/a"]["queueDepth"] == Signal(
        "queueDepth", 6.0, "requests", NOW - 5.0, Quality.OK, pods=2, missing=0
    )
    assert collected["ml/b"]["queueDepth"].value == 7.0


def test_queries_do_not_grow_with_targets(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """A hundred targets cost as many queries as one."""
    wants = "queueDepth pendingRequests completedRequests timeToFirstToken:0.99 timeToFirstToken:0.5 gpuUtilization"
    source.collect([target("t-0", pod("t-0-1"), wants=wants)], NOW, 10.0)
    one = len(prometheus.asked)
    source.collect([target(f"t-{i}", pod(f"t-{i}-1"), wants=wants) for i in range(100)], NOW + 15, 10.0)
    assert len(prometheus.asked) == 2 * one
    # waiting, running, completed, buckets, GPU; and for each of the two presets when its pods were sampled
    assert one == 7
    assert max(prometheus.counts.values()) == 2


def test_the_same_query_of_two_documents_is_asked_once(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """Two documents with one gateway share the answer."""
    prometheus.replies = {"my_gateway": vector(({}, 4))}
    targets = [target(name, wants="gatewayRequests", overrides=OWN) for name in "ab"]
    collected = source.collect(targets, NOW, 10.0)
    assert [collected[f"ml/{name}"]["gatewayRequests"].value for name in "ab"] == [4.0, 4.0]
    assert len(prometheus.asked) == 1


def test_zero_replicas_need_no_query_but_the_gateways(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """Without pods the backend's signals are `no_pods`; the document's own query stands for itself."""
    prometheus.replies = {"my_gateway": vector(({}, 2))}
    signals = source.collect([target("a", wants="pendingRequests gatewayRequests", overrides=OWN)], NOW, 10.0)["ml/a"]
    assert signals["pendingRequests"].quality is Quality.NO_PODS
    assert (signals["gatewayRequests"].value, signals["gatewayRequests"].quality) == (2.0, Quality.OK)
    assert prometheus.asked == ["my_gateway"]


@pytest.mark.parametrize(
    ("body", "quality", "detail"),
    [
        pytest.param(vector(), Quality.EMPTY, "returned nothing", id="nothing"),
        pytest.param(vector(({}, "NaN")), Quality.NAN, "NaN", id="NaN"),
        pytest.param(vector(({}, "+Inf")), Quality.ERROR, "+Inf, a finite number expected", id="+Inf"),
        pytest.param(vector(({}, "-Inf")), Quality.ERROR, "-Inf", id="-Inf"),
        pytest.param(vector(({"a": "1"}, 1), ({"a": "2"}, 2)), Quality.ERROR, "2 series, one expected", id="series"),
        pytest.param(
            vector(({"a": "1"}, 1), ({"a": "1"}, 1)), Quality.ERROR, "2 series, one expected", id="duplicates"
        ),
        pytest.param(answer("string", [1000.0, "text"]), Quality.ERROR, "returned a string", id="text"),
        pytest.param(answer("matrix", [{"metric": {}, "values": [[1, "2"]]}]), Quality.ERROR, "matrix", id="range"),
        pytest.param(
            answer("vector", [{"metric": {}, "histogram": [1, {}]}]), Quality.NAN, "NaN", id="native histogram"
        ),
        pytest.param(vector(({}, "seven")), Quality.ERROR, "not an answer", id="a word for a number"),
        pytest.param(b"<html><title>Sign in</title></html>", Quality.ERROR, "a login?): Sign in", id="login page"),
        pytest.param(b"", Quality.ERROR, "not an answer", id="no body"),
        pytest.param(b"[]", Quality.ERROR, "not an answer", id="a list"),
        pytest.param(b"null", Quality.ERROR, "not an answer", id="null"),
        pytest.param(b'{"status": "success"}', Quality.ERROR, "not an answer", id="no data"),
        pytest.param(b'{"data": {"result": []}}', Quality.ERROR, "not an answer", id="no type"),
        pytest.param(answer("vector", [{"metric": None, "value": [1, "2"]}]), Quality.ERROR, "not an", id="no labels"),
        pytest.param(
            answer("vector", [{"metric": {"a": [1]}, "value": [1, "2"]}]), Quality.ERROR, "not an", id="lists"
        ),
        pytest.param(answer("vector", [{"metric": {}, "value": ["2"]}]), Quality.ERROR, "not an", id="no time"),
        pytest.param(answer("vector", 7), Quality.ERROR, "not an answer", id="a number for a vector"),
        pytest.param(b"[" * 100_000, Quality.ERROR, "not an answer", id="nested without end"),
        pytest.param(b"\xff\xfe\x00", Quality.ERROR, "not an answer", id="bytes"),
    ],
)
def test_what_is_not_one_number(
    prometheus: FakePrometheus, source: PrometheusSource, body: bytes, quality: Quality, detail: str
) -> None:
    """A document's own query must give one finite number; all else is unknown, and says why."""
    prometheus.replies = {"my_gateway": body}
    signal = own_signal(source)
    assert (signal.quality, signal.value) == (quality, None)
    assert detail in signal.detail
    assert len(signal.detail) < 400


def test_a_scalar_is_one_number(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """`scalar(...)` gives a bare pair, and that is a value too."""
    prometheus.replies = {"my_gateway": answer("scalar", [1000.0, "2.5"])}
    assert own_signal(source).value == 2.5


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        pytest.param(
            lambda h: send(h, refusal("bad_data", "parse error: unexpected }"), 400),
            "HTTP 400, bad_data: parse error: unexpected }",
            id="a query that does not parse",
        ),
        pytest.param(
            lambda h: send(h, refusal("execution", "many-to-many matching"), 422), "execution: many-to-many", id="422"
        ),
        pytest.param(
            lambda h: send(h, refusal("timeout", "query timed out"), 503), "HTTP 503, timeout: query timed", id="503"
        ),
        pytest.param(lambda h: send(h, "<h1>Bad gateway</h1>", 502), "HTTP 502: Bad gateway", id="a proxy's page"),
        pytest.param(lambda h: send(h, "", 401), "HTTP 401", id="401"),
        pytest.param(lambda h: send(h, "", 302, Location="https://login.example/"), "HTTP 302", id="redirect to login"),
        pytest.param(lambda h: cut(h, b"junk\r\n\r\n"), "BadStatusLine", id="not HTTP"),
        pytest.param(cut, "RemoteDisconnected", id="hang up"),
        pytest.param(
            lambda h: cut(h, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"), "IncompleteRead", id="cut off"
        ),
        pytest.param(lambda h: send(h, b"not gzip", Content_Encoding="gzip"), "decompressing", id="a wrong encoding"),
    ],
)
def test_refusals_keep_their_reason(
    prometheus: FakePrometheus, source: PrometheusSource, reply: Callable[[Handler], None], detail: str
) -> None:
    """Each request is sent once, and what the server said against it reaches the detail."""
    prometheus.replies = {"my_gateway": reply}
    signal = own_signal(source)
    assert signal.quality is Quality.ERROR
    assert detail in signal.detail
    assert len(prometheus.asked) == 1


def test_no_server_is_an_error_with_its_reason(closing: Callable[..., Any]) -> None:
    """Nobody listens: the reason is told without the address that would repeat the query."""
    source = closing(PrometheusSource(f"http://127.0.0.1:{free_port()}"))
    assert own_signal(source).detail == "Connection refused"
    assert source.collect([target("a", pod("a-1"))], NOW, 10.0)["ml/a"]["queueDepth"].quality is Quality.ERROR
    with pytest.raises(SourceError, match=r"Prometheus at http://127.0.0.1:\d+: Connection refused"):
        source.ready(10.0)


def test_a_failed_connection_is_not_tried_again(closing: Callable[..., Any]) -> None:
    """Not by any layer below: the next tick is the retry."""
    accepted = []

    def hang_up(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])
                accepted[-1].close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up, args=(listener,), daemon=True)
        thread.start()
        signal = own_signal(closing(PrometheusSource(f"https://127.0.0.1:{listener.getsockname()[1]}")))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert signal.quality is Quality.ERROR
    assert len(accepted) == 1


def test_prometheus_is_told_how_long_it_may_take(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """A query that nobody waits for any more shall not go on."""
    own_signal(source, 2.0)
    assert prometheus.timeouts == ["1800ms"]


def test_ready(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """Ready is who answers a query."""
    prometheus.replies = {"vector(1)": vector(({}, 1))}
    source.ready(10.0)
    prometheus.replies = {"vector(1)": lambda h: send(h, "<html>Sign in</html>")}
    with pytest.raises(SourceError, match="a login"):
        source.ready(10.0)


def test_existing_names(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """One query tells which of many names are there."""
    prometheus.replies = {"group by": vector(({"__name__": "b"}, 1))}
    assert source.existing(["a", "b"], 10.0) == {"b"}


def test_compressed_answers_are_read(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """Answers may come as gzip."""
    prometheus.replies = {"my_gateway": lambda h: send(h, zipped(vector(({}, 4))), Content_Encoding="gzip")}
    assert own_signal(source).value == 4.0


def test_warnings_make_ok_partial(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """A partial response of Thanos or Mimir is no evidence for less; an info is only a remark."""
    prometheus.replies = {"my_gateway": vector(({}, 4), warnings=["store a did not answer"])}
    signal = own_signal(source)
    assert (signal.quality, signal.value, signal.detail) == (Quality.PARTIAL, 4.0, "store a did not answer")
    prometheus.replies = {"my_gateway": vector(({}, 4), infos=["metric might not be a counter"])}
    assert own_signal(source).quality is Quality.OK
    prometheus.replies = {
        "timestamp": sampled("a-1"),
        "num_requests_waiting": vector(*rows(3, "a-1"), warnings=["store a did not answer"]),
    }
    signal = source.collect([target("a", pod("a-1"))], NOW, 10.0)["ml/a"]["queueDepth"]
    assert (signal.quality, signal.value, signal.detail) == (Quality.PARTIAL, 3.0, "store a did not answer")


def test_a_doubtful_evidence_makes_partial_too(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """Which pods were sampled may itself be told in part."""
    prometheus.replies = {
        "timestamp": vector(*rows(999.0, "a-1"), warnings=["store b did not answer"]),
        "num_requests_waiting": vector(*rows(3, "a-1")),
    }
    assert source.collect([target("a", pod("a-1"))], NOW, 10.0)["ml/a"]["queueDepth"].quality is Quality.PARTIAL


@pytest.mark.parametrize(
    ("age", "quality"), [(44.9, Quality.OK), (45.0, Quality.OK), (45.1, Quality.STALE), (-3.0, Quality.OK)]
)
def test_old_samples_are_stale(
    prometheus: FakePrometheus, source: PrometheusSource, age: float, quality: Quality
) -> None:
    """Prometheus serves a sample for five minutes; after three scrape intervals it is no evidence any more."""
    prometheus.replies = {"timestamp": sampled("a-1", age=age), "num_requests_waiting": vector(*rows(0, "a-1"))}
    assert source.collect([target("a", pod("a-1"))], NOW, 10.0)["ml/a"]["queueDepth"].quality is quality


def test_a_failed_evidence_query_is_an_error(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """Without knowing when pods were sampled, their values prove nothing."""
    prometheus.replies = {
        "timestamp": lambda h: send(h, refusal("timeout", "query timed out"), 503),
        "num_requests_waiting": vector(*rows(0, "a-1")),
    }
    signal = source.collect([target("a", pod("a-1"))], NOW, 10.0)["ml/a"]["queueDepth"]
    assert (signal.quality, signal.value) == (Quality.ERROR, None)
    assert "query timed out" in signal.detail


def test_one_failed_query_leaves_the_others(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """An error belongs to the signals that need it."""
    prometheus.replies = {
        "timestamp": sampled("a-1"),
        "num_requests_waiting": vector(*rows(3, "a-1")),
        "num_requests_running": lambda h: send(h, refusal("timeout", "query timed out"), 503),
    }
    # the evidence of vLLM is the time of `running`, which contains both keys: the first one wins
    signals = source.collect([target("a", pod("a-1"), wants="queueDepth pendingRequests")], NOW, 10.0)["ml/a"]
    assert signals["queueDepth"].quality is Quality.OK
    assert signals["pendingRequests"].quality is Quality.ERROR


def test_nobody_asks_for_what_a_preset_has_not(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """A signal without a source is `empty`, and says what to write."""
    targets = [
        target("a", pod("a-1"), wants="timeToFirstToken:0.99", backend="tgi"),
        target("b", pod("b-1"), wants="queueDepth", backend="unheard-of"),
        target("c", pod("c-1"), wants="gatewayRequests", overrides={"gatewayRequests": SignalQuery(url="http://x/")}),
    ]
    collected = source.collect(targets, NOW, 10.0)
    assert collected["ml/a"]["timeToFirstToken:0.99"].quality is Quality.EMPTY
    assert "give spec.signals.timeToFirstToken" in collected["ml/a"]["timeToFirstToken:0.99"].detail
    assert "no such preset (one of vllm, sglang, tgi, " in collected["ml/b"]["queueDepth"].detail
    assert "no `query`" in collected["ml/c"]["gatewayRequests"].detail
    assert prometheus.asked == []


def test_completions_only_rise(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """The counter survives restarts, gaps, and pods that come and go."""

    def completed(now: float, readings: dict[str, float], *pods: Any) -> Signal:
        table = [row for name, value in readings.items() for row in rows(value, name)]
        prometheus.replies = {"timestamp": sampled(*readings), "success": vector(*table)}
        wanted = target("a", *pods, wants="completedRequests")
        return source.collect([wanted], now, 10.0)["ml/a"]["completedRequests"]

    old, new = pod("a-1", created_at=NOW - 900), pod("a-2", created_at=NOW + 20)
    assert completed(NOW, {"a-1": 500}, old).value == 0
    assert completed(NOW + 15, {"a-1": 503}, old).value == 3
    assert completed(NOW + 30, {"a-1": 503, "a-2": 4}, old, new).value == 7
    restarted = completed(NOW + 45, {"a-1": 1, "a-2": 4}, old, new)
    assert (restarted.value, restarted.quality) == (8, Quality.OK)
    gap = completed(NOW + 60, {"a-2": 4}, old, new)
    assert (gap.value, gap.quality, gap.missing) == (8, Quality.PARTIAL, 1)
    assert completed(NOW + 75, {}, old, new).value is None
    assert completed(NOW + 90, {"a-2": 6}, new).value == 10
    assert completed(NOW + 105, {}).quality is Quality.NO_PODS
    assert completed(NOW + 120, {"a-3": 2}, pod("a-3", created_at=NOW + 110)).value == 12


def test_a_documents_own_counter_only_rises(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """A total of the user's own is followed over its restarts too."""
    wanted = target("a", wants="completedRequests", overrides={"completedRequests": SignalQuery("my_done")})
    totals = []
    for index, value in enumerate([100, 104, None, 106, 3, 3]):
        prometheus.replies = {"my_done": vector() if value is None else vector(({}, value))}
        totals.append(source.collect([wanted], NOW + 15 * index, 10.0)["ml/a"]["completedRequests"].value)
    assert totals == [0, 4, None, 6, 9, 9]


def test_overrides_win_by_name_and_by_key(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """A document's own query replaces the preset's, and for one quantile only where it says so."""
    prometheus.replies = {"mine_99": vector(({}, 9)), "mine": vector(({}, 5))}
    overrides = {
        "endToEnd": SignalQuery("mine", "ms"),
        "endToEnd:0.99": SignalQuery("mine_99"),
        "queueDepth": SignalQuery("mine"),
    }
    wanted = target("a", pod("a-1"), wants="endToEnd:0.99 endToEnd:0.5 queueDepth", overrides=overrides)
    signals = source.collect([wanted], NOW, 10.0)["ml/a"]
    assert [(signal.value, signal.unit) for signal in signals.values()] == [(9, "seconds"), (5, "ms"), (5, "requests")]


def test_gpu_series_in_both_forms_and_idle_ones(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """The user of a GPU is `exported_pod` or `pod`; an idle GPU is 0 only where its node's exporter was sampled."""
    exporter = {"namespace": "gpu", "pod": "exporter"}
    user = {"exported_namespace": "ml", "exported_pod": "a-1"}
    prometheus.replies = {
        "timestamp": vector(
            (exporter | user | {"Hostname": "node-1"}, 995.0), (exporter | {"hostname": "node-2"}, 996.0)
        ),
        "GR_ENGINE_ACTIVE": vector((user, 90)),
    }
    busy = pod("a-1", node="node-1")

    def gpu(*pods: Any) -> Signal:
        return source.collect([target("a", *pods, wants="gpuUtilization")], NOW, 10.0)["ml/a"]["gpuUtilization"]

    assert (gpu(busy).value, gpu(busy).unit, gpu(busy).taken_at) == (90.0, "percent", NOW - 5)
    idle = gpu(busy, pod("a-2", node="node-2"))
    assert (idle.value, idle.quality) == (45.0, Quality.OK)
    elsewhere = gpu(busy, pod("a-2", node="node-3"))
    assert (elsewhere.quality, elsewhere.missing) == (Quality.PARTIAL, 1)
    assert gpu(busy, pod("a-2")).quality is Quality.PARTIAL


# -- hanging ---------------------------------------------------------------------------------------------------------


def test_a_hung_query_silences_nobody(prometheus: FakePrometheus, closing: Callable[..., Any]) -> None:
    """Ten hung of forty, with fewer connections than queries: thirty answers and ten errors, tick after tick."""
    source = closing(PrometheusSource(prometheus.url, connections=16))
    prometheus.replies = {
        "slow": lambda _: prometheus.hang(),
        **{f"quick_{i}_": vector(({}, i)) for i in range(30)},
    }
    names = [f"slow_{i}_" for i in range(10)] + [f"quick_{i}_" for i in range(30)]
    targets = [
        target(name, wants="gatewayRequests", overrides={"gatewayRequests": SignalQuery(name)}) for name in names
    ]
    for tick in range(2):
        collected = source.collect(targets, NOW + 15 * tick, 1.5)
        assert not prometheus.released.is_set()
        qualities = [collected[f"ml/{name}"]["gatewayRequests"].quality for name in names]
        assert qualities == [Quality.ERROR] * 10 + [Quality.OK] * 30


def test_a_dripping_server_is_left_by_the_deadline_and_holds_one_thread(
    prometheus: FakePrometheus, source: PrometheusSource
) -> None:
    """A server that sends a byte now and then never exceeds a socket's timeout: the deadline holds all the same."""
    prometheus.replies = {"my_gateway": lambda h: drip(h, prometheus), "vector(1)": vector(({}, 1))}
    threads = threading.active_count()
    signal = own_signal(source, 0.3)
    assert signal.quality is Quality.ERROR
    assert "0.27 s" in signal.detail
    source.ready(10.0)
    assert threading.active_count() <= threads + 2 + 2


def test_what_still_hangs_is_not_asked_again_until_it_is_back(
    prometheus: FakePrometheus, closing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next tick says that it still waits; when the request has come back, the query is asked anew."""
    source = closing(PrometheusSource(prometheus.url))
    monkeypatch.setattr("autoscaler.sources.query_client.read_body", lambda raw, _: raw.read())
    prometheus.replies = {"my_gateway": lambda h: drip(h, prometheus)}
    assert "no answer within" in own_signal(source, 0.2).detail
    assert "still no answer" in own_signal(source, 0.2).detail
    assert "still no answer" in own_signal(source, 0.2).detail
    assert len(prometheus.asked) == 1
    prometheus.released.set()
    prometheus.replies = {"my_gateway": vector(({}, 4))}
    while "still no answer" in (signal := own_signal(source, 5.0)).detail:
        pass
    assert signal.value == 4.0
    assert len(prometheus.asked) == 2


def test_closing_does_not_wait_for_what_hangs(prometheus: FakePrometheus) -> None:
    """A process that shall end is not held by a query; afterwards there are only errors."""
    source = PrometheusSource(prometheus.url)
    prometheus.replies = {"my_gateway": lambda _: prometheus.hang()}
    assert own_signal(source, 0.2).quality is Quality.ERROR
    source.close()
    assert not prometheus.released.is_set()
    assert own_signal(source, 0.2).detail == "the source is closed"


# -- who we are ------------------------------------------------------------------------------------------------------


def test_a_rotated_token_is_used_at_once(
    prometheus: FakePrometheus, tmp_path: Path, closing: Callable[..., Any]
) -> None:
    """The token file is read for every request, as a projected token changes under way."""
    path = tmp_path / "token"
    source = closing(PrometheusSource(prometheus.url, credentials=Credentials(token_file=path)))
    for token in ("first", "second"):
        path.write_text(f"{token}\n")
        own_signal(source)
    assert prometheus.authorizations == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("content", [None, "", "two\nlines-of-secret", "\x00secret", b"\xffsecret"])
def test_a_bad_token_file_is_an_error_that_does_not_tell_it(
    prometheus: FakePrometheus, tmp_path: Path, closing: Callable[..., Any], content: str | bytes | None
) -> None:
    """Missing, empty or broken: the file is named, its content never, and nothing is sent without it."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    signal = own_signal(closing(PrometheusSource(prometheus.url, credentials=Credentials(token_file=path))))
    assert signal.quality is Quality.ERROR
    assert str(path) in signal.detail
    assert "secret" not in signal.detail
    assert prometheus.asked == []


def test_basic_authentication_comes_from_files(
    prometheus: FakePrometheus, tmp_path: Path, closing: Callable[..., Any]
) -> None:
    """User and password are read for every request."""
    (tmp_path / "user").write_text("me")
    (tmp_path / "password").write_text("pass:word\n")
    credentials = Credentials(username_file=tmp_path / "user", password_file=tmp_path / "password")
    own_signal(closing(PrometheusSource(prometheus.url, credentials=credentials)))
    assert prometheus.authorizations == ["Basic bWU6cGFzczp3b3Jk"]


def test_a_missing_ca_bundle_is_an_error(tmp_path: Path, closing: Callable[..., Any]) -> None:
    """The file is named, and nobody is trusted instead."""
    source = closing(PrometheusSource("https://127.0.0.1:1", ca_file=tmp_path / "ca.crt"))
    signal = own_signal(source)
    assert signal.quality is Quality.ERROR
    assert "ca.crt" in signal.detail


def test_the_ca_bundle_decides_who_is_trusted(
    prometheus: FakePrometheus, tmp_path: Path, closing: Callable[..., Any]
) -> None:
    """A certificate is checked against the bundle given; one that nobody vouches for is refused before anything is
    sent.
    """
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    subject = ["-subj", "/CN=prometheus", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    prometheus.socket = context.wrap_socket(prometheus.socket, server_side=True)
    prometheus.replies = {"my_gateway": vector(({}, 4))}
    url = prometheus.url.replace("http://", "https://")
    assert own_signal(closing(PrometheusSource(url, ca_file=certificate))).value == 4.0
    refused = own_signal(closing(PrometheusSource(url)))
    assert refused.quality is Quality.ERROR
    assert "certificate verify failed" in refused.detail
    assert len(prometheus.asked) == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("prometheus:9090", "expected"),
        ("ftp://prometheus", "expected"),
        ("http://", "expected"),
        ("http://prometheus:90900", "expected"),
        ("http://[::1", "expected"),
        ("http://me:secret@prometheus", "credentials belong in files"),
        ("http://prometheus/?a=b", "no user, password, query"),
    ],
)
def test_a_wrong_address_is_refused(url: str, message: str) -> None:
    """At once, and without repeating a password."""
    with pytest.raises(UsageError, match=message) as caught:
        PrometheusSource(url)
    assert "secret" not in str(caught.value)


def test_half_a_login_is_refused(tmp_path: Path) -> None:
    """A user without a password, or two ways at once, is a mistake."""
    with pytest.raises(UsageError, match="both"):
        PrometheusSource("http://p", credentials=Credentials(username_file=tmp_path))
    with pytest.raises(UsageError, match="exclude"):
        PrometheusSource("http://p", credentials=Credentials(tmp_path, tmp_path, tmp_path))


def test_importing_the_room_loads_no_client() -> None:
    """The client is loaded when a source is made, not when the package is imported."""
    code = (
        "import sys, autoscaler.sources, autoscaler.sources.prometheus as p;"
        "heavy = {'prometheus_api_client', 'requests'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "p.PrometheusSource('http://127.0.0.1:1').close();"
        "assert heavy <= set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_one_answer_serves_all_targets_behind_a_gateway(prometheus: FakePrometheus, source: PrometheusSource) -> None:
    """Asked once; each target picks its own row, a missing one is `empty`, two of one name are an error."""
    text = "sum by (pool) (held{})"
    rows = [({"pool": "a"}, 3), ({"pool": "b"}, 5), ({"pool": "twice", "x": "1"}, 1), ({"pool": "twice"}, 1)]
    prometheus.replies[text] = vector(*rows, at=NOW)
    targets = [
        target(
            name,
            wants="gatewayRequests",
            overrides={"gatewayRequests": SignalQuery(text, label="pool", value=name, origin="gateway mine")},
        )
        for name in ("a", "b", "c", "twice")
    ]
    collected = source.collect(targets, NOW, 10.0)
    signals = [collected[f"ml/{name}"]["gatewayRequests"] for name in ("a", "b", "c", "twice")]
    assert [signal.value for signal in signals] == [3.0, 5.0, None, None]
    assert [signal.quality for signal in signals[2:]] == [Quality.EMPTY, Quality.ERROR]
    assert prometheus.asked == [text]
