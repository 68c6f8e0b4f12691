"""Ten of forty hang, over real sockets: the other thirty are seen, decided and written in the same tick."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from autoscaler.daemon.catalog import FileCatalog
from autoscaler.daemon.clock import SystemClock
from autoscaler.daemon.report import Action
from autoscaler.daemon.service import Options, build_daemon
from autoscaler.daemon.timing import Timing
from autoscaler.engine.observation import Quality
from autoscaler.sources.scrape import ScrapeSource
from autoscaler.sources.timing import Timing as SourceTiming
from tests.daemon.world import NAMESPACE, MemoryCluster, Workload, write_documents

TARGETS, HUNG = 40, 10
NAMES = [f"t{number:02d}" for number in range(TARGETS)]
PAGE = b"""# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="m"} 30
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{model_name="m"} 20
# TYPE vllm:request_success_total counter
vllm:request_success_total{model_name="m",finished_reason="stop"} 7
"""
QUICK = Timing(observe_seconds=2.0, collect_seconds=2.0, act_seconds=1.0)


class Page(BaseHTTPRequestHandler):
    """A backend's page of metrics, and an API that takes any write."""

    def do_GET(self):
        self._answer(PAGE, "text/plain; version=0.0.4")

    def do_PATCH(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"{}", "application/json")

    def _answer(self, body, content_type):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Servers:
    """One real listener for each name; the hung ones take connections and never say a word."""

    def __init__(self, stack: ExitStack, hung: set[str]) -> None:
        self.ports = {name: self._mute(stack) if name in hung else self._speaking(stack) for name in NAMES}

    def _mute(self, stack) -> int:
        return stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)).getsockname()[1]

    def _speaking(self, stack) -> int:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        return server.server_port


class HttpCluster(MemoryCluster):
    """Pods at the pages' addresses; writes go over HTTP, with a client that has no deadline of its own."""

    def __init__(self, now, pages: Servers, writes: Servers) -> None:
        super().__init__(now, **{name: Workload() for name in NAMES})
        self.pages = pages
        self.api = writes
        self.connections: list[http.client.HTTPConnection] = []

    def _facts(self, ref):
        facts = super()._facts(ref)
        port = self.pages.ports[ref.name]
        return facts._replace(addresses={pod.name: f"127.0.0.1:{port}" for pod in facts.replicas[:1]})

    def scale(self, facts, replicas, deadline_seconds):
        connection = http.client.HTTPConnection("127.0.0.1", self.api.ports[facts.ref.name], timeout=60)
        self.connections.append(connection)
        connection.request("PATCH", "/scale", body=b"{}")
        connection.getresponse().read()
        connection.close()
        super().scale(facts, replicas, deadline_seconds)

    def close(self):
        """Cut the connections that still hang."""
        for connection in self.connections:
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)
                connection.close()


@pytest.fixture
def forty(tmp_path, clock):
    """A function from the names with hung pages and hung writes to a daemon over real sockets, and its cluster."""
    with ExitStack() as stack:

        def make(hung_pages=(), hung_writes=()):
            cluster = HttpCluster(clock.time, Servers(stack, set(hung_pages)), Servers(stack, set(hung_writes)))
            stack.callback(cluster.close)
            catalog = FileCatalog([write_documents(tmp_path, *NAMES)])
            source = ScrapeSource(timing=SourceTiming(), page_timeout_seconds=30.0)
            daemon = build_daemon(catalog, source, cluster, SystemClock(clock.time, clock.monotonic), Options(QUICK))
            stack.callback(daemon.close)
            return daemon, cluster

        yield make


def reports(tick):
    """Return the targets' reports by their short names."""
    return {target.target.name: target for target in tick.targets}


def threads_of(prefix):
    """Return how many threads of one kind are alive."""
    return sum(thread.name.startswith(prefix) for thread in threading.enumerate())


def test_ten_hung_pages_of_forty(forty, clock):
    """Targets whose pod accepts and never answers hold, with the reason; thirty are scaled in the first tick."""
    daemon, cluster = forty(hung_pages=NAMES[:HUNG])
    for tick in range(3):
        clock.advance(15)
        seen = reports(daemon.tick())
        for name in NAMES[HUNG:]:
            signal = seen[name].observation.signals["pendingRequests"]
            assert (signal.quality, signal.taken_at) == (Quality.OK if tick == 0 else Quality.PARTIAL, clock.time())
            assert cluster.workloads[f"{NAMESPACE}/{name}"].replicas == 5
        for name in NAMES[:HUNG]:
            assert seen[name].observation.signals["pendingRequests"].quality is Quality.ERROR
            assert seen[name].decision.replicas == 1
    assert len(cluster.writes) == TARGETS - HUNG


def test_ten_hung_writes_of_forty(forty, clock):
    """Writes that hang hold one thread each, however often it ticks; thirty are written in the first tick."""
    daemon, cluster = forty(hung_writes=NAMES[:HUNG])
    clock.advance(15)
    seen = reports(daemon.tick())
    assert {seen[name].action for name in NAMES[HUNG:]} == {Action.WRITTEN}
    assert {seen[name].action for name in NAMES[:HUNG]} == {Action.UNKNOWN}
    for _ in range(3):
        clock.advance(15)
        seen = reports(daemon.tick())
        assert {seen[name].action for name in NAMES[:HUNG]} == {Action.FAILED}
        assert {seen[name].decision.replicas for name in NAMES[:HUNG]} == {5}
    assert threads_of("autoscaler-write") == HUNG
    assert len(cluster.connections) == TARGETS
    assert len(cluster.writes) == TARGETS - HUNG


def test_a_cluster_and_a_source_that_break_their_promise(forty, clock):
    """A whole read that never comes back ends the tick all the same, is not asked twice, and nothing is lowered."""
    daemon, cluster = forty()
    daemon._ticker._collector._timing = Timing(observe_seconds=0.05, collect_seconds=0.05)
    let_go = threading.Event()
    asked = []
    observe = cluster.observe

    def hang(refs, deadline_seconds):
        asked.append(len(refs))
        let_go.wait(60)
        return observe(refs, deadline_seconds)

    cluster.observe = hang
    for _ in range(3):
        clock.advance(15)
        report = daemon.tick()
        assert all(target.decision is None for target in report.targets)
        assert all("the targets could not be read" in target.failures[0].message for target in report.targets)
    assert asked == [TARGETS]
    let_go.set()
