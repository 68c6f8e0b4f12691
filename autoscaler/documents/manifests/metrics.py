"""What an HPA's metric means, and the query that an adapter would most likely put behind its name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from autoscaler.documents.manifests.series import meaning_of_name, unwrapped
from autoscaler.documents.manifests.shape import Matcher

if TYPE_CHECKING:
    from autoscaler.documents.manifests.hpa import MetricSpec
    from autoscaler.documents.manifests.series import Meaning

_NAME = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", re.ASCII)
_LABEL = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$", re.ASCII)


def meaning_of_metric(metric: MetricSpec, namespace: str) -> Meaning | None:
    """Return what a Pods, Object or External metric means; None if it is one of the user's own.

    An HPA takes the mean of a Pods metric, and the sum of an External one's series.
    """
    source = metric.source
    if source.metric is None or metric.type == "Object" or has_expressions(metric):
        return None
    over = "mean" if metric.type == "Pods" else "sum"
    return meaning_of_name(source.metric.name, over, _labels(metric), namespace)


def query_of_metric(metric: MetricSpec, namespace: str) -> str:
    """Return PromQL for the sum of the series that the metric's name and labels suggest."""
    source = metric.source
    name = source.name if source.metric is None else unwrapped(source.metric.name)
    matchers = list(_labels(metric))
    if metric.type in ("Pods", "Object"):
        matchers.insert(0, Matcher("namespace", "=", namespace))
    if source.described_object is not None and metric.type == "Object":
        matchers.insert(1, Matcher(_label(source.described_object.kind.lower()), "=", source.described_object.name))
    if not _NAME.match(name):
        matchers.insert(0, Matcher("__name__", "=", name))
        name = ""
    inside = ",".join(f"{matcher.label}{matcher.sign}{json.dumps(matcher.value)}" for matcher in matchers)
    return f"sum({name}{{{inside}}})" if inside else f"sum({name})"


def has_expressions(metric: MetricSpec) -> bool:
    """Return whether the metric's selector has `matchExpressions`."""
    identifier = metric.source.metric
    return identifier is not None and identifier.selector is not None and bool(identifier.selector.match_expressions)


def _labels(metric: MetricSpec) -> tuple[Matcher, ...]:
    identifier = metric.source.metric
    labels = identifier.selector.match_labels if identifier is not None and identifier.selector is not None else {}
    return tuple(Matcher(_label(name), "=", value) for name, value in labels.items())


def _label(name: str) -> str:
    """Return a label as Prometheus has it: an adapter's may have a prefix, dots and dashes."""
    name = name.removeprefix("metric.labels.").removeprefix("resource.labels.")
    return name if _LABEL.match(name) else "_" + re.sub(r"[^a-zA-Z0-9_]", "_", name).lstrip("_")
