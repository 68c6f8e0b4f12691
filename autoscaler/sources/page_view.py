"""The pages of one tick: which must be fetched, and what they say of each pod."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoscaler.engine.observation import Quality, Signal, SignalRequest, unknown
from autoscaler.errors import SourceError
from autoscaler.signals.combine import PodReading, PodState
from autoscaler.signals.page import CounterKey, Sample, across, buckets, counters, exported, values
from autoscaler.signals.preset import UNITS, Evidence, Form, Preset, Term
from autoscaler.signals.presets import BACKENDS
from autoscaler.signals.query import SignalQuery
from autoscaler.signals.vectors import PodKey, node_of, pod_of
from autoscaler.signals.window import Window, increases, span_seconds
from autoscaler.sources.address import http_address
from autoscaler.sources.answer import number
from autoscaler.sources.assemble import needs
from autoscaler.sources.exposition import parse_selector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.signals.histogram import Buckets
    from autoscaler.sources.histories import Histories
    from autoscaler.sources.target import PodAddress, Target

Outcome = tuple[Sample, ...] | SourceError
"""A page's samples, or why there are none."""


def pages_for(targets: Sequence[Target], gpu_exporters: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the addresses to fetch, with the names to look for on each; the documents' own pages come first."""
    own: dict[str, set[str]] = {}
    pods: dict[str, set[str]] = {}
    gpu: set[str] = set()
    for target in targets:
        names: set[str] = set()
        for _, need in needs(target):
            if isinstance(need, SignalQuery):
                if not _fault(need):
                    own.setdefault(need.url, set()).add(parse_selector(need.metric).name)
            elif need is not None:
                found = exported(need.preset, need.formula.read)
                names |= found
                gpu |= found if need.preset.evidence is Evidence.GPU else set()
        if names:
            for pod in target.pods:
                if url := pod_url(target, pod):
                    pods.setdefault(url, set()).update(names)
    exporters = dict.fromkeys(gpu_exporters, gpu) if gpu else {}
    return {url: frozenset(names) for url, names in (own | exporters | pods).items()}


def pod_url(target: Target, pod: PodAddress) -> str:
    """Return the address of a pod's page; empty while the pod has none."""
    preset = BACKENDS.get(target.backend)
    port = pod.port or (preset.port if preset else None)
    if not pod.ip or not port:
        return ""
    host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
    return f"http://{host}:{port}{preset.path if preset else '/metrics'}"


class PageView:
    """The pages of one tick."""

    def __init__(
        self,
        pages: Mapping[str, Outcome],
        gpu_exporters: Sequence[str],
        histories: Histories,
        now: float,
        window_seconds: float,
    ) -> None:
        self.now = now
        self.window_seconds = window_seconds
        self._pages = pages
        self._histories = histories
        self._gpus = _GpuPages({url: pages[url] for url in gpu_exporters if url in pages})

    def own(self, request: SignalRequest, query: SignalQuery) -> Signal:
        """Return what a document's own page says."""
        if fault := _fault(query):
            return unknown(request, Quality.ERROR, fault)
        outcome = self._pages[query.url]
        if isinstance(outcome, SourceError):
            return unknown(request, Quality.ERROR, f"{query.url}: {outcome}")
        wanted = parse_selector(query.metric)
        found = [s.value for s in outcome if s.name == wanted.name and wanted.labels.items() <= s.labels.items()]
        if not found:
            return unknown(request, Quality.EMPTY, f"{query.url}: no series {query.metric}")
        blank = Signal(request.key, None, query.unit or UNITS.get(request.name, ""), 0.0, Quality.ERROR)
        return number(blank, across(query.across, found), self.now)

    def readings(self, target: Target, preset: Preset) -> tuple[PodReading, ...]:
        """Return what is known of each of the target's pods."""
        terms = [
            term
            for _, need in needs(target)
            if need is not None and not isinstance(need, SignalQuery) and need.preset is preset
            for term in need.formula.read
        ]
        return tuple(self._reading(target, pod, preset, terms) for pod in target.pods)

    def doubts(self, preset: Preset, terms: Sequence[Term]) -> tuple[str, str]:  # noqa: ARG002 - as `View` has it
        """Return nothing: pages fail one by one."""
        return "", ""

    def _reading(self, target: Target, pod: PodAddress, preset: Preset, terms: Sequence[Term]) -> PodReading:
        outcome = self._pages.get(pod_url(target, pod))
        samples = outcome if isinstance(outcome, tuple) else ()
        if preset.evidence is Evidence.GPU and not values(preset, terms, samples):
            return self._gpus.reading(target, pod, preset, terms, self.now)
        if outcome is None:
            return PodReading(pod.name, pod.ready, PodState.UNSEEN, 0.0, {}, "it has no address yet")
        if isinstance(outcome, SourceError):
            return PodReading(pod.name, pod.ready, PodState.FAILED, 0.0, {}, str(outcome))
        found = values(preset, terms, samples)
        key = (target.name, pod.name, preset.name)
        window = self._histories.record(key, counters(preset, terms, samples), self.now)
        found |= _rates(terms, window, self.window_seconds)
        detail = "" if len(window) > 1 else "a rate needs two samples"
        return PodReading(pod.name, pod.ready, PodState.FRESH, self.now, found, detail)


def _rates(terms: Sequence[Term], window: Window, window_seconds: float) -> dict[Term, float | Buckets]:
    """Return the rates and histograms over a pod's window; NaN for what has no second sample yet.

    A histogram is the count of what was observed divided by the whole window, as Prometheus' `rate` has it: a young
    pod weighs what it served. A rate is taken over the time that the pod was seen.
    """
    rises = increases(window)
    found: dict[Term, float | Buckets] = {}
    for term in terms:
        if term.form is Form.BUCKETS and (counts := buckets(term, rises or window[-1].totals)):
            found[term] = {bound: count / window_seconds if rises else math.nan for bound, count in counts.items()}
        key = CounterKey(term.series)
        if term.form is Form.RATE and key in window[-1].totals:
            found[term] = math.nan if rises is None else rises[key] / span_seconds(window)
    return found


class _GpuPages:
    """The GPU exporters' pages: their samples by the pod that uses the GPU, and the nodes that answered."""

    def __init__(self, pages: Mapping[str, Outcome]) -> None:
        self._errors = [f"{url}: {outcome}" for url, outcome in pages.items() if isinstance(outcome, SourceError)]
        self._nodes: set[str] = set()
        self._samples: dict[PodKey, list[Sample]] = {}
        for outcome in pages.values():
            for sample in outcome if isinstance(outcome, tuple) else ():
                self._nodes.add(node_of(sample.labels))
                if (key := pod_of(sample.labels)) is not None:
                    self._samples.setdefault(key, []).append(sample)

    def reading(self, target: Target, pod: PodAddress, preset: Preset, terms: Sequence[Term], now: float) -> PodReading:
        samples = self._samples.get(PodKey(target.namespace, pod.name))
        if samples is not None:
            return PodReading(pod.name, pod.ready, PodState.FRESH, now, values(preset, terms, samples))
        if pod.node and pod.node in self._nodes:
            return PodReading(pod.name, pod.ready, PodState.FRESH, now, {})
        if self._errors:
            return PodReading(pod.name, pod.ready, PodState.FAILED, 0.0, {}, self._errors[0])
        return PodReading(pod.name, pod.ready, PodState.UNSEEN, 0.0, {})


def _fault(query: SignalQuery) -> str:
    """Return what keeps a document's query from being scraped; empty if nothing does."""
    if not query.url or not query.metric:
        return "the signal has no `url` and `metric`, which the source scrape needs"
    if http_address(query.url) is None:
        return f"url {query.url}: http://host[:port]/path or https://… expected"
    try:
        parse_selector(query.metric)
    except SourceError as error:
        return str(error)
    return ""
