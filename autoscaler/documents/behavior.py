"""autoscaling/v2's `behavior`: the block of an HPA pastes in as it is, with upstream's defaults and limits.

Upstream: kubernetes/kubernetes pkg/apis/autoscaling/v2/defaults.go (defaults per direction and per field) and
pkg/apis/autoscaling/validation/validation.go (`validateScalingRules`, `validateScalingPolicy`).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from autoscaler.documents.base import DocumentModel, PositiveInt
from autoscaler.engine.behavior import DEFAULT_DOWN, DEFAULT_UP, PolicyType, RatePolicy, ScalingRules, SelectPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUANTITY = re.compile(r"^\+?(\d+\.?\d*|\.\d+)(n|u|m|k|M|G|[eE][-+]?\d{1,2})?$", re.ASCII)
_SUFFIXES: Mapping[str, float] = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_LONGEST_NUMBER = 32
_LARGEST = 1e18


def _quantity(value: Any) -> float:  # noqa: ANN401 - whatever the file holds
    """Return a Kubernetes quantity as a number: 0.05, "0.05" and "50m" are the same."""
    wrong = 'must be a quantity of at least 0, such as 0.05, "0.05" or "50m"'
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value) if abs(value) < _LARGEST else math.inf
    else:
        match = _QUANTITY.match(value) if isinstance(value, str) and len(value) <= _LONGEST_NUMBER else None
        if match is None:
            raise ValueError(wrong)
        digits, suffix = match.group(1), match.group(2) or ""
        number = float(digits + suffix) if suffix[:1] in ("e", "E") else float(digits) * _SUFFIXES.get(suffix, 1.0)
    if not 0.0 <= number < math.inf:
        raise ValueError(wrong)
    return number


Quantity = Annotated[
    float,
    BeforeValidator(_quantity),
    PlainSerializer(float),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}),
]


class HPAScalingPolicy(DocumentModel):
    """At most `value` pods, or percent of the pods, per `periodSeconds`."""

    type: PolicyType
    """`Pods` or `Percent`."""
    value: PositiveInt
    """How many pods, or how many percent."""
    period_seconds: Annotated[int, Field(strict=True, ge=1, le=1800)]
    """The time in which this may be added or removed."""


class HPAScalingRules(DocumentModel):
    """One direction; what is left out has upstream's default for that direction."""

    stabilization_window_seconds: Annotated[int, Field(strict=True, ge=0, le=3600)] | None = None
    """Default: 0 up, 300 down."""
    select_policy: SelectPolicy | None = None
    """`Max` (default), `Min` or `Disabled`."""
    policies: Annotated[tuple[HPAScalingPolicy, ...], Field(min_length=1)] | None = None
    """Default: up 4 pods or 100 percent per 15 s, down 100 percent per 15 s."""
    tolerance: Quantity | None = None
    """Keep the count while demand / count differs from 1 by at most this. Default 0.1."""

    def compiled(self, default: ScalingRules) -> ScalingRules:
        """Return the engine's form, with what is left out from `default`."""
        window, select, tolerance = self.stabilization_window_seconds, self.select_policy, self.tolerance
        policies = self.policies
        return ScalingRules(
            default.stabilization_window_seconds if window is None else float(window),
            default.policies
            if policies is None
            else tuple(RatePolicy(policy.type, policy.value, float(policy.period_seconds)) for policy in policies),
            default.select_policy if select is None else select,
            default.tolerance if tolerance is None else tolerance,
        )


class Behavior(DocumentModel):
    """How fast the count may rise and fall."""

    scale_up: HPAScalingRules | None = None
    """Default: at once, 4 pods or 100 percent per 15 s."""
    scale_down: HPAScalingRules | None = None
    """Default: to the most that the last 300 s asked for."""

    def compiled(self) -> tuple[ScalingRules, ScalingRules]:
        """Return the (up, down) rules of the engine."""
        up, down = self.scale_up or HPAScalingRules(), self.scale_down or HPAScalingRules()
        return up.compiled(DEFAULT_UP), down.compiled(DEFAULT_DOWN)
