"""From one tick's samples, wherever they came from, to a target's signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from autoscaler.engine.observation import COUNTERS, Quality, Signal, SignalRequest, unknown
from autoscaler.signals.combine import PodReading, combine, counter_readings
from autoscaler.signals.presets import BACKENDS, Resolved, resolve
from autoscaler.signals.query import SignalQuery

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autoscaler.signals.preset import Preset, Term
    from autoscaler.sources.tallies import Tallies
    from autoscaler.sources.target import Target


class View(Protocol):
    """One tick's samples."""

    @property
    def now(self) -> float:
        """When the tick began, in UTC epoch seconds."""

    @property
    def window_seconds(self) -> float:
        """The time that rates were taken over."""

    def own(self, request: SignalRequest, query: SignalQuery) -> Signal:
        """Return the signal that a document's own query gives."""

    def readings(self, target: Target, preset: Preset) -> tuple[PodReading, ...]:
        """Return what is known of each of the target's pods."""

    def doubts(self, preset: Preset, terms: Sequence[Term]) -> tuple[str, str]:
        """Return what failed for all pods at once, and what is doubtful of the rest; empty where nothing is."""


def needs(target: Target) -> Iterator[tuple[SignalRequest, SignalQuery | Resolved | None]]:
    """Yield each signal that is wanted, with the document's own query for it, or else the preset's formula."""
    for request in target.requests:
        own = target.overrides.get(request.key) or target.overrides.get(request.name)
        yield request, own or resolve(target.backend, request.name)


def assemble(target: Target, view: View, tallies: Tallies) -> dict[str, Signal]:
    """Return the target's signals by `SignalRequest.key`."""
    readings: dict[str, tuple[PodReading, ...]] = {}
    signals = {}
    for request, need in needs(target):
        if need is None:
            signals[request.key] = unknown(request, Quality.EMPTY, _unresolved(target, request))
        elif isinstance(need, SignalQuery):
            signals[request.key] = _own(target, request, need, view, tallies)
        else:
            name = need.preset.name
            if name not in readings:
                readings[name] = view.readings(target, need.preset)
            signals[request.key] = _joined(target, request, need, readings[name], view, tallies)
    return signals


def _joined(
    target: Target,
    request: SignalRequest,
    need: Resolved,
    readings: tuple[PodReading, ...],
    view: View,
    tallies: Tallies,
) -> Signal:
    preset, formula = need
    error, caveat = view.doubts(preset, formula.read)
    if error and readings:
        signal = unknown(request, Quality.ERROR, error)
        readings = ()
    else:
        signal = combine(request, preset, formula, readings, view.window_seconds, caveat)
    if request.name not in COUNTERS:
        return signal
    created_at = {pod.name: pod.created_at for pod in target.pods}
    counts = counter_readings(preset, formula, readings)
    total = tallies.count(target.name, request.key, counts, created_at, view.now)
    return signal if signal.value is None else signal._replace(value=total)


def _own(target: Target, request: SignalRequest, query: SignalQuery, view: View, tallies: Tallies) -> Signal:
    signal = view.own(request, query)
    if request.name not in COUNTERS:
        return signal
    # One counter that was always there: it counts from its first reading on, and a fall is a restart.
    counts = {} if signal.value is None else {"": signal.value}
    total = tallies.count(target.name, request.key, counts, {"": 0.0}, view.now)
    return signal if signal.value is None else signal._replace(value=total)


def _unresolved(target: Target, request: SignalRequest) -> str:
    if target.backend in BACKENDS:
        return f"the preset {target.backend} has no {request.name}: give spec.signals.{request.name}"
    return f"backend {target.backend}: no such preset (one of {', '.join(BACKENDS)}); give spec.signals.{request.name}"
