"""A manifest as the peer that it is, for the simulator: every parameter kept, or refused by name.

What a simulated fleet does not show, such as CPU or somebody's own metric, cannot be guessed at: a peer that reads
nothing holds, and would look cheap for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from autoscaler.documents.manifests.base import Note
from autoscaler.documents.manifests.hpa import HpaManifest
from autoscaler.documents.manifests.metrics import meaning_of_metric
from autoscaler.documents.manifests.series import meaning_of_query
from autoscaler.documents.wording import shown
from autoscaler.engine.observation import (
    GPU_UTILIZATION,
    KV_CACHE_UTILIZATION,
    LATENCY_SIGNALS,
    PENDING_REQUESTS,
    QUEUE_DEPTH,
    REQUEST_RATE,
    RUNNING_REQUESTS,
    TOKEN_RATE,
)
from autoscaler.errors import DocumentError, Problem
from autoscaler.peers.hpa import Hpa, HpaMetric, MetricType
from autoscaler.peers.keda import CronWindow, FallbackModel, Keda, Modifiers, Trigger

if TYPE_CHECKING:
    from autoscaler.documents.manifests.hpa import MetricSpec
    from autoscaler.documents.manifests.keda import Advanced, ScaledObjectManifest, TriggerManifest
    from autoscaler.documents.manifests.read import Read
    from autoscaler.documents.manifests.series import Meaning
    from autoscaler.peers.base import PeerModel

SUMS = (QUEUE_DEPTH, PENDING_REQUESTS, RUNNING_REQUESTS, REQUEST_RATE, TOKEN_RATE)
"""Signals of a simulated fleet that are totals."""
KNOWN = (
    "requests waiting, running or both, their rate, the rate of tokens, the KV cache's and the GPU's utilization, and "
    "quantiles of latencies, by the names of vLLM, TGI, SGLang and the other backends' own metrics"
)
FULLEST = "the simulator shows the fullest replica's KV cache, where this asks for the mean"
_WINDOWED = (REQUEST_RATE, TOKEN_RATE, *LATENCY_SIGNALS)
CLOCK = "the simulation begins at midnight UTC of a Wednesday, and by that clock the window opens"
_NUMBERS = ("target", "activationTarget")
WINDOW = "the rate's window is the scenario's, not the query's"


class AsPeer(NamedTuple):
    """A manifest's peer."""

    name: str
    """`hpa/NAME` or `keda/NAME`."""
    parameters: PeerModel
    notes: tuple[Note, ...]
    """What is not quite as in a cluster."""


def as_peer(read: Read) -> AsPeer:
    """Return the peer that a manifest describes.

    Raises:
        DocumentError: it needs what the simulator does not have; each such place is named.
    """
    problems: list[Problem] = []
    notes: list[Note] = []
    manifest = read.manifest
    name = f"{'hpa' if isinstance(manifest, HpaManifest) else 'keda'}/{manifest.metadata.name}"
    parameters: PeerModel | None
    try:
        if isinstance(manifest, HpaManifest):
            parameters = _hpa(read, manifest, problems, notes)
        else:
            parameters = _keda(read, manifest, problems, notes)
    except ValidationError as error:
        allowed = "; ".join(details["msg"].removeprefix("Value error, ") for details in error.errors())
        raise DocumentError(Problem(read.origin.at(("spec",)), "spec", "", allowed)) from error
    if problems or parameters is None:
        raise DocumentError(*problems)
    return AsPeer(name, parameters, tuple(dict.fromkeys(notes)))


def _hpa(read: Read, manifest: HpaManifest, problems: list[Problem], notes: list[Note]) -> Hpa | None:
    spec, metrics = manifest.spec, []
    for number, metric in enumerate(spec.all_metrics):
        place = f"spec.metrics[{number}]"
        found = _metric(metric, manifest.metadata.namespace)
        if isinstance(found, str):
            problems.append(Problem(read.origin.at(("spec", "metrics", number)), place, _text(metric), found))
        else:
            metrics.append(found[0])
            notes += [Note(place, text) for text in found[1]]
    if problems:
        return None
    return Hpa(
        min_replicas=spec.least,
        max_replicas=spec.max_replicas,
        metrics=tuple(metrics),
        behavior=None if spec.behavior is None else spec.behavior.compiled(),
    )


def _metric(metric: MetricSpec, namespace: str) -> tuple[HpaMetric, tuple[str, ...]] | str:
    """Return the metric with what is to be noted of it, or why there is none."""
    if metric.type in ("Resource", "ContainerResource"):
        return f"the simulator knows no {metric.source.name} of its replicas"
    meaning = meaning_of_metric(metric, namespace)
    wrong = _unseen(meaning, of_pods=metric.type == "Pods")
    if meaning is None or wrong:
        return wrong
    target = metric.source.target
    amount = target.amount * meaning.scale
    as_value = target.type == "Value"
    return HpaMetric(
        type=MetricType(metric.type),
        signals=(meaning.key,),
        value=amount if as_value else None,
        average_value=None if as_value else amount,
    ), _differences(meaning)


def _keda(read: Read, manifest: ScaledObjectManifest, problems: list[Problem], notes: list[Note]) -> Keda | None:
    spec, triggers = manifest.spec, []
    for number, trigger in enumerate(spec.triggers):
        place = f"spec.triggers[{number}]"
        found = _trigger(trigger, manifest.metadata.namespace)
        if isinstance(found, str):
            problems.append(Problem(read.origin.at(("spec", "triggers", number)), place, _query(trigger), found))
        else:
            triggers.append(found[0])
            notes += [Note(place, text) for text in found[1]]
    modifiers = _modifiers(read, spec.advanced, problems)
    if problems:
        return None
    fallback = spec.fallback
    return Keda(
        min_replicas=spec.least,
        max_replicas=spec.most,
        idle_replicas=spec.idle_replica_count,
        polling_interval_seconds=float(spec.polling_seconds),
        cooldown_seconds=float(spec.cooldown_seconds),
        initial_cooldown_seconds=float(spec.initial_cooldown_period or 0),
        triggers=tuple(triggers),
        modifiers=modifiers,
        fallback=None
        if fallback is None
        else FallbackModel(
            failure_threshold=fallback.failure_threshold, replicas=fallback.replicas, behavior=fallback.behavior
        ),
        behavior=None if spec.behavior is None else spec.behavior.compiled(),
    )


def _modifiers(read: Read, advanced: Advanced | None, problems: list[Problem]) -> Modifiers | None:
    """Return the formula; one that cannot be read is a problem of its place."""
    given = {} if advanced is None else advanced.scaling_modifiers or {}
    if not given.get("formula"):
        return None
    try:
        values = {name: _number(value) if name in _NUMBERS else value for name, value in given.items()}
        return Modifiers.model_validate(values, by_name=False)
    except ValidationError as error:
        where = ("spec", "advanced", "scalingModifiers")
        for details in error.errors():
            path = ".".join([*where, *map(str, details["loc"])])
            allowed = "is required" if details["type"] == "missing" else details["msg"].removeprefix("Value error, ")
            problems.append(Problem(read.origin.at(where), path, "", allowed))
    return None


def _number(value: object) -> object:
    """Return what stands in quotes, as upstream wants it, as the number that it is."""
    try:
        return float(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else value
    except (ValueError, OverflowError):
        return value


def _cron(trigger: TriggerManifest) -> tuple[Trigger, tuple[str, ...]] | str:
    """Return the window of the clock, or what is wrong with it."""
    words = {name: trigger.metadata[name] for name in ("timezone", "start", "end")}
    try:
        window = CronWindow(**words, desired_replicas=int(trigger.number("desiredReplicas")))
    except ValidationError as error:
        return "; ".join(details["msg"].removeprefix("Value error, ") for details in error.errors())
    return Trigger(type="cron", name=trigger.name, cron=window), (CLOCK,)


def _trigger(trigger: TriggerManifest, namespace: str) -> tuple[Trigger, tuple[str, ...]] | str:
    """Return the trigger with what is to be noted of it, or why there is none."""
    if trigger.type == "cron":
        return _cron(trigger)
    if trigger.type != "prometheus":
        return f"the simulator has no trigger of type {trigger.type}, only prometheus and cron"
    meaning = meaning_of_query(trigger.metadata["query"], namespace)
    wrong = _unseen(meaning, of_pods=False)
    if meaning is None or wrong:
        return wrong
    return Trigger(
        name=trigger.name,
        scale=meaning.scale,
        signals=(meaning.key,),
        threshold=trigger.number("threshold") * meaning.scale,
        activation_threshold=trigger.number("activationThreshold") * meaning.scale,
        metric_type="Value" if trigger.metric_type == "Value" else "AverageValue",
        ignore_null_values=trigger.metadata.get("ignoreNullValues", "true") != "false" or meaning.or_zero,
    ), _differences(meaning)


def _unseen(meaning: Meaning | None, *, of_pods: bool) -> str:
    """Return why a metric cannot be shown by the simulator; empty if it can."""
    if meaning is None:
        return f"the simulator shows no such series; it knows {KNOWN}"
    signal, over = meaning.signal, meaning.over
    shown_over: tuple[str, ...] = ()
    if signal in SUMS:
        shown_over = ("mean",) if of_pods else ("", "sum")
    elif signal == GPU_UTILIZATION:
        shown_over = ("", "mean")
    elif signal == KV_CACHE_UTILIZATION:
        shown_over = ("", "max", "mean")
    elif signal in LATENCY_SIGNALS and not of_pods:
        shown_over = ("",)
    if over in shown_over:
        return ""
    return f"the simulator shows {signal}, but not its {over or 'value of each replica'} over the replicas"


def _differences(meaning: Meaning) -> tuple[str, ...]:
    found = []
    if meaning.signal == KV_CACHE_UTILIZATION and meaning.over != "max":
        found.append(FULLEST)
    if meaning.signal in _WINDOWED:
        found.append(WINDOW)
    return tuple(found)


def _text(metric: MetricSpec) -> str:
    source = metric.source
    return shown(f"{metric.type} {source.name if source.metric is None else source.metric.name}")


def _query(trigger: TriggerManifest) -> str:
    return shown(" ".join(trigger.metadata.get("query", trigger.type).split()))
