"""Recorded rates: traces that say how many requests came, not which."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from autoscaler.documents.scenario import GapFamily
from autoscaler.traces.gaps import Windows, spread, whole_counts
from autoscaler.traces.lengths import DEFAULT
from autoscaler.traces.trace import Trace
from autoscaler.traces.transform import check_count, relength

if TYPE_CHECKING:
    from autoscaler.traces.lengths import Lengths
    from autoscaler.traces.trace import Floats, Longs


class Asked(NamedTuple):
    """What requests are to be made of recorded rates."""

    window_seconds: tuple[float, float] | None = None
    """Only requests of this part; their times still count from the trace's start."""
    rate_scale: float = 1.0
    """Multiplies the rates; the time and the CV of the gaps stay."""
    lengths: Lengths | None = None
    """Where a trace has lengths of its own, None for these."""


class Rates(Protocol):
    """Recorded rates."""

    @property
    def end_seconds(self) -> float:
        """The end of the last window, from the start."""

    def requests(self, asked: Asked, stream: np.random.Generator) -> Trace:
        """Return requests that have these rates.

        Raises:
            TraceError: they would be too many.
        """


class WindowRates(NamedTuple):
    """Rates of windows that follow each other, in each of them several clients whose gaps have one CV."""

    name: str
    starts: Floats
    widths: Floats
    expected: Floats
    """Requests in each window."""
    clients: Longs
    cvs: Floats
    notes: tuple[str, ...]

    @property
    def end_seconds(self) -> float:
        """The end of the last window."""
        return float(self.starts[-1] + self.widths[-1])

    def requests(self, asked: Asked, stream: np.random.Generator) -> Trace:
        """Return requests with the recorded counts, and lengths that are drawn."""
        chosen = within(self.starts, self.widths, asked.window_seconds)
        expected = self.expected[chosen] * asked.rate_scale
        check_count(self.name, float(expected.sum()))
        counts = whole_counts(expected, stream) if (expected % 1).any() else expected.astype(np.int64)
        arrivals = self._arrivals(chosen, counts, stream)
        empty = np.zeros(len(arrivals), np.int32)
        trace = Trace(self.name, arrivals, empty, empty, self.notes)
        return relength(trace, asked.lengths or DEFAULT, stream)

    def _arrivals(self, chosen: slice, counts: Longs, stream: np.random.Generator) -> Floats:
        clients = np.minimum(np.maximum(self.clients[chosen], 1), np.maximum(counts, 1))
        owners = np.repeat(np.arange(len(counts)), clients)
        places = np.arange(len(owners)) - np.repeat(np.cumsum(clients) - clients, clients)
        shares = counts[owners] // clients[owners] + (places < counts[owners] % clients[owners])
        cvs = self.cvs[chosen]
        poisson = bool((cvs == 1).all())
        shapes = np.ones(len(owners)) if poisson else 1 / cvs[owners] ** 2
        windows = Windows(self.starts[chosen][owners], self.widths[chosen][owners], shares, shapes)
        family = GapFamily.POISSON if poisson else GapFamily.GAMMA
        parts = list(spread(windows, family, stream))
        arrivals = np.concatenate(parts) if parts else np.empty(0)
        arrivals.sort(kind="stable")
        return arrivals


def within(starts: Floats, widths: Floats, window_seconds: tuple[float, float] | None) -> slice:
    """Return which windows have a part between two moments."""
    if window_seconds is None:
        return slice(None)
    first = int(np.searchsorted(starts + widths, window_seconds[0], "right"))
    return slice(first, int(np.searchsorted(starts, window_seconds[1], "left")))
