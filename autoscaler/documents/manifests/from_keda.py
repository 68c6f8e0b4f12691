"""A ScaledObject as a draft of our documents.

`pollingInterval` is the daemon's interval, `cooldownPeriod` is `idleAfterSeconds`, `initialCooldownPeriod` is what the
idle clock does anyway by starting at Ready, `fallback` is holding, with a floor, `idleReplicaCount` is the awake floor,
and `activationThreshold` is `wakeThreshold`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from autoscaler.documents.manifests.draft import OR_ZERO, Draft
from autoscaler.documents.manifests.series import meaning_of_query, reads_pods
from autoscaler.documents.manifests.shape import shape_of
from autoscaler.peers.keda_fallback import FallbackBehavior
from autoscaler.rules.schedule import Schedule, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.documents.manifests.keda import (
        Advanced,
        FallbackManifest,
        ScaledObjectManifest,
        ScaledObjectSpec,
        TriggerManifest,
    )

ANNOTATION = "autoscaling.keda.sh/"
INTERVAL = "{seconds} s is the daemon's interval here, for all targets alike: `interval_seconds` in its settings"
INITIAL = "not needed: the idle clock starts when a replica is Ready, so a model that loads is not put to sleep"
NO_COOLDOWN = "not carried over: it rules the way to zero only, and here the count never gets there"
NO_ZERO = (
    "0 became 1: every trigger here comes from the pods themselves or from a clock, and at zero no pod is left to wake "
    "by; for 0, give signals.gatewayRequests or gateway, and scaleToZero in the policy"
)
ZERO = "only {place} wakes: its query is gatewayRequests, and must be there at zero replicas"
AWAKE_FLOOR = "awake, the least is 1 here, and not {least}: idleReplicaCount lets it sleep below minReplicaCount"
ONLY_CLOCK = "only the clock sizes: nothing lowers the count after a window; add pendingRequests"
NO_RESOURCE = "not carried over: only the utilization of the cpu request can be sized by"
_SERVER_FIELDS = {
    "serverAddress": "is `prometheus.url` in the daemon's settings, for all targets alike: {value}",
    "ignoreNullValues": "not carried over: what is not there is unknown here, and lowers nothing",
}
_OF_METADATA = {
    "prometheus": ("query", "threshold", "activationThreshold"),
    "cron": ("timezone", "start", "end", "desiredReplicas"),
    "cpu": ("value", "type"),
}


def draft_keda(manifest: ScaledObjectManifest, raw: Mapping[str, Any]) -> Draft:
    """Return the draft; what has no counterpart is noted in it."""
    spec = manifest.spec
    draft = Draft(manifest.metadata.namespace, min_replicas=spec.least, max_replicas=spec.most)
    wake: tuple[int, TriggerManifest] | None = None
    crons: list[tuple[int, TriggerManifest]] = []
    for number, trigger in enumerate(spec.triggers):
        place = f"spec.triggers[{number}]"
        _note_rest(draft, trigger, place)
        if trigger.type == "cron":
            crons.append((number, trigger))
        elif trigger.type == "prometheus":
            stays_own = _add_query(draft, trigger, number)
            wakes = stays_own and not reads_pods(trigger.metadata["query"])
            wake = (number, trigger) if wake is None and wakes else wake
        elif trigger.type == "cpu":
            _add_cpu(draft, trigger, place)
        else:
            draft.note(place, f"not carried over: a trigger of type {trigger.type}")
    _add_schedules(draft, crons, spec.most)
    _set_floor(draft, spec, wake)
    _set_rest(draft, spec, raw)
    _read_annotations(draft, manifest.metadata.annotations)
    if draft.rules and all(rule.value["type"] == "schedule" for rule in draft.rules):
        draft.note("spec.triggers", ONLY_CLOCK)
    return draft


def _add_query(draft: Draft, trigger: TriggerManifest, number: int) -> bool:
    """Add the rule for a query; return whether it stays one of the document's own."""
    place, query = f"spec.triggers[{number}]", trigger.metadata["query"].strip()
    form = "Value" if trigger.metric_type == "Value" else "AverageValue"
    comment = f"{place}: {' '.join(query.split())}"
    threshold = trigger.number("threshold")
    if draft.size(place, meaning_of_query(query, draft.namespace), form, threshold, comment):
        return False
    shape = shape_of(query)
    if shape is not None and shape.or_zero:
        query = query[: query.rindex(" or ")].rstrip() if " or " in query else query
        draft.note(place, OR_ZERO)
    name = draft.own_signal(trigger.name or f"trigger{number}", query, place)
    value = {"type": "targetTracking", "name": name, "signal": name, "form": form, "target": threshold}
    draft.rule(value, place)
    return True


def _add_cpu(draft: Draft, trigger: TriggerManifest, place: str) -> None:
    if trigger.resource_type != "Utilization":
        draft.note(place, f"{NO_RESOURCE} (cpu, {trigger.resource_type})")
        return
    draft.rule({"type": "cpuUtilization", "targetPercent": trigger.number("value")}, f"{place}: cpu")


def _add_schedules(draft: Draft, crons: list[tuple[int, TriggerManifest]], most: int) -> None:
    """Add a schedule for each time zone; where windows overlap, the highest floor wins, as with KEDA."""
    by_zone: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, trigger in crons:
        place, metadata = f"spec.triggers[{number}]", trigger.metadata
        wanted = int(trigger.number("desiredReplicas"))
        if wanted > most:
            draft.note(place, f"desiredReplicas {wanted} became {most}, the maximum")
        window = {"start": metadata["start"], "end": metadata["end"], "minReplicas": min(wanted, most)}
        try:
            Schedule(time_zone=metadata["timezone"], windows=(Window.model_validate(window, by_name=False),))
        except ValidationError as error:
            why = "; ".join(details["msg"].removeprefix("Value error, ") for details in error.errors())
            draft.note(place, f"not carried over: {why}")
            continue
        by_zone.setdefault(metadata["timezone"], []).append((number, window))
    for zone, found in by_zone.items():
        windows = sorted((window for _, window in found), key=lambda window: -int(window["minReplicas"]))
        comment = ", ".join(f"spec.triggers[{number}]" for number, _ in found) + ": cron"
        draft.rule({"type": "schedule", "timeZone": zone, "windows": windows}, comment)


def _set_floor(draft: Draft, spec: ScaledObjectSpec, wake: tuple[int, TriggerManifest] | None) -> None:
    """Decide about zero: KEDA sleeps at `idleReplicaCount`, or at `minReplicaCount` 0."""
    asleep = spec.least if spec.idle_replica_count is None else spec.idle_replica_count
    place = "spec.minReplicaCount" if spec.idle_replica_count is None else "spec.idleReplicaCount"
    if asleep > 0:
        draft.min_replicas = spec.least
        if spec.idle_replica_count is not None:
            draft.note(place, f"not carried over: idle or not, the least is {spec.least}")
    elif wake is None:
        draft.min_replicas = max(spec.least, 1)
        draft.note(place, NO_ZERO if not spec.least else NO_ZERO.replace("0 became 1", f"became {spec.least}", 1))
    else:
        _to_zero(draft, spec, *wake)
        if spec.least > 1:
            draft.note(place, AWAKE_FLOOR.format(least=spec.least))
    if spec.cooldown_period is not None and draft.scale_to_zero is None:
        draft.note("spec.cooldownPeriod", NO_COOLDOWN)


def _to_zero(draft: Draft, spec: ScaledObjectSpec, number: int, trigger: TriggerManifest) -> None:
    place = f"spec.triggers[{number}]"
    own = next(rule.value["signal"] for rule in draft.rules if rule.comment == place)
    query = draft.signals[own]["query"]
    draft.signals["gatewayRequests"] = {"query": query, "unit": "requests"}
    draft.comments["gatewayRequests"] = "What wakes the target: it must be there at zero replicas."
    draft.min_replicas = 0
    threshold = trigger.number("activationThreshold")
    draft.scale_to_zero = {
        "idleAfterSeconds": max(spec.cooldown_seconds, 1),
        "targetPerReplica": trigger.number("threshold"),
        "wakeThreshold": max(threshold, 0.0),
    }
    draft.note("spec.triggers", ZERO.format(place=place))
    if threshold < 0:
        draft.note(f"{place}.metadata.activationThreshold", f"{threshold:g} became 0")
    if spec.cooldown_seconds < 1:
        draft.note("spec.cooldownPeriod", "0 became 1 s")


def _set_rest(draft: Draft, spec: ScaledObjectSpec, raw: Mapping[str, Any]) -> None:
    if spec.polling_interval is not None:
        draft.note("spec.pollingInterval", INTERVAL.format(seconds=spec.polling_seconds))
    if spec.initial_cooldown_period:
        draft.note("spec.initialCooldownPeriod", INITIAL)
    if spec.fallback is not None:
        _set_fallback(draft, spec, spec.fallback)
    if spec.advanced is not None:
        _set_advanced(draft, spec.advanced, raw["spec"]["advanced"])


def _set_fallback(draft: Draft, spec: ScaledObjectSpec, fallback: FallbackManifest) -> None:
    if not fallback.replicas:
        draft.note("spec.fallback", "not carried over: a floor of 0; unknown is held here")
        return
    seconds = fallback.failure_threshold * spec.polling_seconds
    draft.fallback = {"replicas": min(fallback.replicas, spec.most), "afterSeconds": seconds}
    draft.note("spec.fallback", "a floor, never a ceiling: while nothing is known, the count is held or raised")
    if fallback.behavior is not FallbackBehavior.STATIC:
        draft.note("spec.fallback.behavior", f"not carried over: {fallback.behavior.value}")


def _set_advanced(draft: Draft, advanced: Advanced, raw: Mapping[str, Any]) -> None:
    if advanced.restore_to_original_replica_count:
        draft.note("spec.advanced.restoreToOriginalReplicaCount", "not carried over")
    if advanced.scaling_modifiers:
        draft.note("spec.advanced.scalingModifiers", "not carried over: each trigger is a rule, the highest wins")
    config = advanced.horizontal_pod_autoscaler_config
    if config is not None and config.name:
        draft.note("spec.advanced.horizontalPodAutoscalerConfig.name", "not carried over: no HPA is made")
    if config is not None and config.behavior is not None:
        draft.behavior = raw["horizontalPodAutoscalerConfig"]["behavior"]


def _note_rest(draft: Draft, trigger: TriggerManifest, place: str) -> None:
    """Say of each part of a trigger that has no counterpart."""
    known = _OF_METADATA.get(trigger.type)
    for name, value in trigger.metadata.items() if known is not None else ():
        if name not in (known or ()):
            text = _SERVER_FIELDS.get(name, "not carried over").format(value=value)
            draft.note(f"{place}.metadata.{name}", text)
    if trigger.authentication_ref is not None:
        text = "not carried over: how to log in to Prometheus stands in the daemon's settings"
        draft.note(f"{place}.authenticationRef", text)
    if trigger.use_cached_metrics:
        draft.note(f"{place}.useCachedMetrics", "not carried over: every signal is read once an interval")
    if trigger.name and trigger.type != "prometheus":
        draft.note(f"{place}.name", "not carried over")


def _read_annotations(draft: Draft, annotations: Mapping[str, str]) -> None:
    for name, value in annotations.items():
        if not name.startswith(ANNOTATION):
            continue
        if name.endswith(("/paused", "/paused-replicas")) and value != "false":
            draft.mode = "Paused"
            draft.note(f"metadata.annotations[{name!r}]", "is mode Paused here: the count stays as it is")
        else:
            draft.note(f"metadata.annotations[{name!r}]", "not carried over")
