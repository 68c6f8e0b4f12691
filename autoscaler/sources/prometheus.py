"""The source that asks a Prometheus server: a few queries for all targets, whatever their number.

Documents' own queries come on top, one each. All are asked at once, each under the deadline, so that one that hangs
delays none; see `Crew`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autoscaler.engine.observation import COMPLETED_REQUESTS, Quality, Signal, SignalRequest, unknown
from autoscaler.errors import SourceError, UsageError
from autoscaler.signals.combine import PodReading, PodState, combine, counter_readings
from autoscaler.signals.presets import BACKENDS, Form, Preset, Resolved, Term, resolve
from autoscaler.signals.promql import evidence_query, existing_query, scope, term_query
from autoscaler.signals.vectors import PodKey, Seen, histograms, numbers, seen
from autoscaler.sources.answer import Answer, single_value
from autoscaler.sources.credentials import Credentials
from autoscaler.sources.crew import Crew
from autoscaler.sources.tallies import Tallies
from autoscaler.sources.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from autoscaler.signals.histogram import Buckets
    from autoscaler.signals.query import SignalQuery
    from autoscaler.sources.query_client import QueryClient
    from autoscaler.sources.target import PodAddress, Target

_ASKING = 0.9
"""The part of the deadline that the queries get; the rest is for making signals of the answers."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The key of a preset's query for when its pods were sampled."""

    preset: str


@dataclass(frozen=True, slots=True)
class _Shared:
    """The key of a preset's query for one term."""

    preset: str
    term: Term


@dataclass(frozen=True, slots=True)
class _Own:
    """The key of a document's own query."""

    query: str


_Key = _Evidence | _Shared | _Own
_Outcome = Answer | SourceError


class PrometheusSource:
    """Collects signals from one Prometheus, or from what speaks its query API (Thanos, Mimir, VictoriaMetrics)."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials = Credentials(),  # noqa: B008 - immutable
        ca_file: Path | None = None,
        timing: Timing = Timing(),  # noqa: B008 - immutable
        connections: int = 32,
    ) -> None:
        """Prepare to ask; nothing is sent yet. Raises UsageError when an argument cannot be right."""
        credentials.check()
        self._url = _checked(url)
        self._timing = timing
        self._tallies = Tallies()
        self._crew: Crew[_Key, QueryClient, Answer] = Crew(
            "prometheus", connections, _client_maker(self._url, credentials, ca_file), lambda client: client.close()
        )

    def ready(self, deadline_seconds: float) -> None:
        """Return if Prometheus answers queries; SourceError, naming its address, if it does not."""
        outcome = self._ask({_Own("vector(1)"): "vector(1)"}, deadline_seconds)[_Own("vector(1)")]
        if isinstance(outcome, SourceError):
            raise SourceError(f"Prometheus at {self._url}: {outcome}") from outcome

    def existing(self, names: Iterable[str], deadline_seconds: float) -> frozenset[str]:
        """Return which of these metric names Prometheus has now; SourceError if it does not answer."""
        text = existing_query(names)
        outcome = self._ask({_Own(text): text}, deadline_seconds)[_Own(text)]
        if isinstance(outcome, SourceError):
            raise SourceError(f"Prometheus at {self._url}: {outcome}") from outcome
        return frozenset(row.labels.get("__name__", "") for row in outcome.rows)

    def collect(
        self, targets: Sequence[Target], now: float, deadline_seconds: float
    ) -> Mapping[str, Mapping[str, Signal]]:
        """Return all signals of all targets, as `Source.collect` has it."""
        queries = _queries(targets, self._timing.rate_window_seconds)
        try:
            outcomes = self._ask(queries, deadline_seconds)
        except SourceError as error:
            outcomes = dict.fromkeys(queries, error)
        view = _View(outcomes, self._timing, now)
        collected = {target.name: self._signals(target, view) for target in targets}
        self._tallies.forget(now)
        return collected

    def close(self) -> None:
        """Close the connections."""
        self._crew.close()

    def _ask(self, queries: Mapping[_Key, str], deadline_seconds: float) -> dict[_Key, _Outcome]:
        seconds = _ASKING * deadline_seconds
        jobs = {key: partial(_query, text, seconds) for key, text in queries.items()}
        return self._crew.run(jobs, seconds)

    def _signals(self, target: Target, view: _View) -> dict[str, Signal]:
        readings: dict[str, tuple[PodReading, ...]] = {}
        signals = {}
        for request in target.requests:
            own = _own(target, request)
            resolved = resolve(target.backend, request.name)
            if own is not None:
                signals[request.key] = self._counted(target, request, view.own(request, own), view.now)
            elif resolved is None:
                signals[request.key] = unknown(request, Quality.EMPTY, _unresolved(target, request))
            else:
                name = resolved.preset.name
                if name not in readings:
                    readings[name] = view.preset(resolved.preset).readings(target)
                signals[request.key] = self._joined(target, request, resolved, readings[name], view)
        return signals

    def _joined(
        self, target: Target, request: SignalRequest, resolved: Resolved, readings: Sequence[PodReading], view: _View
    ) -> Signal:
        """Return a signal of the target's pods."""
        preset, formula = resolved
        error, caveat = view.preset(preset).doubts(formula.terms)
        if error and readings:
            signal = unknown(request, Quality.ERROR, error)
            readings = ()
        else:
            signal = combine(request, preset, formula, readings, self._timing.rate_window_seconds, caveat)
        if request.name != COMPLETED_REQUESTS:
            return signal
        created_at = {pod.name: pod.created_at for pod in target.pods}
        counts = counter_readings(preset, formula, readings)
        total = self._tallies.count(target.name, request.key, counts, created_at, view.now)
        return signal if signal.value is None else signal._replace(value=total)

    def _counted(self, target: Target, request: SignalRequest, signal: Signal, now: float) -> Signal:
        """Return a document's own counter as a total that only rises; other signals as they are."""
        if request.name != COMPLETED_REQUESTS:
            return signal
        counts = {} if signal.value is None else {"": signal.value}
        total = self._tallies.count(target.name, request.key, counts, {"": 0.0}, now)
        return signal if signal.value is None else signal._replace(value=total)


class _PresetView:
    """One preset's answers of one tick, by pod."""

    def __init__(self, preset: Preset, outcomes: Mapping[_Key, _Outcome], timing: Timing, now: float) -> None:
        self._timing = timing
        self._now = now
        self._evidence = outcomes.get(_Evidence(preset.name))
        self._terms = {
            key.term: outcome
            for key, outcome in outcomes.items()
            if isinstance(key, _Shared) and key.preset == preset.name
        }
        self._seen = seen(self._evidence.rows if isinstance(self._evidence, Answer) else ())
        self._tables = {term: _by_pod(term, outcome) for term, outcome in self._terms.items()}

    def doubts(self, terms: Iterable[Term]) -> tuple[str, str]:
        """Return what failed and what is doubtful of the answers behind these terms, as two texts."""
        outcomes = [self._evidence, *(self._terms.get(term) for term in terms)]
        errors = [str(outcome) for outcome in outcomes if isinstance(outcome, SourceError)]
        caveats = [outcome.caveat for outcome in outcomes if isinstance(outcome, Answer) and outcome.caveat]
        return "; ".join(dict.fromkeys(errors)), "; ".join(dict.fromkeys(caveats))

    def readings(self, target: Target) -> tuple[PodReading, ...]:
        """Return what is known of each of the target's pods."""
        return tuple(self._reading(PodKey(target.namespace, pod.name), pod) for pod in target.pods)

    def _reading(self, key: PodKey, pod: PodAddress) -> PodReading:
        found = ((term, table.get(key)) for term, table in self._tables.items())
        values = {term: value for term, value in found if value is not None}
        age_seconds = self._seen.pods.get(key, self._seen.nodes.get(pod.node))
        if age_seconds is None:
            return PodReading(pod.name, pod.ready, PodState.UNSEEN, 0.0, values)
        stale = age_seconds > self._timing.stale_after_seconds
        state = PodState.STALE if stale else PodState.FRESH
        return PodReading(pod.name, pod.ready, state, self._now - age_seconds, values)


def _by_pod(term: Term, outcome: _Outcome) -> Mapping[PodKey, float | Buckets]:
    rows = outcome.rows if isinstance(outcome, Answer) else ()
    return histograms(rows) if term.form is Form.BUCKETS else numbers(rows)


class _View:
    """The answers of one tick; a preset's are sorted by pod when first needed."""

    def __init__(self, outcomes: Mapping[_Key, _Outcome], timing: Timing, now: float) -> None:
        self.now = now
        self._outcomes = outcomes
        self._timing = timing
        self._presets: dict[str, _PresetView] = {}

    def preset(self, preset: Preset) -> _PresetView:
        """Return the preset's answers."""
        if preset.name not in self._presets:
            self._presets[preset.name] = _PresetView(preset, self._outcomes, self._timing, self.now)
        return self._presets[preset.name]

    def own(self, request: SignalRequest, query: SignalQuery) -> Signal:
        """Return what a document's own query says."""
        if not query.query:
            return unknown(request, Quality.ERROR, "the signal has no `query`, which the source prometheus needs")
        outcome = self._outcomes[_Own(query.query)]
        if isinstance(outcome, SourceError):
            return unknown(request, Quality.ERROR, str(outcome))
        return single_value(request, query, outcome, self.now)


def _queries(targets: Sequence[Target], window_seconds: float) -> dict[_Key, str]:
    """Return the queries that these targets need, the shared ones first."""
    own: dict[_Key, str] = {}
    terms: dict[str, tuple[Preset, dict[Term, None], set[str]]] = {}
    for target in targets:
        for request in target.requests:
            query = _own(target, request)
            resolved = resolve(target.backend, request.name)
            if query is not None:
                if query.query:
                    own[_Own(query.query)] = query.query
            elif resolved is not None and target.pods:
                preset, formula = resolved
                _, needed, namespaces = terms.setdefault(preset.name, (preset, {}, set()))
                needed.update(dict.fromkeys(formula.terms))
                namespaces.add(target.namespace)
    shared: dict[_Key, str] = {}
    for preset, needed, namespaces in terms.values():
        selected = scope(namespaces)
        shared[_Evidence(preset.name)] = evidence_query(preset, selected)
        for term in needed:
            shared[_Shared(preset.name, term)] = term_query(preset, term, selected, window_seconds)
    return shared | own


def _own(target: Target, request: SignalRequest) -> SignalQuery | None:
    return target.overrides.get(request.key) or target.overrides.get(request.name)


def _unresolved(target: Target, request: SignalRequest) -> str:
    if target.backend in BACKENDS:
        return f"the preset {target.backend} has no {request.name}: give spec.signals.{request.name}"
    return f"backend {target.backend}: no such preset (one of {', '.join(BACKENDS)}); give spec.signals.{request.name}"


def _query(text: str, timeout_seconds: float, client: QueryClient) -> Answer:
    return client.query(text, timeout_seconds)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"Prometheus address {url}: http://host[:port][/path] or https://… expected")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"Prometheus address at {parts.hostname}: no user, password, query or fragment allowed;"
            " credentials belong in files"
        )
    return url.rstrip("/")


def _client_maker(url: str, credentials: Credentials, ca_file: Path | None) -> Callable[[], QueryClient]:
    # Imported here, so that a daemon that scrapes never loads the client; and before the first deadline runs.
    from autoscaler.sources.query_client import QueryClient  # noqa: PLC0415

    return lambda: QueryClient(url, credentials, ca_file)
