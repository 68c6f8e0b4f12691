"""What monitoring shows of a fleet, against the fleet itself and against Prometheus' own arithmetic."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from autoscaler.engine.observation import Quality, SignalRequest
from autoscaler.simulator import kernel
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.model import replica_model
from autoscaler.simulator.rates import rate, spans
from autoscaler.simulator.signals import Monitoring, Scraping

EPOCH = 1_700_000_000.0
NAMES = ("queueDepth", "pendingRequests", "completedRequests", "gpuUtilization", "kvCacheUtilization", "requestRate")
TTFT = SignalRequest("timeToFirstToken", 0.9)


class Watched:
    """A fleet under constant load, scraped every 15 s from 7.5 s on."""

    def __init__(self, startup_seconds=0.0, rate=4.0):
        self.fleet = SimulatedFleet(replica_model("h100-llama-3.1-8b"), itertools.repeat(startup_seconds))
        arrivals = np.arange(0.1, 600.0, 1 / rate)
        self.fleet.add_requests(arrivals, np.full(len(arrivals), 800), np.full(len(arrivals), 150))
        self.monitoring = Monitoring(self.fleet.model, Scraping(), EPOCH)
        self.next_scrape = 7.5

    def until(self, at):
        """Let time pass, scraping on the way."""
        while self.next_scrape <= at:
            self.fleet.advance(self.next_scrape)
            self.monitoring.scrape(self.fleet.snapshot(), self.fleet.gateway_waiting())
            self.next_scrape += 15.0
        self.fleet.advance(at)

    def read(self, *requests):
        """Return the signals now."""
        ready = {entry.number: entry.created_at for entry in self.fleet.roster() if entry.state == kernel.READY}
        return self.monitoring.read(requests, ready, self.fleet.now)


def test_before_the_first_scrape_nothing_is_known():
    """Every signal is empty, and none is zero."""
    watched = Watched()
    watched.fleet.scale_to(1, 0.0)
    for signal in watched.read(*map(SignalRequest, NAMES), TTFT).values():
        assert (signal.value, signal.quality) == (None, Quality.EMPTY)


def test_without_a_ready_replica_only_the_gateway_is_known():
    """While the first replica starts, the backend's signals have no pods, and the gateway counts what it holds."""
    watched = Watched(startup_seconds=80.0)
    watched.fleet.scale_to(1, 0.0)
    watched.until(30.0)
    signals = watched.read(*map(SignalRequest, NAMES), SignalRequest("gatewayRequests"))
    assert signals.pop("gatewayRequests").value == 90
    assert {Quality.NO_PODS} == {signal.quality for signal in signals.values()}


def test_gauges_show_the_moment_of_the_scrape():
    """Waiting, running, cache and their age are those of the newest scrape, not of now."""
    watched = Watched()
    watched.fleet.scale_to(2, 0.0)
    watched.until(22.5)
    snapshot = watched.fleet.snapshot()
    watched.until(30.0)
    signals = watched.read(SignalRequest("pendingRequests"), SignalRequest("kvCacheUtilization"))
    assert snapshot.waiting.sum() + snapshot.running.sum() == signals["pendingRequests"].value
    assert 100 * snapshot.held_tokens.max() / 450_000 == pytest.approx(signals["kvCacheUtilization"].value)
    assert signals["pendingRequests"][3:6] == (EPOCH + 22.5, Quality.OK, 2)


def test_a_ready_replica_that_was_not_scraped_yet_makes_a_signal_partial():
    """Between Ready and its first scrape a replica is missing, which may raise and never lower."""
    watched = Watched(startup_seconds=0.0)
    watched.fleet.scale_to(1, 0.0)
    watched.until(25.0)
    watched.fleet.scale_to(2, 25.0)
    watched.until(30.0)
    signal = watched.read(SignalRequest("pendingRequests"))["pendingRequests"]
    assert signal[4:7] == (Quality.PARTIAL, 1, 1)
    watched.until(45.0)
    assert Quality.OK is watched.read(SignalRequest("pendingRequests"))["pendingRequests"].quality


def test_rates_and_quantiles_come_near_the_truth():
    """Under constant load, the request rate is the arrival rate, and a quantile lies in the bucket of the true one."""
    watched = Watched(rate=4.0)
    watched.fleet.scale_to(1, 0.0)
    watched.until(300.0)
    signals = watched.read(SignalRequest("requestRate"), TTFT)
    assert pytest.approx(signals["requestRate"].value, rel=0.05) == 4.0
    results = watched.fleet.results()
    true = np.nanquantile((results.first_token - results.arrival)[results.arrival < 300], 0.9)
    bounds = np.array([0, *watched.fleet.replicas()[0].first_token.bounds])
    assert np.searchsorted(bounds, true) == np.searchsorted(bounds, signals[TTFT.key].value)
    assert pytest.approx(signals[TTFT.key].samples, rel=0.05) == 480


def test_a_quantile_without_traffic_is_not_a_number():
    """After the last request has left the window, the quantile is unknown as NaN, not zero."""
    watched = Watched()
    watched.fleet.scale_to(1, 0.0)
    watched.until(900.0)
    signal = watched.read(TTFT)[TTFT.key]
    assert (signal.value, signal.quality, signal.samples) == (None, Quality.NAN, 0.0)


def test_the_completion_counter_survives_replicas():
    """Completions of a replica that is gone stay in the counter, those of a new one are added, and it never falls."""
    watched = Watched()
    watched.fleet.scale_to(2, 0.0)
    request, seen = SignalRequest("completedRequests"), []
    for tick in range(1, 30):
        watched.until(15.0 * tick)
        if tick in {10, 20}:
            watched.fleet.scale_to(1 if tick == 10 else 3, 15.0 * tick)
        seen.append(watched.read(request)[request.key].value)
    assert sorted(seen) == seen
    assert seen[-1] > 0.9 * (watched.fleet.results().finish < 15.0 * 29).sum()


def test_gpu_utilization_saturates_early_and_says_that_it_is_modelled():
    """One request a second, 3 % of an H100's capacity, keeps the GPU busy for most of the time."""
    watched = Watched(rate=1.0)
    watched.fleet.scale_to(1, 0.0)
    watched.until(300.0)
    signal = watched.read(SignalRequest("gpuUtilization"))["gpuUtilization"]
    assert 60 < signal.value <= 100
    assert signal.detail.startswith("modelled")


def _snapshots(columns):
    watched = Watched()
    watched.fleet.scale_to(1, 0.0)
    template = watched.fleet.snapshot()
    return [template._replace(at=at, number=np.array([0]), completed=np.array([count])) for at, count in columns]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        # both ends nearer than 1.1 intervals: 80 in 90 s, stretched to 7.5 s and 15 s beyond
        ([(7.5 + 15 * n, 100 + 80 * n / 6) for n in range(7)], 80 / 90 * (90 + 7.5 + 15) / 112.5),
        # the window begins long before the first sample: half an interval there, and the counter cannot be below zero
        ([(82.5, 0.0), (97.5, 40.0)], 40 / 15 * (15 + 0 + 15) / 112.5),
        ([(82.5, 400.0), (97.5, 440.0)], 40 / 15 * (15 + 7.5 + 15) / 112.5),
    ],
)
def test_rates_are_extrapolated_as_prometheus_does(samples, expected):
    """Worked examples of `extrapolatedRate`: near ends, far ends, and a counter that began within the window."""
    window = _snapshots(samples)
    (span,) = spans(window, np.array([0]))
    found = rate(span, lambda rows: rows.completed, 112.5, 112.5)
    assert [expected] == pytest.approx(found.tolist())


def test_backends_without_a_histogram_have_no_quantile():
    """A histogram without bounds gives an empty signal, not a number."""
    watched = Watched()
    watched.fleet.scale_to(1, 0.0)
    bounds = watched.fleet.model.bounds.copy().reshape(3, -1)
    bounds[kernel.FIRST_TOKEN_TIME] = math.inf
    watched.monitoring.model = watched.fleet.model._replace(bounds=bounds.reshape(-1))
    watched.until(100.0)
    assert Quality.EMPTY is watched.read(TTFT)[TTFT.key].quality


def test_an_old_sample_is_no_evidence():
    """When the newest scrape is older than the limit, gauges and counters are stale, and known again after the next."""
    watched = Watched()
    watched.monitoring.scraping = Scraping(stale_after_seconds=10.0)
    watched.fleet.scale_to(1, 0.0)
    keys = ("queueDepth", "completedRequests", "gpuUtilization")
    for at, quality in ((32.0, Quality.OK), (37.0, Quality.STALE), (38.0, Quality.OK)):
        watched.until(at)
        assert {signal.quality for signal in watched.read(*map(SignalRequest, keys)).values()} == {quality}
