"""The plots of a report: replicas, traffic, queues, latency and use over one time axis."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from autoscaler.experiments.plot import Figure, Line, Mark, Panel, clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autoscaler.experiments.record import Record
    from autoscaler.experiments.series import Truth

_MOST_POINTS = 480


def figure(record: Record, true: Truth, objective_seconds: float) -> Figure:
    """Return what is drawn of one run."""
    course = _Course(record, true)
    panels = (
        _replicas(course),
        _arrivals(course),
        _pending(course),
        _first_tokens(course, objective_seconds),
        _use(course),
    )
    return Figure(course.times, panels, tuple(_marks(record)))


class _Course:
    """A record in so many groups of samples as can be told apart, one value a group."""

    def __init__(self, record: Record, true: Truth) -> None:
        self.record = record
        self.true = true
        self._bins = _bins(len(record.samples))
        self.times = [record.samples[place[0]].at_seconds for place in self._bins]
        edges = [0.0, *(record.samples[place[-1]].at_seconds for place in self._bins)]
        self._spans = [after - before for before, after in itertools.pairwise(edges)]

    def _reduced(self, reduce: Callable[[Sequence[float]], float], values: Sequence[float]) -> list[float]:
        return [reduce([values[one] for one in place]) for place in self._bins]

    def _values(self, name: str, scale: float) -> list[float]:
        return [scale * getattr(sample, name) for sample in self.record.samples]

    def most(self, name: str) -> list[float]:
        """Return the greatest of each group."""
        return self._reduced(_greatest, self._values(name, 1.0))

    def mean(self, name: str, scale: float = 1.0) -> list[float]:
        """Return the mean of each group."""
        return self._reduced(_mean, self._values(name, scale))

    def first(self, name: str) -> list[float]:
        """Return a count as it stands at the beginning of each group: stacked, maxima of several would not add up."""
        return [float(getattr(self.record.samples[place[0]], name)) for place in self._bins]

    def waits(self) -> list[float]:
        """Return the true P99 of the time to first token, the greatest of each group."""
        return self._reduced(_greatest, self.true.ttft_p99_seconds.tolist())

    def per_second(self, counts: Sequence[int]) -> list[float]:
        """Return the rate in each group."""
        totals = (sum(counts[one] for one in place) for place in self._bins)
        return [total / max(span, 1e-9) for total, span in zip(totals, self._spans, strict=True)]


def _replicas(course: _Course) -> Panel:
    return Panel(
        "replicas",
        (Line("wanted", "#222a", course.most("wanted"), dashed=True, level=True),),
        (
            Line("ready", "#2e8b6f", course.first("ready")),
            Line("draining", "#9cc9b9", course.first("draining")),
            Line("starting", "#e3a73b", course.first("starting")),
            Line("unschedulable", "#c8553d", course.first("unschedulable")),
        ),
        height=170,
    )


def _arrivals(course: _Course) -> Panel:
    arrived, missed = course.true.arrived.tolist(), course.true.missed.tolist()
    return Panel(
        "requests per second",
        (
            Line("arriving", "#1d5fa8", course.per_second(arrived), filled=True),
            Line("missing the objective", "#b3261e", course.per_second(missed), filled=True),
        ),
        height=90,
    )


def _pending(course: _Course) -> Panel:
    return Panel(
        "requests in the fleet",
        (
            Line("pending", "#1d5fa8", course.most("pending")),
            Line("pending, as seen", "#7fb0e0", course.most("seen_pending"), dashed=True),
            Line("queue", "#b3261e", course.most("queue"), filled=True),
        ),
    )


def _first_tokens(course: _Course, objective_seconds: float) -> Panel:
    return Panel(
        f"P99 of the time to first token, {course.record.window_seconds:g} s",
        (
            Line("true", "#1d5fa8", course.waits()),
            Line("as seen", "#e08a1e", course.most("seen_ttft_p99_seconds"), dashed=True),
        ),
        rule=("objective", objective_seconds),
        logarithmic=True,
        unit="s",
    )


def _use(course: _Course) -> Panel:
    return Panel(
        "use of the ready replicas",
        (
            Line("load", "#1d5fa8", course.mean("utilization", 100.0), filled=True),
            Line("GPU busy ratio, as seen (modelled)", "#e08a1e", course.mean("seen_gpu_percent"), dashed=True),
        ),
        top=105.0,
        unit="%",
        height=90,
    )


def _bins(count: int) -> list[range]:
    """Return the places of the samples, in so many groups as can be told apart."""
    width = max(1, math.ceil(count / _MOST_POINTS))
    return [range(begin, min(count, begin + width)) for begin in range(0, count, width)]


def _known(reduce: Callable[[list[float]], float], values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return reduce(known) if known else math.nan


def _greatest(values: Sequence[float]) -> float:
    return _known(max, values)


def _mean(values: Sequence[float]) -> float:
    return _known(lambda known: sum(known) / len(known), values)


def _marks(record: Record) -> Iterator[Mark]:
    for change in record.changes:
        title = f"{clock(change.at_seconds)}  {change.explanation}"
        yield Mark(change.at_seconds, change.after, change.after > change.before, title)
