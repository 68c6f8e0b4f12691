"""Which of our signals a foreign metric means: by the very names that the presets read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.documents.manifests.shape import Shape, shape_of
from autoscaler.engine.observation import COUNTERS, RUNNING_REQUESTS
from autoscaler.signals.backends import BACKENDS
from autoscaler.signals.exporters import DCGM
from autoscaler.signals.preset import Form, Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autoscaler.documents.manifests.shape import Matcher
    from autoscaler.signals.preset import Preset

_GKE = re.compile(r"^prometheus\.googleapis\.com[|/](?P<name>[^|/]+)[|/]\w+$")
_RUNNING = ("running", "active")
"""What presets call the series of the requests that run."""
_PLACES = frozenset(
    {
        *("namespace", "pod", "container", "node", "instance", "job", "service", "endpoint", "prometheus", "cluster"),
        *("exported_namespace", "exported_pod", "exported_container", "exported_job", "Hostname", "gpu"),
        *("kubernetes_namespace", "kubernetes_pod_name", "app", "component", "deployment", "release"),
        *("model_name", "model", "modelName", "served_model_name", "engine"),
    }
)
"""Labels that say where a series comes from, and not which part of the requests it counts."""
_OF_NAMESPACES = ("namespace", "exported_namespace", "kubernetes_namespace")


class Meaning(NamedTuple):
    """A signal of ours, and what its value is to the foreign metric's."""

    signal: str
    backend: str
    """Whose preset has it; empty for the GPU exporter's."""
    over: str
    """How the foreign metric brings the series together: `sum`, `mean`, `max`; empty where there is but one."""
    scale: float
    """The signal's value is the metric's, multiplied by this."""
    quantile: float | None = None
    matchers: tuple[Matcher, ...] = ()
    or_zero: bool = False

    @property
    def key(self) -> str:
        """As in `Observation.signals`."""
        return self.signal if self.quantile is None else f"{self.signal}:{self.quantile:g}"


def meaning_of_query(query: str, namespace: str) -> Meaning | None:
    """Return what a query in PromQL means; None if it is one of the user's own.

    A query about another namespace than `namespace`, the target's, or about a part of the requests, is one's own.
    """
    shape = shape_of(query)
    return None if shape is None else _meaning(shape, namespace)


def meaning_of_name(name: str, over: str, labels: Iterable[Matcher], namespace: str) -> Meaning | None:
    """Return what a metric of the custom or external metrics API means; None if it is one of the user's own.

    Adapters rename `:` to `_`; Google's wraps the name.
    """
    return _meaning(Shape(frozenset({unwrapped(name)}), over=over, matchers=tuple(labels)), namespace)


def unwrapped(name: str) -> str:
    """Return a metric's own name: Google's adapter has it as `prometheus.googleapis.com|NAME|gauge`."""
    wrapped = _GKE.match(name)
    return wrapped["name"] if wrapped else name


def _meaning(shape: Shape, namespace: str) -> Meaning | None:
    if any(not _is_place(matcher, namespace) for matcher in shape.matchers):
        return None
    asked = frozenset(map(_plain, shape.names))
    for backend, preset in [*BACKENDS.items(), ("", DCGM)]:
        for signal, terms in _readings(preset):
            for names, scale in _spellings(preset, terms):
                if names == asked and terms[0].form is shape.form:
                    factor = scale / shape.factor
                    return Meaning(signal, backend, shape.over, factor, shape.quantile, shape.matchers, shape.or_zero)
    return None


def _is_place(matcher: Matcher, namespace: str) -> bool:
    if matcher.label in _OF_NAMESPACES and matcher.sign == "=" and matcher.value != namespace:
        return False
    return matcher.label in _PLACES


def _readings(preset: Preset) -> Iterator[tuple[str, tuple[Term, ...]]]:
    """Yield each signal with what is added up for it; the requests that run too, which presets do not show alone."""
    for signal, formula in preset.signals.items():
        if signal not in COUNTERS and not formula.over:
            yield signal, formula.terms
    for name in _RUNNING:
        if name in preset.series:
            yield RUNNING_REQUESTS, (Term(name, Form.VALUE),)


def _spellings(preset: Preset, terms: tuple[Term, ...]) -> Iterator[tuple[frozenset[str], float]]:
    """Yield the names of the metrics under which the terms may be exported, the newest or the older of each."""
    series = [preset.series[term.series] for term in terms]
    if any(metric.where for one in series for metric in one.metrics):
        return
    suffix = "_bucket" if terms[0].form is Form.BUCKETS else ""
    for age in range(max(len(one.metrics) for one in series)):
        metrics = [one.metrics[min(age, len(one.metrics) - 1)] for one in series]
        yield frozenset(_plain(metric.name + suffix) for metric in metrics), metrics[0].scale


def _plain(name: str) -> str:
    return name.replace(":", "_")


def reads_pods(query: str) -> bool:
    """Return whether a query reads a series of the backends themselves, which is gone at zero replicas."""
    return not _OF_BACKENDS.isdisjoint(map(_plain, re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", query)))


_OF_BACKENDS = frozenset(
    _plain(metric.name + suffix)
    for preset in (*BACKENDS.values(), DCGM)
    for series in preset.series.values()
    for metric in series.metrics
    for suffix in ("", "_bucket", "_sum", "_count")
)
