"""The daemon's own metrics: what the last tick saw and decided, read off its report when somebody scrapes.

Series exist for the targets of the last report only, so they leave with their target; labels are the namespace and
the target's name, and words from small fixed sets.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from autoscaler import __version__
from autoscaler.daemon.report import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from autoscaler.daemon.report import TargetReport, TickReport

TARGET = ("namespace", "target")
Values = dict[tuple[str, ...], float]
"""By label values, in the order of the labels."""
TICK_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)


class _Seen(NamedTuple):
    """The last that was seen of a target, and when in monotonic seconds."""

    report: TargetReport
    at: float
    elapsed: float


class Metrics:
    """Takes reports in, and shows them through a registry of its own."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, speed: float = 1.0) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._tick_seconds = Histogram(
            "autoscaler_tick_duration_seconds",
            "Real time from the start of a tick to its end.",
            buckets=TICK_BUCKETS,
            registry=self.registry,
        )
        self._monotonic = monotonic
        self._speed = speed
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._up: dict[str, bool] = {}
        self._decisions: Counter[tuple[str, str, str]] = Counter()
        self._errors: Counter[Stage] = Counter(dict.fromkeys(Stage, 0))
        self._skipped = 0
        self._ticked_at = monotonic()
        self._reload_ok = 1.0
        self._reloaded_at = 0.0
        self.registry.register(_Reader(self))

    def ticked(self, report: TickReport) -> None:
        """Take in a completed tick; a target that is not in it, and was not kept, leaves."""
        elapsed = self._monotonic()
        with self._lock:
            self._tick_seconds.observe(report.seconds)
            self._ticked_at = elapsed
            self._up = {target.key: target.facts is not None for target in report.targets}
            self._seen = {key: seen for key, seen in self._seen.items() if key in self._up}
            self._decisions = Counter({key: n for key, n in self._decisions.items() if key[0] in self._up})
            for target in report.targets:
                self._errors.update(failure.stage for failure in target.failures)
                if target.decision is not None:
                    self._seen[target.key] = _Seen(target, report.at, elapsed)
                    self._decisions[target.key, target.decision.direction, target.decision.reason] += 1

    def failed(self, stage: Stage) -> None:
        """Count an error outside of any target."""
        with self._lock:
            self._errors[stage] += 1

    def skipped(self) -> None:
        """Count a tick that was due while the one before it was still running."""
        with self._lock:
            self._skipped += 1

    def loaded(self, *, ok: bool, at: float) -> None:
        """Take in that the documents were read again, well or badly."""
        with self._lock:
            self._reload_ok = float(ok)
            self._reloaded_at = at if ok else self._reloaded_at
            self._errors[Stage.RELOAD] += not ok

    def families(self) -> Iterator[Metric]:
        """Yield all that is not counted as it happens."""
        with self._lock:
            seen, up, elapsed = dict(self._seen), dict(self._up), self._monotonic()
            decisions, errors = dict(self._decisions), dict(self._errors)
            age, skipped = elapsed - self._ticked_at, self._skipped
            reload_ok, reloaded_at = self._reload_ok, self._reloaded_at
        yield _gauge("autoscaler_build_info", "The version that runs.", ("version",), {(__version__,): 1.0})
        yield _gauge("autoscaler_last_tick_age_seconds", "Time since the last tick was completed.", (), {(): age})
        yield _gauge("autoscaler_config_last_reload_successful", "Whether the documents are good.", (), {(): reload_ok})
        yield _gauge(
            "autoscaler_config_last_reload_success_timestamp_seconds",
            "When the documents in use were loaded, in UTC epoch seconds.",
            (),
            {(): reloaded_at},
        )
        yield _counter("autoscaler_errors", "Errors by stage.", ("stage",), {(s,): n for s, n in errors.items()})
        yield _counter("autoscaler_ticks_skipped", "Ticks due while one was running.", (), {(): skipped})
        yield _gauge(
            "autoscaler_target_observed",
            "Whether the last tick could read the target.",
            TARGET,
            {_labels(key): float(ok) for key, ok in up.items()},
        )
        yield from _of_decisions(seen)
        yield _counter(
            "autoscaler_decisions",
            "Decisions by direction (up, down, hold) and by what decided last.",
            (*TARGET, "direction", "reason"),
            {(*_labels(key), direction, reason): n for (key, direction, reason), n in decisions.items()},
        )
        yield from _of_rules(seen)
        yield from _of_signals(seen, elapsed, self._speed)


class _Reader(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return self._metrics.families()

    def describe(self) -> list[Metric]:
        return []


def _of_decisions(seen: Mapping[str, _Seen]) -> Iterator[Metric]:
    desired: Values = {}
    current: Values = {}
    fleet: Values = {}
    mode: Values = {}
    for key, (report, _, _) in seen.items():
        labels, decision = _labels(key), report.decision
        if decision is None:
            continue
        desired[labels] = float(decision.replicas)
        current[labels] = float(decision.current)
        mode[(*labels, str(report.mode))] = 1.0
        for state in ("ready", "starting", "stuck", "terminating"):
            fleet[(*labels, state)] = float(getattr(decision.fleet, state))
    yield _gauge("autoscaler_desired_replicas", "The count that the last decision asks for.", TARGET, desired)
    yield _gauge("autoscaler_current_replicas", "The count that the target asked for before it.", TARGET, current)
    yield _gauge("autoscaler_replicas", "Replicas by state.", (*TARGET, "state"), fleet)
    yield _gauge("autoscaler_target_mode", "1 for the mode that is in force.", (*TARGET, "mode"), mode)


def _of_rules(seen: Mapping[str, _Seen]) -> Iterator[Metric]:
    figures: Values = {}
    for key, (report, _, _) in seen.items():
        for rule, proposal in report.decision.proposals if report.decision else ():
            for name, value in proposal.figures:
                figures[(*_labels(key), rule, name)] = float(value)
    labels = (*TARGET, "rule", "figure")
    yield _gauge("autoscaler_rule_figure", "A number that a rule gives with its opinion.", labels, figures)


def _of_signals(seen: Mapping[str, _Seen], elapsed: float, speed: float) -> Iterator[Metric]:
    value: Values = {}
    age: Values = {}
    quality: Values = {}
    for key, (report, at, then) in seen.items():
        for name, signal in report.observation.signals.items() if report.observation else ():
            labels = (*_labels(key), name)
            quality[(*labels, str(signal.quality))] = 1.0
            if signal.value is not None:
                value[labels] = float(signal.value)
            if signal.taken_at:
                age[labels] = max(0.0, at - signal.taken_at) + (elapsed - then) * speed
    names = (*TARGET, "signal")
    yield _gauge("autoscaler_signal_value", "What was measured, in the signal's own unit.", names, value)
    yield _gauge("autoscaler_signal_age_seconds", "Age of the newest sample in the signal.", names, age)
    yield _gauge("autoscaler_signal_quality", "1 for the quality it has.", (*names, "quality"), quality)


def _labels(key: str) -> tuple[str, str]:
    namespace, _, name = key.partition("/")
    return namespace, name


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counter(
    name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
