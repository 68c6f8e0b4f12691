"""What may vary where nobody says: the parameters of each rule that are a matter of taste, around what they are.

Objectives, quantiles and bounds are promises, and stay. A peer's targets, thresholds and delays are all of that kind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from autoscaler.experiments.tuning import paths
from autoscaler.experiments.tuning.space import Range, Varied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.experiments.tuning.subject import Subject

_AROUND = 4.0
"""From a quarter of what it is to four times as much."""
_OF_RULES = {
    "capacity": {"spareReplicas": Range(0, 3), "usablePercent": Range(50, 95)},
    "gpuUtilization": {"targetPercent": Range(40, 95)},
    "kvCacheUtilization": {"targetPercent": Range(40, 95)},
    "cpuUtilization": {"targetPercent": Range(40, 95)},
}
_TARGETS = ("targetPerReplica",)
_WHOLE: dict[paths.Path, Range] = {
    ("scaleToZero", "idleAfterSeconds"): Range(60, 7200, log=True),
    ("behavior", "scaleDown", "stabilizationWindowSeconds"): Range(0, 900),
}
_OF_PEERS = re.compile(r"target|threshold|value|delay|cooldown|stabilization|stable|perReplica", re.IGNORECASE)
_NOT_OF_PEERS = re.compile(r"activation|fallback|objective|minReplicas|maxReplicas", re.IGNORECASE)


def default_space(subject: Subject) -> tuple[Varied, ...]:
    """Return what may vary of a subject; nothing where there is nothing to go by."""
    kind = subject.document.get("kind")
    if kind == "ScalingPolicy":
        return tuple(_of_policy(subject.parameters))
    if kind == "PeerPolicy":
        return tuple(_of_peer(subject.parameters))
    return ()


def _of_policy(spec: dict[str, Any]) -> Iterator[Varied]:
    for place, rule in enumerate(spec.get("rules", [])):
        for name, domain in _OF_RULES.get(rule.get("type"), {}).items():
            yield Varied(("rules", place, name), domain)
        for name in _TARGETS:
            if isinstance(rule.get(name), int | float):
                yield Varied(("rules", place, name), around(rule[name]))
    for path, domain in _WHOLE.items():
        if paths.found(spec, path[:-1]) is not None:
            yield Varied(path, domain)


def _of_peer(parameters: dict[str, Any]) -> Iterator[Varied]:
    for path, value in paths.numbers(parameters):
        words = ".".join(step for step in path if isinstance(step, str))
        if _OF_PEERS.search(words) and not _NOT_OF_PEERS.search(words) and value > 0:
            yield Varied(path, around(value))


def around(value: float) -> Range:
    """Return the range around a number; whole ones stay whole, and above 0."""
    if isinstance(value, int):
        return Range(max(1, round(value / _AROUND)), round(value * _AROUND), log=True)
    return Range(value / _AROUND, value * _AROUND, log=True)
