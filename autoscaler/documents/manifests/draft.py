"""What a manifest becomes, before it is text: an InferenceAutoscaler, its policy, and what is to be said of both."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autoscaler.documents.manifests.base import Note
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
from autoscaler.signals.preset import UNITS

if TYPE_CHECKING:
    from autoscaler.documents.manifests.series import Meaning

_PER_REPLICA = (QUEUE_DEPTH, PENDING_REQUESTS, RUNNING_REQUESTS, REQUEST_RATE, TOKEN_RATE)
_LONGEST_NAME = 60
RUNNING = "pendingRequests counts the waiting ones too: what runs alone ends where the batch is full"
MEAN = "sized by the total over the replicas: the same count, and replicas that start cannot compound it"
FULLEST = "our kvCacheUtilization is the fullest replica's, where this asked for the mean"
BY_GPU = (
    "a GPU is busy far below an LLM's capacity, so this runs to the maximum; better a guard, beside pendingRequests"
)
BY_LATENCY = "a latency is not linear in replicas: better the rule latency as a guard, beside pendingRequests"
OR_ZERO = "`or vector(0)` is left out: what is not there is unknown here, and lowers nothing"
OWN_SERIES = "the preset reads it from the target's own pods, which replaces {matchers}"


def plain(value: object) -> object:
    """Return a number as a person would write it."""
    if not isinstance(value, float):
        return value
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """One rule, and where it comes from."""

    value: dict[str, Any]
    comment: str


@dataclass(slots=True)
class Draft:
    """Collected while a manifest is read."""

    namespace: str
    rules: list[RuleDraft] = field(default_factory=list)
    signals: dict[str, dict[str, Any]] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    """By the name of a signal of its own."""
    notes: list[Note] = field(default_factory=list)
    backend: str = ""
    scale_to_zero: dict[str, Any] | None = None
    fallback: dict[str, Any] | None = None
    behavior: Any = None
    min_replicas: int = 1
    max_replicas: int = 1
    mode: str = "DryRun"

    def note(self, place: str, text: str) -> None:
        """Say what is not as it was."""
        self.notes.append(Note(place, text))

    def rule(self, value: dict[str, Any], comment: str) -> None:
        """Add a rule; a second one of a name gets a number."""
        taken = {rule.value.get("name", rule.value["type"]) for rule in self.rules}
        name = value.get("name", value["type"])
        value = {word: plain(number) for word, number in value.items()}
        if name in taken:
            value = {**value, "name": _free(name, taken)}
        self.rules.append(RuleDraft(value, comment))

    def own_signal(self, wanted: str, query: str, comment: str) -> str:
        """Add a signal of the document's own, and return its name; one and the same query is added once."""
        for name, source in self.signals.items():
            if source["query"] == query and name not in UNITS:
                return name
        word = re.sub(r"[^A-Za-z0-9_]+", "_", wanted).strip("_")[:_LONGEST_NAME]
        name = word if re.match(r"[A-Za-z]", word) else f"metric_{word}".rstrip("_")
        name = _free(name, {*self.signals, *UNITS, RUNNING_REQUESTS})
        self.signals[name] = {"query": query}
        self.comments[name] = comment
        return name

    def size(self, place: str, meaning: Meaning | None, form: str, target: float, comment: str) -> bool:
        """Add the rule that a known signal is sized by, and return True; False if it must stay a query of its own."""
        if meaning is None or (meaning.backend and self.backend not in ("", meaning.backend)):
            return False
        rule = _rule(meaning, form, target * meaning.scale)
        if rule is None:
            return False
        self.backend = self.backend or meaning.backend
        self.rule(rule, comment)
        for text in _remarks(meaning):
            self.note(place, text)
        return True


def _free(name: str, taken: set[str]) -> str:
    """Return the name, with a number where it is taken."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}{number}" if name[-1:].isalpha() else f"{name}_{number}"
    return candidate


def _rule(meaning: Meaning, form: str, target: float) -> dict[str, Any] | None:
    """Return the rule that keeps the signal at the target; None if no rule means the same.

    `form` is `AverageValue` for a target per replica, `Value` for one of the metric itself.
    """
    signal, over = meaning.signal, meaning.over
    if signal in _PER_REPLICA:
        return _of_total(PENDING_REQUESTS if signal == RUNNING_REQUESTS else signal, over, form, target)
    if form == "Value" and signal == GPU_UTILIZATION and over in ("", "mean") and target <= 100:
        return {"type": "gpuUtilization", "role": "size", "targetPercent": target}
    if form == "Value" and signal == KV_CACHE_UTILIZATION and over in ("", "mean", "max"):
        return _tracking(signal, target)
    if form == "Value" and signal in LATENCY_SIGNALS and over == "":
        return _tracking(signal, target, quantile=meaning.quantile)
    return None


def _of_total(signal: str, over: str, form: str, target: float) -> dict[str, Any] | None:
    if (over, form) in (("", "AverageValue"), ("sum", "AverageValue"), ("mean", "Value")):
        return {"type": signal, "targetPerReplica": target}
    return _tracking(signal, target) if over in ("", "sum") and form == "Value" else None


def _tracking(signal: str, target: float, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - the rule's other parameters
    return {"type": "targetTracking", "name": signal, "signal": signal, **more, "form": "Value", "target": target}


def _remarks(meaning: Meaning) -> list[str]:
    found = []
    if meaning.signal == RUNNING_REQUESTS:
        found.append(RUNNING)
    if meaning.signal in _PER_REPLICA and meaning.over == "mean":
        found.append(MEAN)
    if meaning.signal == KV_CACHE_UTILIZATION and meaning.over != "max":
        found.append(FULLEST)
    if meaning.signal == GPU_UTILIZATION:
        found.append(BY_GPU)
    if meaning.signal in LATENCY_SIGNALS:
        found.append(BY_LATENCY)
    if meaning.or_zero:
        found.append(OR_ZERO)
    if meaning.matchers:
        found.append(OWN_SERIES.format(matchers=", ".join(map(str, meaning.matchers))))
    return found
