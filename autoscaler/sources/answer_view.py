"""Prometheus' answers of one tick: which queries they answer, and what they say of each pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.engine.observation import Quality, Signal, SignalRequest, unknown
from autoscaler.errors import SourceError
from autoscaler.signals.combine import PodReading, PodState
from autoscaler.signals.preset import Form, Preset, Term
from autoscaler.signals.promql import evidence_query, scope, term_query
from autoscaler.signals.query import SignalQuery
from autoscaler.signals.vectors import PodKey, histograms, numbers, seen
from autoscaler.sources.answer import Answer, single_value
from autoscaler.sources.assemble import needs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.signals.histogram import Buckets
    from autoscaler.signals.vectors import Row
    from autoscaler.sources.target import PodAddress, Target
    from autoscaler.sources.timing import Timing


@dataclass(frozen=True, slots=True)
class EvidenceKey:
    """A preset's query for when its pods were sampled."""

    preset: str


@dataclass(frozen=True, slots=True)
class TermKey:
    """A preset's query for one term."""

    preset: str
    term: Term


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A document's own query."""

    query: str


Key = EvidenceKey | TermKey | OwnKey
Outcome = Answer | SourceError


def queries_for(targets: Sequence[Target], window_seconds: float) -> dict[Key, str]:
    """Return the queries that these targets need: first the shared ones, as many for one target as for a thousand."""
    own: dict[Key, str] = {}
    shared: dict[str, tuple[Preset, dict[Term, None], set[str]]] = {}
    for target in targets:
        for _, need in needs(target):
            if isinstance(need, SignalQuery):
                if need.query:
                    own[OwnKey(need.query)] = need.query
            elif need is not None and target.pods:
                _, terms, namespaces = shared.setdefault(need.preset.name, (need.preset, {}, set()))
                terms.update(dict.fromkeys(need.formula.read))
                namespaces.add(target.namespace)
    queries: dict[Key, str] = {}
    for preset, terms, namespaces in shared.values():
        selected = scope(namespaces)
        queries[EvidenceKey(preset.name)] = evidence_query(preset, selected)
        for term in terms:
            queries[TermKey(preset.name, term)] = term_query(preset, term, selected, window_seconds)
    return queries | own


class AnswerView:
    """The answers of one tick; a preset's are sorted by pod when they are first needed."""

    def __init__(self, outcomes: Mapping[Key, Outcome], timing: Timing, now: float) -> None:
        self.now = now
        self.window_seconds = timing.rate_window_seconds
        self._timing = timing
        self._outcomes = outcomes
        self._presets: dict[str, _PresetAnswers] = {}
        self._by_label: dict[tuple[str, str], dict[str, tuple[Row, ...]]] = {}

    def own(self, request: SignalRequest, query: SignalQuery) -> Signal:
        """Return what a document's own query says."""
        if not query.query:
            return unknown(request, Quality.ERROR, "the signal has no `query`, which the source prometheus needs")
        outcome = self._outcomes[OwnKey(query.query)]
        if isinstance(outcome, SourceError):
            return unknown(request, Quality.ERROR, str(outcome))
        if query.label:
            outcome = outcome._replace(rows=self._picked(outcome, query))
        return single_value(request, query, outcome, self.now)

    def _picked(self, answer: Answer, query: SignalQuery) -> tuple[Row, ...]:
        """Return the rows of an answer that have the query's value in its label; sorted once for all targets."""
        key = (query.query, query.label)
        if key not in self._by_label:
            table = self._by_label.setdefault(key, {})
            for row in answer.rows:
                value = row.labels.get(query.label, "")
                table[value] = (*table.get(value, ()), row)
        return self._by_label[key].get(query.value, ())

    def readings(self, target: Target, preset: Preset) -> tuple[PodReading, ...]:
        """Return what is known of each of the target's pods."""
        answers = self._answers(preset)
        return tuple(answers.reading(PodKey(target.namespace, pod.name), pod) for pod in target.pods)

    def doubts(self, preset: Preset, terms: Sequence[Term]) -> tuple[str, str]:
        """Return what failed and what is doubtful of the answers behind these terms, as two texts."""
        return self._answers(preset).doubts(terms)

    def _answers(self, preset: Preset) -> _PresetAnswers:
        if preset.name not in self._presets:
            self._presets[preset.name] = _PresetAnswers(preset, self._outcomes, self._timing, self.now)
        return self._presets[preset.name]


class _PresetAnswers:
    """One preset's answers, by pod."""

    def __init__(self, preset: Preset, outcomes: Mapping[Key, Outcome], timing: Timing, now: float) -> None:
        self._stale_after_seconds = timing.stale_after_seconds
        self._now = now
        self._evidence = outcomes.get(EvidenceKey(preset.name))
        self._terms = {
            key.term: outcome
            for key, outcome in outcomes.items()
            if isinstance(key, TermKey) and key.preset == preset.name
        }
        self._seen = seen(self._evidence.rows if isinstance(self._evidence, Answer) else ())
        self._tables = {
            term: _by_pod(term, outcome, preset.series[term.series].bound_scale)
            for term, outcome in self._terms.items()
        }

    def doubts(self, terms: Sequence[Term]) -> tuple[str, str]:
        outcomes = [self._evidence, *(self._terms.get(term) for term in terms)]
        errors = [str(outcome) for outcome in outcomes if isinstance(outcome, SourceError)]
        caveats = [outcome.caveat for outcome in outcomes if isinstance(outcome, Answer) and outcome.caveat]
        return "; ".join(dict.fromkeys(errors)), "; ".join(dict.fromkeys(caveats))

    def reading(self, key: PodKey, pod: PodAddress) -> PodReading:
        found = ((term, table.get(key)) for term, table in self._tables.items())
        values = {term: value for term, value in found if value is not None}
        age_seconds = self._seen.pods.get(key, self._seen.nodes.get(pod.node))
        if age_seconds is None:
            return PodReading(pod.name, pod.ready, PodState.UNSEEN, 0.0, values)
        stale = age_seconds > self._stale_after_seconds
        state = PodState.STALE if stale else PodState.FRESH
        return PodReading(pod.name, pod.ready, state, self._now - age_seconds, values)


def _by_pod(term: Term, outcome: Outcome, bound_scale: float) -> Mapping[PodKey, float | Buckets]:
    rows = outcome.rows if isinstance(outcome, Answer) else ()
    return histograms(rows, bound_scale) if term.form is Form.BUCKETS else numbers(rows)
