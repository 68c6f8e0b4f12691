"""What one page of metrics, parsed into samples, says of a preset's series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.signals.preset import Form, Kind
from autoscaler.signals.query import Across

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from autoscaler.signals.histogram import Buckets
    from autoscaler.signals.preset import Metric, Preset, Series, Term


class Sample(NamedTuple):
    """One line of a page."""

    name: str
    labels: Mapping[str, str]
    value: float


class CounterKey(NamedTuple):
    """One counter of one process: a counter series, or one bucket of a histogram."""

    series: str
    bound: float | None = None


def values(preset: Preset, terms: Iterable[Term], samples: Sequence[Sample]) -> dict[Term, float | Buckets]:
    """Return the gauges and counters as they stand; what is not on the page is left out."""
    found: dict[Term, float | Buckets] = {}
    for term in terms:
        if term.form is Form.VALUE and (value := _value(preset.series[term.series], samples)) is not None:
            found[term] = value
    return found


def counters(preset: Preset, terms: Iterable[Term], samples: Sequence[Sample]) -> dict[Hashable, float]:
    """Return the readings of all counters and buckets that rates are wanted of, for `counters.accumulate`."""
    found: dict[Hashable, float] = {}
    for term in terms:
        series = preset.series[term.series]
        if term.form is Form.RATE and (value := _value(series, samples)) is not None:
            found[CounterKey(term.series)] = value
        if term.form is Form.BUCKETS:
            for sample in _first_name(series, samples, "_bucket"):
                key = CounterKey(term.series, _bound(sample.labels.get("le", ""), series.bound_scale))
                found[key] = found.get(key, 0.0) + sample.value
    return found


def buckets(term: Term, totals: Mapping[Hashable, float]) -> dict[float, float]:
    """Return one histogram out of numbers by counter key; empty if it is not among them."""
    return {
        key.bound: number
        for key, number in totals.items()
        if isinstance(key, CounterKey) and key.series == term.series and key.bound is not None
    }


def across(how: Across, numbers: Sequence[float]) -> float:
    """Return one number for several, of which there is at least one."""
    if how is Across.MAX:
        return math.nan if any(map(math.isnan, numbers)) else max(numbers)
    return sum(numbers) / (len(numbers) if how is Across.MEAN else 1)


def exported(preset: Preset, terms: Iterable[Term]) -> frozenset[str]:
    """Return the names that a page must be searched for."""
    return frozenset(
        f"{metric.name}_bucket" if preset.series[term.series].kind is Kind.HISTOGRAM else metric.name
        for term in terms
        for metric in preset.series[term.series].metrics
    )


def _value(series: Series, samples: Sequence[Sample]) -> float | None:
    """Return the series' number in the signal's unit; None if no name of it is on the page."""
    for metric in series.metrics:
        found = [s for s in samples if s.name == metric.name and _fits(metric, s) and _possible(metric, s.value)]
        if found:
            return metric.scale * across(series.within, _once(series, found))
    return None


def _once(series: Series, samples: Sequence[Sample]) -> list[float]:
    """Return the numbers, of those that show the same thing the largest."""
    if not series.apart:
        return [sample.value for sample in samples]
    groups: dict[tuple[str, ...], list[float]] = {}
    for sample in samples:
        groups.setdefault(tuple(sample.labels.get(label, "") for label in series.apart), []).append(sample.value)
    return [across(Across.MAX, numbers) for numbers in groups.values()]


def _first_name(series: Series, samples: Sequence[Sample], suffix: str) -> list[Sample]:
    for metric in series.metrics:
        found = [sample for sample in samples if sample.name == metric.name + suffix and _fits(metric, sample)]
        if found:
            return found
    return []


def _fits(metric: Metric, sample: Sample) -> bool:
    return all(matcher.fits(sample.labels) for matcher in metric.where)


def _possible(metric: Metric, value: float) -> bool:
    return metric.highest is None or 0 <= value <= metric.highest


def _bound(text: str, scale: float) -> float | None:
    try:
        return float(text) * scale
    except ValueError:
        return None
