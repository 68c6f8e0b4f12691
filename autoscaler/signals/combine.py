"""From what each live pod showed to one signal with its quality."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.observation import Quality, Signal
from autoscaler.signals.histogram import Buckets, merge, observations, quantile
from autoscaler.signals.preset import UNITS, Form
from autoscaler.signals.query import Across

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.engine.observation import SignalRequest
    from autoscaler.signals.preset import Formula, Preset, Term

_NAMED_PODS = 3
"""A detail names this many pods and counts the rest."""


class PodState(StrEnum):
    """What the source knows of one pod."""

    FRESH = "fresh"
    """Sampled lately: an absent series is evidence."""
    STALE = "stale"
    """Sampled, but too long ago."""
    UNSEEN = "unseen"
    """The source answered and does not know the pod."""
    FAILED = "failed"
    """The pod could not be asked."""


class PodReading(NamedTuple):
    """One live pod, as the source sees it."""

    pod: str
    ready: bool
    state: PodState
    taken_at: float
    """When it was sampled, in UTC epoch seconds; 0 if it was not."""
    values: Mapping[Term, float | Buckets]
    """What was read; a term that is not there was absent."""
    detail: str = ""
    """Why the pod could not be asked."""


class Lack(NamedTuple):
    """A pod that contributes nothing, and why."""

    reading: PodReading
    quality: Quality


class Contribution(NamedTuple):
    """What one pod adds to a signal."""

    reading: PodReading
    value: float
    buckets: Buckets | None = None


def combine(
    request: SignalRequest,
    preset: Preset,
    formula: Formula,
    readings: Sequence[PodReading],
    window_seconds: float = 0.0,
    caveat: str = "",
) -> Signal:
    """Return the signal that the live pods of one target make up.

    A ready pod that shows nothing is `missing` and counts as 0; one that is not ready yet may be silent.
    `window_seconds` is the time that rates were taken over: a quantile's `samples` are the requests within it.
    `caveat` is the source's own doubt, such as a partial response: it turns `ok` into `partial`.
    """
    judged = [_contribution(preset, formula, reading) for reading in readings]
    given = [pod for pod in judged if isinstance(pod, Contribution)]
    lacking = [pod for pod in judged if isinstance(pod, Lack) and pod.reading.ready]
    if not given:
        return _nothing(request, readings, lacking)
    if formula.across is Across.MEAN:
        # A pod that still loads its weights has an idle GPU, which says nothing of the load.
        given = [pod for pod in given if pod.reading.ready] or given
    signal = _measured(request, formula, given, len(lacking), window_seconds)
    return _qualified(signal, lacking, caveat)


def counter_readings(preset: Preset, formula: Formula, readings: Sequence[PodReading]) -> dict[str, float]:
    """Return each pod's reading of a counter signal, for `counters.tally`; pods without one are left out."""
    judged = (_contribution(preset, formula, reading) for reading in readings)
    return {pod.reading.pod: pod.value for pod in judged if isinstance(pod, Contribution)}


def _contribution(preset: Preset, formula: Formula, reading: PodReading) -> Contribution | Lack:
    """Return what the pod adds, or why it adds nothing."""
    if reading.state is not PodState.FRESH:
        return Lack(reading, _QUALITY_OF[reading.state])
    if any(not preset.series[term.series].absent_when_idle for term in formula.read if term not in reading.values):
        return Lack(reading, Quality.EMPTY)
    buckets: Buckets | None = None
    if formula.terms[0].form is Form.BUCKETS:
        found = reading.values.get(formula.terms[0], {})
        buckets = {} if isinstance(found, float) else found
    total = _sum(formula.terms, reading)
    if formula.over:
        whole = _sum(formula.over, reading)
        total = total / whole if whole else math.nan
    if not math.isfinite(total) or any(math.isnan(count) for count in (buckets or {}).values()):
        return Lack(reading, Quality.NAN)
    return Contribution(reading, total, buckets)


def _sum(terms: Sequence[Term], reading: PodReading) -> float:
    found = (reading.values.get(term) for term in terms)
    return math.fsum(value for value in found if isinstance(value, float))


_QUALITY_OF = {
    PodState.STALE: Quality.STALE,
    PodState.UNSEEN: Quality.EMPTY,
    PodState.FAILED: Quality.ERROR,
}


def _nothing(request: SignalRequest, readings: Sequence[PodReading], lacking: list[Lack]) -> Signal:
    """Return the signal when no pod contributes, with the gravest of the pods' reasons."""
    if not readings:
        return _unknown(request, Quality.NO_PODS, "the target has no pods")
    if not lacking:
        return _unknown(request, Quality.NO_PODS, f"none of {len(readings)} pods is ready")
    found = {pod.quality for pod in lacking}
    for quality in (Quality.ERROR, Quality.STALE, Quality.NAN):
        if quality in found:
            break
    else:
        quality = Quality.EMPTY
    newest = max(pod.reading.taken_at for pod in lacking)
    return _unknown(request, quality, _reasons(lacking))._replace(missing=len(lacking), taken_at=newest)


def _measured(
    request: SignalRequest, formula: Formula, given: list[Contribution], missing: int, window_seconds: float
) -> Signal:
    taken_at = max(pod.reading.taken_at for pod in given)
    unit = UNITS.get(request.name, "")
    signal = Signal(request.key, 0.0, unit, taken_at, Quality.OK, pods=len(given), missing=missing)
    if formula.terms[0].form is Form.BUCKETS:
        return _quantile(signal, request, merge(pod.buckets or {} for pod in given), window_seconds)
    values = [pod.value for pod in given]
    if formula.across is Across.MAX:
        return signal._replace(value=max(values))
    parts = len(values) + missing if formula.across is Across.MEAN else 1
    return signal._replace(value=math.fsum(values) / parts)


def _quantile(signal: Signal, request: SignalRequest, buckets: Buckets, window_seconds: float) -> Signal:
    samples = observations(buckets) * window_seconds
    value = math.nan if request.quantile is None else quantile(request.quantile, buckets)
    if math.isnan(value):
        why = "it needs a quantile" if request.quantile is None else f"no request within {window_seconds:g} s"
        return signal._replace(value=None, quality=Quality.NAN, samples=samples, detail=why)
    return signal._replace(value=value, samples=samples)


def _qualified(signal: Signal, lacking: list[Lack], caveat: str) -> Signal:
    doubts = [text for text in (_reasons(lacking), caveat, signal.detail) if text]
    quality = Quality.PARTIAL if signal.quality is Quality.OK and (lacking or caveat) else signal.quality
    return signal._replace(quality=quality, detail="; ".join(doubts))


_PHRASE = {
    Quality.ERROR: "could not be asked",
    Quality.STALE: "not sampled lately",
    Quality.NAN: "showed NaN",
    Quality.EMPTY: "showed no such series",
}


def _reasons(lacking: list[Lack]) -> str:
    """Return which ready pods are missing and why, for a person."""
    parts = []
    for quality, phrase in _PHRASE.items():
        pods = [pod.reading for pod in lacking if pod.quality is quality]
        if not pods:
            continue
        names = ", ".join(reading.pod for reading in pods[:_NAMED_PODS])
        more = f" and {len(pods) - _NAMED_PODS} more" if len(pods) > _NAMED_PODS else ""
        detail = next((f": {reading.detail}" for reading in pods if reading.detail), "")
        parts.append(f"{names}{more} {phrase}{detail}")
    return "; ".join(parts)


def _unknown(request: SignalRequest, quality: Quality, detail: str) -> Signal:
    return Signal(request.key, None, UNITS.get(request.name, ""), 0.0, quality, detail=detail)
