"""A HorizontalPodAutoscaler as a draft of our documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.documents.manifests.draft import Draft
from autoscaler.documents.manifests.metrics import has_expressions, meaning_of_metric, query_of_metric
from autoscaler.documents.manifests.series import reads_pods, unwrapped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from autoscaler.documents.manifests.hpa import HpaManifest, MetricSpec

NO_CPU_AMOUNT = "not carried over: only the utilization of the cpu request can be sized by"
OF_CONTAINER = "the utilization is of the whole pod here, not of the container {container} alone"
RENAMED = "an adapter may have renamed the metric: check that the query is what was meant"
EXPRESSIONS = "the query lacks the selector's matchExpressions: add them"
ZERO = "zero is left when the wake signal gatewayRequests rises, and reached after {idle:g} s of proven idleness"
NO_ZERO = (
    "0 became 1: every metric here comes from the pods themselves, and at zero none is left to wake by; for 0, give "
    "signals.gatewayRequests or gateway, and scaleToZero in the policy"
)
MADE_BY_KEDA = "KEDA made this HorizontalPodAutoscaler: convert its ScaledObject instead, which says more"
_IDLE_SECONDS = 300.0


def draft_hpa(manifest: HpaManifest, raw: Mapping[str, Any]) -> Draft:
    """Return the draft; what has no counterpart is noted in it."""
    spec = manifest.spec
    draft = Draft(manifest.metadata.namespace, min_replicas=spec.least, max_replicas=spec.max_replicas)
    if "keda" in manifest.metadata.labels.get("app.kubernetes.io/managed-by", ""):
        draft.note("metadata.labels", MADE_BY_KEDA)
    if not spec.metrics:
        draft.note("spec.metrics", "none: an HPA then keeps the CPU at 80 percent of its request")
    wake: tuple[str, float] | None = None
    for number, metric in enumerate(spec.all_metrics):
        own = _add(draft, metric, f"spec.metrics[{number}]")
        if wake is None and own and metric.type in ("Object", "External") and not reads_pods(own):
            wake = own, metric.source.target.amount
    draft.behavior = raw["spec"].get("behavior")
    if spec.least == 0:
        _to_zero(draft, wake)
    return draft


def _to_zero(draft: Draft, wake: tuple[str, float] | None) -> None:
    if wake is None:
        draft.min_replicas = 1
        draft.note("spec.minReplicas", NO_ZERO)
        return
    query, target = wake
    draft.signals["gatewayRequests"] = {"query": query, "unit": "requests"}
    draft.comments["gatewayRequests"] = "What wakes the target: it must be there at zero replicas."
    draft.scale_to_zero = {"idleAfterSeconds": _IDLE_SECONDS, "targetPerReplica": target}
    draft.note("spec.minReplicas", ZERO.format(idle=_IDLE_SECONDS))


def _add(draft: Draft, metric: MetricSpec, place: str) -> str:
    """Add the rule for one metric; return its query if it stays one of its own."""
    source, target = metric.source, metric.source.target
    comment = f"{place}: {metric.type} {source.name if source.metric is None else source.metric.name}"
    if metric.type in ("Resource", "ContainerResource"):
        _add_resource(draft, metric, place, comment)
        return ""
    meaning = meaning_of_metric(metric, draft.namespace)
    of_pods = metric.type == "Pods"
    # the mean over the pods is compared with its target as it is
    form = "Value" if of_pods else target.type
    if draft.size(place, meaning, form, target.amount, comment):
        return ""
    query = query_of_metric(metric, draft.namespace)
    identifier = unwrapped(source.metric.name) if source.metric is not None else source.name
    name = draft.own_signal(identifier, query, comment)
    draft.note(place, f"{RENAMED}: {query}")
    if has_expressions(metric):
        draft.note(f"{place}.{metric.section}.metric.selector", EXPRESSIONS)
    draft.rule(
        {"type": "targetTracking", "name": name, "signal": name, "form": target.type, "target": target.amount}, comment
    )
    return query


def _add_resource(draft: Draft, metric: MetricSpec, place: str, comment: str) -> None:
    source = metric.source
    if source.name != "cpu" or source.target.type != "Utilization":
        draft.note(place, f"{NO_CPU_AMOUNT} ({source.name}, {source.target.type})")
        return
    if source.container:
        draft.note(place, OF_CONTAINER.format(container=source.container))
    draft.rule({"type": "cpuUtilization", "targetPercent": source.target.amount}, comment)
