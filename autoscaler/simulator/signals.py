"""What an autoscaler sees of the fleet: through scrapes, rate windows, histogram buckets and quantile interpolation.

A replica is scraped from Ready to its end; one that terminates is no longer asked for. Between scrapes nothing is
seen. GPU utilization is modelled: the share of time in which an iteration runs, which is what DCGM's busy ratio shows,
and which saturates far below capacity.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from autoscaler.engine.observation import (
    COMPLETED_REQUESTS,
    COUNTERS,
    GATEWAY_REQUESTS,
    GENERATED_TOKENS,
    GPU_UTILIZATION,
    KV_CACHE_UTILIZATION,
    PENDING_REQUESTS,
    PROMPT_TOKENS,
    QUEUE_DEPTH,
    REQUEST_RATE,
    RUNNING_REQUESTS,
    STARTED_REQUESTS,
    TOKEN_RATE,
    Quality,
    Signal,
    SignalRequest,
    unknown,
)
from autoscaler.signals.counters import Tally, tally
from autoscaler.signals.histogram import quantile
from autoscaler.signals.presets import UNITS
from autoscaler.simulator import kernel
from autoscaler.simulator.rates import rate, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autoscaler.simulator.fleet import Snapshot
    from autoscaler.simulator.layout import Integers, Model
    from autoscaler.simulator.rates import Span

_HISTOGRAMS = {
    "queueTime": kernel.QUEUE_TIME,
    "timeToFirstToken": kernel.FIRST_TOKEN_TIME,
    "endToEnd": kernel.TOTAL_TIME,
}
_RATES: Mapping[str, Callable[[Snapshot], Integers]] = {
    REQUEST_RATE: lambda rows: rows.completed,
    TOKEN_RATE: lambda rows: rows.output_tokens,
}
_TOTALS: Mapping[str, Callable[[Snapshot], Integers]] = {
    COMPLETED_REQUESTS: lambda rows: rows.completed,
    STARTED_REQUESTS: lambda rows: rows.histograms[:, kernel.FIRST_TOKEN_TIME].sum(axis=1),
    PROMPT_TOKENS: lambda rows: rows.prompt_tokens,
    GENERATED_TOKENS: lambda rows: rows.output_tokens,
}
SHOWN = frozenset(
    {
        *(QUEUE_DEPTH, PENDING_REQUESTS, RUNNING_REQUESTS, GATEWAY_REQUESTS, KV_CACHE_UTILIZATION, GPU_UTILIZATION),
        *(*_TOTALS, *_RATES, *_HISTOGRAMS),
    }
)
"""The names of all signals that a simulated fleet has."""
MODELLED = "modelled: the share of time in which an iteration runs"


@dataclass(frozen=True, slots=True)
class Scraping:
    """How the monitoring samples."""

    interval_seconds: float = 15.0
    phase_seconds: float = 7.5
    """When the first scrape is; with ticks at whole intervals, a tick sees samples of the age interval - phase."""
    window_seconds: float = 120.0
    """Of rates and quantiles."""
    stale_after_seconds: float = 45.0
    """A sample older than this is no evidence."""


class Monitoring:
    """Keeps the scrapes of the last window."""

    def __init__(self, model: Model, scraping: Scraping, epoch_seconds: float) -> None:
        self.model = model
        self.scraping = scraping
        self.epoch_seconds = epoch_seconds
        self.scrapes: deque[Snapshot] = deque()
        self.held = 0
        self.tallies: dict[str, Tally] = {}

    def scrape(self, snapshot: Snapshot, held: int) -> None:
        """Sample the replicas that serve, and the number of requests that the gateway holds."""
        serving = snapshot.state != kernel.STARTING
        columns: tuple[Any, ...] = snapshot[1:]
        self.scrapes.append(type(snapshot)(snapshot.at, *(column[serving] for column in columns)))
        self.held = held
        oldest = snapshot.at - self.scraping.window_seconds - self.scraping.interval_seconds
        while self.scrapes[0].at <= oldest:
            self.scrapes.popleft()

    def read(self, requests: Iterable[SignalRequest], ready: Mapping[int, float], now: float) -> dict[str, Signal]:
        """Return the signals at `now`, on the fleet's clock, by key.

        `ready` holds the number of each live, ready replica, and when it was created.
        """
        if not self.scrapes:
            return {request.key: unknown(request, Quality.EMPTY, "nothing was scraped yet") for request in requests}
        look = _Look(self, ready, now)
        return {request.key: look.signal(request) for request in requests}


class _Look:
    """One look at the monitoring: what several signals share is worked out once."""

    def __init__(self, monitoring: Monitoring, ready: Mapping[int, float], now: float) -> None:
        self._monitoring = monitoring
        self._ready = ready
        self._now = now
        self._rows = monitoring.scrapes[-1]
        self._live = np.flatnonzero([number in ready for number in self._rows.number.tolist()])

    def signal(self, request: SignalRequest) -> Signal:
        """Return one signal, or that and why it is unknown."""
        if request.name == GATEWAY_REQUESTS:
            return self._known(request, float(self._monitoring.held), 0, 0)
        if not self._ready:
            return unknown(request, Quality.NO_PODS, "no replica is ready")
        if request.name in _RATES or request.name in _HISTOGRAMS:
            return self._over_window(request)
        age = self._now - self._rows.at
        if age > self._monitoring.scraping.stale_after_seconds or not len(self._live):
            stale = len(self._live) > 0
            found = f"not sampled for {age:g} s" if stale else "no ready replica was scraped yet"
            return unknown(request, Quality.STALE if stale else Quality.EMPTY, found)
        value = self._gauge(request.name)
        if value is None:
            return unknown(request, Quality.EMPTY, "the simulated backend has no such signal")
        signal = self._known(request, value, len(self._live))
        return signal._replace(detail=MODELLED) if request.name == GPU_UTILIZATION else signal

    def _known(self, request: SignalRequest, value: float, pods: int, expected: int | None = None) -> Signal:
        missing = (len(self._ready) if expected is None else expected) - pods
        quality = Quality.PARTIAL if missing else Quality.OK
        taken_at = self._monitoring.epoch_seconds + self._rows.at
        return Signal(request.key, value, UNITS.get(request.name, ""), taken_at, quality, pods, missing)

    def _gauge(self, name: str) -> float | None:
        rows, live = self._rows, self._live
        if name == QUEUE_DEPTH:
            return float(rows.waiting[live].sum())
        if name == PENDING_REQUESTS:
            return float(rows.waiting[live].sum() + rows.running[live].sum())
        if name == RUNNING_REQUESTS:
            return float(rows.running[live].sum())
        if name == KV_CACHE_UTILIZATION:
            return float(100.0 * rows.held_tokens[live].max() / self._monitoring.model.kv_tokens)
        if name == GPU_UTILIZATION:
            return self._busy_percent()
        return self._total(name) if name in COUNTERS else None

    def _busy_percent(self) -> float:
        """Return the mean over the ready replicas since the scrape before; those not scraped count as idle."""
        scrapes = self._monitoring.scrapes
        before = scrapes[-2] if len(scrapes) > 1 else None
        earlier = {} if before is None else dict(zip(before.number.tolist(), before.busy_seconds.tolist(), strict=True))
        total = 0.0
        for row in self._live.tolist():
            number = int(self._rows.number[row])
            since = before.at if before is not None and number in earlier else float(self._rows.ready_at[row])
            if self._rows.at > since:
                total += (float(self._rows.busy_seconds[row]) - earlier.get(number, 0.0)) / (self._rows.at - since)
        return 100.0 * total / len(self._ready)

    def _total(self, name: str) -> float:
        counts = _TOTALS[name](self._rows)[self._live].tolist()
        readings = dict(zip(self._live_names, counts, strict=True))
        tallies = self._monitoring.tallies
        tallies[name] = tally(tallies.get(name), readings, self._created_at, self._rows.at)
        return tallies[name].total

    @cached_property
    def _live_names(self) -> list[str]:
        return list(map(str, self._rows.number[self._live].tolist()))

    @cached_property
    def _created_at(self) -> dict[str, float]:
        return {str(number): at for number, at in self._ready.items()}

    @cached_property
    def _spans(self) -> list[Span]:
        oldest = self._now - self._monitoring.scraping.window_seconds
        return spans([scrape for scrape in self._monitoring.scrapes if scrape.at > oldest] or [self._rows], self._live)

    def _over_window(self, request: SignalRequest) -> Signal:
        """Return a rate or a quantile; a replica with a single sample in the window is missing in both."""
        pods = sum(len(span.newest_rows) for span in self._spans)
        if not pods:
            return unknown(request, Quality.EMPTY, "no ready replica has two samples in the window")
        if request.name in _HISTOGRAMS:
            return self._quantile(request, pods)
        seconds = self._monitoring.scraping.window_seconds
        parts = (rate(span, _RATES[request.name], self._now, seconds) for span in self._spans)
        return self._known(request, sum(float(part.sum()) for part in parts), pods)

    def _quantile(self, request: SignalRequest, pods: int) -> Signal:
        which, seconds = _HISTOGRAMS[request.name], self._monitoring.scraping.window_seconds
        bounds = [bound for bound in self._monitoring.model.bounds.reshape(3, -1)[which].tolist() if bound < math.inf]
        if not bounds or request.quantile is None:
            return unknown(
                request, Quality.EMPTY, "the simulated backend has no such histogram, or no quantile is asked"
            )

        def cumulative(rows: Snapshot) -> Integers:
            counts: Integers = np.cumsum(rows.histograms[:, which, : len(bounds) + 1], axis=1)
            return counts

        totals = sum(rate(span, cumulative, self._now, seconds).sum(axis=0) for span in self._spans)
        buckets = dict(zip((*bounds, math.inf), np.asarray(totals).tolist(), strict=True))
        value = quantile(request.quantile, buckets)
        signal = self._known(request, value, pods)._replace(samples=buckets[math.inf] * seconds)
        if not math.isnan(value):
            return signal
        return signal._replace(value=None, quality=Quality.NAN, detail=f"no request within {seconds:g} s")
