"""One fleet, seen by a real Prometheus through metric pages and by the simulator's monitoring: the same numbers."""

from __future__ import annotations

import itertools
import re
import threading
import time

import numpy as np
import pytest

from autoscaler.daemon.sandbox.metrics_page import Naming, replica_page
from autoscaler.daemon.sandbox.numbers import HistogramNumbers, Life, ReplicaNumbers
from autoscaler.engine.observation import Quality, SignalRequest
from autoscaler.simulator import kernel
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.simulator.signals import Monitoring, Scraping
from autoscaler.sources.prometheus import PrometheusSource
from autoscaler.sources.timing import Timing
from tests.real.prometheus import prometheus_server  # noqa: F401 - a fixture
from tests.real.waiting import eventually
from tests.sources.builders import pod, target
from tests.sources.fakes import FakeServer, send

pytestmark = pytest.mark.cluster

WINDOW_SECONDS = 10.0
NAMING = Naming("vllm", "ml", "chat", "m", "H100")
EXACT = "queueDepth pendingRequests kvCacheUtilization completedRequests"
EXTRAPOLATED = "requestRate tokenRate timeToFirstToken:0.5 timeToFirstToken:0.99 endToEnd:0.9"
SCRIPT = ((0.0, 2), (6.0, 3), (13.0, -1), (14.0, 4))
"""(seconds, replicas), or minus the replicas that die."""


class Stage:
    """A fleet that lives by the wall clock, and is seen whenever Prometheus asks for its page."""

    def __init__(self):
        self.began = time.time()
        model = replica_model("h100-llama-3.1-8b", Serving(max_sequences=24))
        self.fleet = SimulatedFleet(model, itertools.chain([0.0, 0.0], itertools.repeat(1.5)))
        random = np.random.default_rng(4)
        arrivals = np.cumsum(random.exponential(1 / 25, 3000))
        self.fleet.add_requests(arrivals, random.integers(100, 4000, 3000), random.integers(20, 600, 3000))
        self.monitoring = Monitoring(model, Scraping(1.0, 0.0, WINDOW_SECONDS), self.began)
        self.script = list(SCRIPT)
        self.before = {}
        self.lock = threading.Lock()
        self.server = FakeServer(lambda handler, _: send(handler, self.page(), content_type="text/plain"))

    def move(self):
        """Let the fleet live until now; return now on its clock."""
        now = time.time() - self.began
        while self.script and self.script[0][0] <= now:
            at, count = self.script.pop(0)
            self.fleet.scale_to(count, at) if count >= 0 else self.fleet.fail(-count, at)
        self.fleet.advance(now)
        return now

    def page(self):
        """Return all replicas' pages in one, and let the monitoring see the same."""
        with self.lock:
            now = self.move()
            self.monitoring.scrape(self.fleet.snapshot(), self.fleet.gateway_waiting())
            serving = [replica for replica in self.fleet.replicas() if replica.state != "starting"]
            text = "".join(self._page(replica, now) for replica in serving)
            self.before = {replica.number: (now, replica.busy_seconds) for replica in serving}
            return text

    def _page(self, replica, now):
        since, busy = self.before.get(replica.number, (replica.ready_at, 0.0))
        numbers = ReplicaNumbers(
            name=f"chat-{replica.number}",
            life=Life.READY,
            created_at=self.began + replica.created_at,
            ready_at=self.began + replica.ready_at,
            waiting=replica.waiting,
            running=replica.running,
            kv_ratio=replica.kv_utilization,
            busy_ratio=(replica.busy_seconds - busy) / max(now - since, 1e-9),
            completed=replica.completed,
            prompt_tokens=replica.prompt_tokens,
            output_tokens=replica.output_tokens,
            ttft=HistogramNumbers(*replica.first_token),
            e2e=HistogramNumbers(*replica.total),
        )
        label = f'{{namespace="ml",pod="{numbers.name}",'
        lines = replica_page(numbers, NAMING).splitlines()
        return "\n".join(line if "pod=" in line else re.sub("{", label, line, count=1) for line in lines) + "\n"

    def both(self, source, wants):
        """Return what Prometheus shows and what the monitoring does, of the same scrapes at the same moment."""
        requests = [SignalRequest(name, float(rank) if rank else None) for name, _, rank in _parts(wants)]
        while True:
            with self.lock:
                now = self.move()
                newest = self.monitoring.scrapes[-1].at
                ready = {one.number: one.created_at for one in self.fleet.roster() if one.state == kernel.READY}
                ours = self.monitoring.read(requests, ready, now)
            pods = [pod(f"chat-{number}", created_at=self.began + at) for number, at in ready.items()]
            wanted = target("chat", *pods, wants=wants)
            theirs = source.collect([wanted], self.began + now, 10.0)[wanted.name]
            # Prometheus stores a scrape some milliseconds after it has the page
            settled = now - newest > 0.05
            if settled and newest == self.monitoring.scrapes[-1].at:
                return dict(theirs), ours
            time.sleep(0.02)


def _parts(wants):
    return [key.partition(":") for key in wants.split()]


def _agree(looks):
    theirs, ours = looks
    for key, signal in ours.items():
        tolerance = 1e-6 if key in EXACT.split() else 0.02
        same = signal[4:6] == theirs[key][4:6] and signal.value == pytest.approx(theirs[key].value, rel=tolerance)
        if not same:
            return False
    return True


@pytest.fixture
def stage():
    """A fleet with its page."""
    stage = Stage()
    yield stage
    stage.server.stop()


def test_the_monitoring_shows_what_a_real_prometheus_does(stage, prometheus_server):  # noqa: F811 - the fixture
    """While replicas start, die and are replaced: gauges equal, rates, quantiles and counters within 2 %.

    The rest is the milliseconds between Prometheus' own stamp of a scrape, the page, and the moment of the query; where
    these were many because the machine was busy, another look must agree.
    """
    config = [{"targets": [f"127.0.0.1:{stage.server.port}"]}]
    prometheus = prometheus_server([{"job_name": "chat", "honor_labels": True, "static_configs": config}])
    source = PrometheusSource(prometheus.url, timing=Timing(1.0, WINDOW_SECONDS, 4.0))
    try:
        eventually(lambda: len(stage.monitoring.scrapes), lambda count: count > 1)
        seen = set()
        while time.time() - stage.began < 24.0:
            ours = eventually(lambda: stage.both(source, f"{EXACT} {EXTRAPOLATED}"), _agree, 6.0)[1]
            seen.add((ours["queueDepth"].quality, ours["queueDepth"].pods))
            time.sleep(0.31)
        assert {(Quality.OK, 2), (Quality.OK, 3), (Quality.OK, 4)} <= seen
    finally:
        source.close()
