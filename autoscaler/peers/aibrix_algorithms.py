"""AIBrix's two formulas: APA, on the use of a pod, and its variant of Knative's.

Upstream: vllm-project/aibrix pkg/controller/podautoscaler/algorithm/{apa,kpa}.go, `computeTargetReplicas`.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Rates(NamedTuple):
    """How far one decision may go, and what it does not react to."""

    up: float = 2.0
    down: float = 2.0
    up_tolerance: float = 0.1
    down_tolerance: float = 0.1


class KpaInput(NamedTuple):
    """What the variant of Knative's formula is given besides the means."""

    panicking: bool
    max_panic_pods: int = 0
    activation_scale: int = 1


def apa(current: int, use_per_pod: float, target: float, rates: Rates) -> int:
    """Return the count that brings the use of a pod to its target; at the edge of the tolerance nothing changes."""
    if target <= 0:
        return current
    ratio = use_per_pod / target
    if ratio > 1 + rates.up_tolerance:
        return min(math.ceil(current * ratio), math.ceil(rates.up * current))
    if ratio < 1 - rates.down_tolerance:
        return max(math.ceil(current * ratio), math.floor(current / rates.down))
    return current


def kpa(current: int, stable: float, panic: float, target: float, rates: Rates, given: KpaInput) -> int:
    """Return the count for the means of the stable and the panic window.

    Upstream adds a band around the target value that keeps the count; with its default tolerances here, none.
    """
    highest, lowest = max(1, math.ceil(rates.up * current)), math.floor(current / rates.down)
    wanted, wanted_in_panic = (
        _activated(min(max(math.ceil(value / target), lowest), highest), given) for value in (stable, panic)
    )
    return max(wanted, wanted_in_panic, given.max_panic_pods) if given.panicking else wanted


def _activated(wanted: int, given: KpaInput) -> int:
    return max(wanted, given.activation_scale) if wanted > 0 else wanted
