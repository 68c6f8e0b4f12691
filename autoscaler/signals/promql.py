"""PromQL text: one query per series for all targets, answered by pod, so that live pods can be picked from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.signals.preset import Evidence, Form

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.signals.preset import Metric, Preset, Series, Term
    from autoscaler.signals.query import Across

_LONGEST_SCOPE = 2000
"""Characters of a namespace matcher above which it is left out: the query travels in the address of the request."""

_OPERATOR = {"sum": "sum", "mean": "avg", "max": "max"}


def scope(namespaces: Iterable[str]) -> str:
    """Return what selects the namespaces, for `term_query` and `evidence_query`; empty where that would be too long.

    It only spares Prometheus work: what is read is picked by the names of the live pods in any case.
    """
    names = sorted(set(namespaces))
    text = "|".join(names)
    return text if len(text) <= _LONGEST_SCOPE else ""


def term_query(preset: Preset, term: Term, namespaces: str, window_seconds: float) -> str:
    """Return the query for one term: a vector by `namespace, pod` (and `le` for buckets).

    Names, old and new, are joined by `or` after each was aggregated, so that differing labels add nothing twice.
    Where the GPU exporter's own pod took the labels, the user's are `exported_namespace, exported_pod`.
    """
    series = preset.series[term.series]
    forms = [(metric, labels) for metric in series.metrics for labels in _label_forms(preset, namespaces)]
    parts = [_aggregate(series, metric, term.form, labels, window_seconds) for metric, labels in forms]
    if term.form is Form.RATE and series.absent_when_idle:
        # Absent is 0 here, so a counter that is there but has no second sample yet must say that it is not.
        parts += [f"NaN * {_aggregate(series, metric, Form.VALUE, labels, window_seconds)}" for metric, labels in forms]
    return " or ".join(parts)


def evidence_query(preset: Preset, namespaces: str) -> str:
    """Return the query for when each pod was last sampled: values are UTC epoch seconds of Prometheus' clock.

    `timestamp` of a plain selector is the sample's own time; of an expression it would be the query's.
    """
    if preset.evidence is Evidence.SCRAPE:
        selector = _selector("up", _namespace("namespace", namespaces), 'pod!=""')
        # A pod may have several endpoints, and only one of them is the backend's: all must have answered.
        return (
            f"min by (namespace, pod) (timestamp({selector})) "
            f"and on (namespace, pod) (min by (namespace, pod) ({selector}) == 1)"
        )
    if preset.evidence is Evidence.GPU:
        # Of all namespaces: the series of an idle GPU carry the exporter's own.
        by = "exported_namespace, exported_pod, namespace, pod, Hostname, hostname"
        parts = [f"max by ({by}) (timestamp({name}))" for name in preset.evidence_names]
    else:
        parts = [
            f"max by ({namespace}, {pod}) (timestamp({_selector(name, *matchers)}))"
            for name in preset.evidence_names
            for namespace, pod, *matchers in _label_forms(preset, namespaces)
        ]
    return " or ".join(parts)


def existing_query(names: Iterable[str]) -> str:
    """Return the query for which of these metric names Prometheus has: a vector with one `__name__` each."""
    return f'group by (__name__) ({{__name__=~"{"|".join(sorted(names))}"}})'


def _label_forms(preset: Preset, namespaces: str) -> list[tuple[str, str, str, str]]:
    """Return, per form of the labels, the two that name the pod and two matchers."""
    if not preset.evidence.foreign:
        return [("namespace", "pod", _namespace("namespace", namespaces), "")]
    return [
        ("exported_namespace", "exported_pod", _namespace("exported_namespace", namespaces), 'exported_pod!=""'),
        ("namespace", "pod", _namespace("namespace", namespaces), 'exported_pod=""'),
    ]


def _aggregate(
    series: Series, metric: Metric, form: Form, labels: tuple[str, str, str, str], window_seconds: float
) -> str:
    namespace, pod, *matchers = labels
    name = f"{metric.name}_bucket" if form is Form.BUCKETS else metric.name
    where = (f'{label}{"=" if equal else "!="}"{value}"' for label, value, equal in metric.where)
    inner = _selector(name, *matchers, *where)
    by = f"{namespace}, {pod}"
    if form is not Form.VALUE:
        inner = f"rate({inner}[{_duration(window_seconds)}])"
    if form is Form.BUCKETS:
        by += ", le"
    if metric.highest is not None:
        inner = f"{inner} >= 0 <= {metric.highest:g}"
    if series.apart and form is Form.VALUE:
        inner = f"max by ({by}, {', '.join(series.apart)}) ({inner})"
    scale = "" if metric.scale == 1 or form is Form.BUCKETS else f"{metric.scale:g} * "
    return f"{scale}{_operator(series.within)} by ({by}) ({inner})"


def _selector(name: str, *matchers: str) -> str:
    body = ", ".join(matcher for matcher in matchers if matcher)
    return f"{name}{{{body}}}" if body else name


def _namespace(label: str, namespaces: str) -> str:
    return f'{label}=~"{namespaces}"' if namespaces else ""


def _operator(across: Across) -> str:
    return _OPERATOR[across.value]


def _duration(seconds: float) -> str:
    """Return a PromQL duration: whole milliseconds, as fractions of a unit are not allowed."""
    return f"{round(seconds * 1000)}ms"
