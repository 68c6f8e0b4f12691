"""From a target's signals to the samples of single pods that an HPA calculates with.

A sum is divided evenly among the replicas that reported, the longest Ready ones being taken for those; a mean is
everybody's. A NaN reads as 0, as prometheus-adapter has it (kubernetes-sigs/prometheus-adapter
pkg/custom-provider/provider.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.observation import Quality
from autoscaler.peers.hpa_calculator import Invalid
from autoscaler.peers.hpa_pods import Pod, PodMetric
from autoscaler.peers.look import is_absent, known, live, per_replica_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.engine.observation import Observation, Signal

_REQUEST_MILLI = 100_000
"""Every pod's request: a sample in thousandths of a percent is then its share of it."""


def pods_of(observation: Observation) -> list[Pod]:
    """Return the pods as the controller lists them, terminating ones too."""
    return [
        Pod(
            replica.name,
            replica.phase,
            replica.terminating,
            replica.ready,
            replica.created_at,
            replica.created_at if replica.ready_changed_at is None else replica.ready_changed_at,
            _REQUEST_MILLI,
        )
        for replica in observation.replicas
    ]


def shares_of(observation: Observation, key: str) -> dict[str, PodMetric] | Invalid:
    """Return a sample for each replica that reported, a sum being divided; invalid if the source failed."""
    signal = observation.signals.get(key)
    if is_absent(signal):
        return {}
    if signal is None or signal.quality not in (Quality.OK, Quality.PARTIAL, Quality.NAN):
        return Invalid(f"unable to get metric {key}: {_why(signal)}")
    by_age = sorted(live(observation), key=lambda pod: (not pod.ready, pod.ready_changed_at or pod.created_at))
    names = [pod.name for pod in by_age if pod.phase != "Pending"]
    count = len(names) if signal.quality is Quality.NAN else min(signal.pods, len(names))
    mean = per_replica_mean(signal)
    total = round((0.0 if mean is None else mean) * count * 1000)
    return {
        name: PodMetric(total // count + (place < total % count), signal.taken_at)
        for place, name in enumerate(names[:count])
    }


def total_milli(observation: Observation, keys: Sequence[str]) -> int | Invalid:
    """Return the sum of the signals in thousandths, absent ones left out; invalid if all are, or a source failed."""
    found = []
    for key in keys:
        signal = observation.signals.get(key)
        value = 0.0 if signal is not None and signal.quality is Quality.NAN else known(signal)
        if value is not None:
            found.append(round(value * 1000))
        elif not is_absent(signal):
            return Invalid(f"unable to get external metric {key}: {_why(signal)}")
    if not found:
        return Invalid("no metrics returned from external metrics API")
    return sum(found)


def in_milli(target: float) -> int:
    """Return a target in thousandths, at least one of them."""
    return max(round(target * 1000), 1)


def _why(signal: Signal | None) -> str:
    return "nobody collected it" if signal is None else f"{signal.quality.value} {signal.detail}".strip()
