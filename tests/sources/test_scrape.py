"""The scrape source against pods that answer, lie, hang and restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autoscaler.engine.observation import Quality, Signal
from autoscaler.signals.query import Across, SignalQuery
from autoscaler.sources.scrape import ScrapeSource
from autoscaler.sources.timing import Timing
from tests.real.child import free_port
from tests.sources.builders import pod, target
from tests.sources.fakes import cut, drip, send, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.sources import PodAddress, Target
    from tests.sources.fakes import FakeServer, Handler

NOW = 5000.0


class FakePod:
    """One pod's server; the test sets its page, or how it answers."""

    def __init__(self, name: str, serve: Callable[..., FakeServer], page: str = "") -> None:
        self.name, self.page = name, page
        self.reply: Callable[[Handler], None] = lambda h: send(h, self.page, content_type="text/plain")
        self.server = serve(lambda handler, _: self.reply(handler))

    def address(self, **facts: Any) -> PodAddress:
        """Return where it listens."""
        return pod(self.name, port=self.server.port, **facts)


@pytest.fixture
def start(serve: Callable[..., FakeServer]) -> Callable[..., FakePod]:
    """A way to start pods."""
    return lambda name, page="": FakePod(name, serve, page)


@pytest.fixture
def source(closing: Callable[..., Any]) -> ScrapeSource:
    """A source with a window of 60 s."""
    return closing(ScrapeSource(timing=Timing(rate_window_seconds=60.0), page_timeout_seconds=5.0))


def vllm(
    waiting: float = 0,
    running: float = 0,
    completed: float = 0,
    tokens: float = 0,
    ttft: dict[str, float] | None = None,
) -> str:
    """Return a page as vLLM shows it, in so far as we read it."""
    label = 'engine="0",model_name="m"'
    lines = [
        "# TYPE vllm:num_requests_waiting gauge",
        f"vllm:num_requests_waiting{{{label}}} {waiting}",
        f"vllm:num_requests_running{{{label}}} {running}",
        "# TYPE vllm:request_success_total counter",
        f'vllm:request_success_total{{{label},finished_reason="stop"}} {completed}',
        f'vllm:request_success_total{{{label},finished_reason="abort"}} 0',
        f"vllm:generation_tokens_total{{{label}}} {tokens}",
    ]
    lines += [
        f'vllm:time_to_first_token_seconds_bucket{{{label},le="{le}"}} {n}' for le, n in (ttft or {"+Inf": 0}).items()
    ]
    return "\n".join(lines) + "\n"


def one(source: ScrapeSource, wanted: Target, now: float = NOW, deadline_seconds: float = 10.0) -> Signal:
    """Return the only signal of the only target."""
    (signals,) = source.collect([wanted], now, deadline_seconds).values()
    (signal,) = signals.values()
    return signal


def test_gauges_are_added_over_pods(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """Each pod is asked once a tick, for all signals together."""
    pods = [start("a-1", vllm(3, 5)), start("a-2", vllm(1, 2))]
    wanted = target("a", *(p.address() for p in pods), wants="queueDepth pendingRequests")
    signals = source.collect([wanted], NOW, 10.0)["ml/a"]
    assert signals["queueDepth"] == Signal("queueDepth", 4.0, "requests", NOW, Quality.OK, pods=2)
    assert signals["pendingRequests"].value == 11.0
    assert [p.server.asked for p in pods] == [["/metrics"], ["/metrics"]]


def test_rates_need_two_samples_and_then_are_right(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """A rate is the increase over the time that it was seen to take."""
    a = start("a-1")
    wanted = target("a", a.address(), wants="requestRate tokenRate")
    expected = [(None, None), (2.0, 100.0), (1.5, 50.0)]
    for index, (completed, tokens) in enumerate([(100, 1000), (130, 2500), (145, 2500)]):
        a.page = vllm(completed=completed, tokens=tokens)
        signals = source.collect([wanted], NOW + 15 * index, 10.0)["ml/a"]
        assert (signals["requestRate"].value, signals["tokenRate"].value) == expected[index]
        if index == 0:
            assert signals["requestRate"].quality is Quality.NAN
            assert "a rate needs two samples" in signals["requestRate"].detail


def test_quantiles_are_of_the_window(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """What was observed before the window does not count, and samples are the requests within it."""
    a, b = start("a-1"), start("a-2")
    wanted = target("a", a.address(), b.address(), wants="timeToFirstToken:0.5")
    history = [
        ({"1": 1000, "4": 1000, "+Inf": 1000}, {"1": 0, "4": 0, "+Inf": 0}),
        ({"1": 1002, "4": 1002, "+Inf": 1002}, {"1": 0, "4": 6, "+Inf": 6}),
    ]
    for index, (first, second) in enumerate(history):
        a.page, b.page = vllm(ttft=first), vllm(ttft=second)
        signal = one(source, wanted, NOW + 15 * index)
        if index == 0:
            assert (signal.quality, signal.samples) == (Quality.NAN, None)
            assert "a rate needs two samples" in signal.detail
    assert signal.value == pytest.approx(1 + 3 * 2 / 6)
    assert signal.samples == pytest.approx(8)
    for index in range(2, 8):
        signal = one(source, wanted, NOW + 15 * index)
    assert (signal.quality, signal.samples) == (Quality.NAN, 0.0)


def test_a_restarted_pod_counts_anew(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """A reset is no negative rate, and completions go on."""
    a = start("a-1")
    wanted = target("a", a.address(), wants="requestRate completedRequests")
    values = []
    for index, completed in enumerate([100, 130, 15, 15]):
        a.page = vllm(completed=completed)
        signals = source.collect([wanted], NOW + 15 * index, 10.0)["ml/a"]
        values.append((signals["requestRate"].value, signals["completedRequests"].value))
    assert values == [(None, 0), (2.0, 30), (1.5, 45), (1.0, 45)]


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        pytest.param(lambda h: send(h, "<html>Sign in</html>"), "not a page of metrics: Sign in", id="login page"),
        pytest.param(lambda h: send(h, "", 503), "HTTP 503", id="503"),
        pytest.param(lambda h: send(h, "", 302, Location="http://127.0.0.1:1/"), "HTTP 302", id="redirect"),
        pytest.param(lambda h: send(h, "vllm:num_requests_waiting seven\n"), "broken line", id="text"),
        pytest.param(cut, "RemoteDisconnected", id="hang up"),
        pytest.param(lambda h: cut(h, b"junk\r\n\r\n"), "BadStatusLine", id="not HTTP"),
        pytest.param(lambda h: cut(h, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na 1"), "Incomplete", id="cut off"),
    ],
)
def test_a_pod_that_misbehaves_is_missing(
    start: Callable[..., FakePod], source: ScrapeSource, reply: Callable[[Handler], None], detail: str
) -> None:
    """The others are still added, and the detail names the pod and its reason; alone it is an error."""
    good, bad = start("a-1", vllm(3)), start("a-2")
    bad.reply = reply
    signal = one(source, target("a", good.address(), bad.address()))
    assert (signal.quality, signal.value, signal.missing) == (Quality.PARTIAL, 3.0, 1)
    assert "a-2 could not be asked" in signal.detail
    assert detail in signal.detail
    assert one(source, target("a", bad.address()), NOW + 15).quality is Quality.ERROR


def test_a_pod_that_does_not_listen(source: ScrapeSource) -> None:
    """Missing if it is ready; while it starts, nothing else is expected."""
    gone = free_port()
    assert one(source, target("a", pod("a-1", port=gone))).quality is Quality.ERROR
    assert "Connection refused" in one(source, target("a", pod("a-1", port=gone)), NOW + 15).detail
    starting = one(source, target("a", pod("a-1", port=gone, ready=False)), NOW + 30)
    assert starting.quality is Quality.NO_PODS
    assert one(source, target("a", pod("a-1", ip="", ready=False)), NOW + 45).quality is Quality.NO_PODS
    assert one(source, target("a"), NOW + 60).quality is Quality.NO_PODS


def test_nan_and_absent_series(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """VLLM always shows its gauges, so a page without them is unknown; NaN is no number."""
    a = start("a-1", "# nothing yet\n")
    assert one(source, target("a", a.address())).quality is Quality.EMPTY
    a.page = vllm(waiting=float("nan"))
    assert one(source, target("a", a.address())).quality is Quality.NAN


def test_an_idle_tgi_is_zero_and_a_silent_one_unknown(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """TGI's series appear at first use: absent from a page that was read, they are 0."""
    a = start("a-1", "")
    wanted = target("a", a.address(), wants="pendingRequests requestRate completedRequests", backend="tgi")
    signals = source.collect([wanted], NOW, 10.0)["ml/a"]
    assert {key: (s.value, s.quality) for key, s in signals.items()} == dict.fromkeys(signals, (0.0, Quality.OK))
    a.page = "# TYPE tgi_request_count counter\ntgi_request_count 30\ntgi_queue_size 2\ntgi_request_success 15\n"
    signals = source.collect([wanted], NOW + 15, 10.0)["ml/a"]
    assert {key: s.value for key, s in signals.items()} == {
        "pendingRequests": 2.0,
        "requestRate": 2.0,
        "completedRequests": 15.0,
    }
    a.reply = cut
    assert source.collect([wanted], NOW + 30, 10.0)["ml/a"]["pendingRequests"].quality is Quality.ERROR


def test_compressed_pages_are_read(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """A page may come as gzip."""
    a = start("a-1")
    a.reply = lambda h: send(h, zipped(vllm(3).encode()), Content_Encoding="gzip")
    assert one(source, target("a", a.address())).value == 3.0


def test_no_connection_is_used_twice(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """A server that closes idle connections without a word cannot do so in the middle of a request."""
    a = start("a-1", vllm(3))
    used = set()

    def once(handler: Handler) -> None:
        handler.close_connection = False
        if handler in used:
            cut(handler)
        used.add(handler)
        send(handler, a.page, content_type="text/plain")

    a.reply = once
    for tick in range(3):
        assert one(source, target("a", a.address()), NOW + 15 * tick).quality is Quality.OK
    assert len(used) == 3


def test_a_hung_pod_silences_nobody(start: Callable[..., FakePod], closing: Callable[..., Any]) -> None:
    """Ten hung of forty, with fewer connections than pods: thirty answers, ten errors, and one request each."""
    source = closing(ScrapeSource(page_timeout_seconds=30.0, connections=16))
    pods = [start(f"a-{i}", vllm(1)) for i in range(40)]
    for hung in pods[:5]:
        hung.reply = lambda h: h.server.hang()  # type: ignore[attr-defined]
    for dripping in pods[5:10]:
        dripping.reply = lambda h: drip(h, h.server)  # type: ignore[arg-type]
    targets = [target(p.name, p.address()) for p in pods]
    for tick in range(2):
        collected = source.collect(targets, NOW + 15 * tick, 1.5)
        assert not any(p.server.released.is_set() for p in pods)
        qualities = [collected[f"ml/{p.name}"]["queueDepth"].quality for p in pods]
        assert qualities == [Quality.ERROR] * 10 + [Quality.OK] * 30
    for p in pods:
        p.server.released.set()


def test_a_page_without_end_is_cut(
    start: Callable[..., FakePod], source: ScrapeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is longer than any page of metrics is not read to its end."""
    monkeypatch.setattr("autoscaler.sources.scrape._MOST_BYTES", 100_000)
    a = start("a-1", "# filler\n" * 20_000)
    assert "longer than 100000 bytes" in one(source, target("a", a.address())).detail


def gateway(url: str, metric: str = "queue_size", **facts: Any) -> Target:
    """Return a target whose gateway signal stands on a page."""
    return target(
        "a", wants="gatewayRequests", overrides={"gatewayRequests": SignalQuery("", "", url, metric, **facts)}
    )


def test_the_gateway_is_read_from_its_page(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """At zero replicas the gateway is all there is."""
    page = 'queue_size{pool="a",priority="0"} 3\nqueue_size{pool="a",priority="1"} 4\nqueue_size{pool="b"} 50\n'
    url = f"{start('gateway', page).server.url}/metrics"
    signal = one(source, gateway(url, 'queue_size{pool="a"}'))
    assert signal == Signal("gatewayRequests", 7.0, "requests", NOW, Quality.OK)
    assert one(source, gateway(url, "queue_size", across=Across.MAX), NOW + 15).value == 50.0
    assert one(source, gateway(url, "queue_size", across=Across.MEAN), NOW + 30).value == 19.0


@pytest.mark.parametrize(
    ("query", "quality", "detail"),
    [
        (SignalQuery("sum(queue)"), Quality.ERROR, "no `url` and `metric`"),
        (SignalQuery(url="http://x/"), Quality.ERROR, "no `url` and `metric`"),
        (SignalQuery(url="file:///etc/passwd", metric="a"), Quality.ERROR, "http://host"),
        (SignalQuery(url="http://[::1", metric="a"), Quality.ERROR, "http://host"),
        (SignalQuery(url="http://x:99999/", metric="a"), Quality.ERROR, "http://host"),
        (SignalQuery(url="http://x/ a", metric="a"), Quality.ERROR, "http://host"),
        (SignalQuery(url="http://x/", metric="sum(a)"), Quality.ERROR, "expected"),
        (SignalQuery(url="PAGE", metric="absent"), Quality.EMPTY, "no series absent"),
        (SignalQuery(url="PAGE", metric="not_a_number"), Quality.NAN, "NaN"),
        (SignalQuery(url="PAGE", metric="endless"), Quality.ERROR, "+Inf"),
        (SignalQuery(url="PAGE", metric="text"), Quality.ERROR, "broken line"),
    ],
)
def test_a_gateway_page_that_does_not_give_a_number(
    start: Callable[..., FakePod], source: ScrapeSource, query: SignalQuery, quality: Quality, detail: str
) -> None:
    """Each mistake has its word, and the pods' signals are not touched by it."""
    page = start("gateway", "not_a_number NaN\nendless +Inf\ntext seven\n").server.url
    query = query._replace(url=query.url.replace("PAGE", page))
    a = start("a-1", vllm(3))
    wanted = target("a", a.address(), wants="queueDepth gatewayRequests", overrides={"gatewayRequests": query})
    signals = source.collect([wanted], NOW, 10.0)["ml/a"]
    assert signals["gatewayRequests"].quality is quality
    assert detail in signals["gatewayRequests"].detail
    assert signals["queueDepth"].value == 3.0


def test_gpu_series_on_the_pods_own_page_or_the_exporters(
    start: Callable[..., FakePod], closing: Callable[..., Any]
) -> None:
    """The exporter names the user of each GPU; an idle GPU is 0 only where its node's exporter answered."""
    exporter = start(
        "exporter",
        'DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="0",Hostname="node-1",namespace="ml",pod="a-1"} 0.9\n'
        'DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="1",Hostname="node-1",namespace="ml",pod="a-1"} 0.7\n'
        'DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="0",Hostname="node-2"} 0\n'
        'DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="1"} 0\n',
    )
    source = closing(ScrapeSource(gpu_exporters=[f"{exporter.server.url}/metrics"]))
    first, second, own = start("a-1", vllm()), start("a-2", vllm()), start("a-3", "DCGM_FI_DEV_GPU_UTIL 40\n")
    wants = "gpuUtilization"
    assert one(source, target("a", first.address(), wants=wants)).value == pytest.approx(80.0)
    idle = one(source, target("a", first.address(), second.address(node="node-2"), wants=wants))
    assert (idle.value, idle.quality) == (pytest.approx(40.0), Quality.OK)
    assert one(source, target("a", first.address(), second.address(), wants=wants)).quality is Quality.PARTIAL
    assert one(source, target("a", own.address(), wants=wants)).value == 40.0
    exporter.reply = cut
    assert one(source, target("a", first.address(), wants=wants)).quality is Quality.ERROR


def test_addresses(closing: Callable[..., Any], start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """IPv6 stands in brackets, and the preset knows the port."""
    from autoscaler.sources.page_view import pod_url  # noqa: PLC0415

    assert pod_url(target("a"), pod("p", "fd00::1")) == "http://[fd00::1]:8000/metrics"
    assert pod_url(target("a", backend="tgi"), pod("p", "10.0.0.1")) == "http://10.0.0.1:80/metrics"
    assert pod_url(target("a"), pod("p", "")) == ""
    assert pod_url(target("a", backend="own"), pod("p", "10.0.0.1")) == ""
    assert pod_url(target("a", backend="own"), pod("p", "10.0.0.1", 9000)) == "http://10.0.0.1:9000/metrics"


def test_memory_is_bounded_by_the_live_pods(start: Callable[..., FakePod], source: ScrapeSource) -> None:
    """Pods that are gone are forgotten after a window, targets after an hour."""
    wants = "requestRate completedRequests"
    for index in range(5):
        a = start(f"a-{index}", vllm(completed=index))
        source.collect([target(f"t-{index}", a.address(), wants=wants)], NOW + 4000 * index, 10.0)
    assert len(source._histories._pods) == 1
    assert len(source._tallies._entries) == 1
