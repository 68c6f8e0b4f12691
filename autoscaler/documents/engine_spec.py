"""From a policy to the engine's spec, whoever the target is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from autoscaler.engine.spec import EngineSpec, Fallback, Mode, OnForeignChange, ScaleToZero, Startup
from autoscaler.rules.base import PolicyContext
from autoscaler.rules.pending_requests import PendingRequests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.documents.policy import ScalingPolicySpec
    from autoscaler.engine.proposal import Rule
    from autoscaler.rules.iteration import Iteration

_STARTUP = Startup()


def compile_spec(
    policy: ScalingPolicySpec,
    *,
    min_replicas: int,
    max_replicas: int,
    mode: Mode = Mode.ACTIVE,
    interval_seconds: float = 15.0,
    startup: Startup = _STARTUP,
    fallback: Fallback | None = None,
    on_foreign_change: OnForeignChange = OnForeignChange.OVERRIDE,
    foreign_hold_seconds: float = 3600.0,
    extra: Mapping[str, Any] | None = None,
    preset: str | None = None,
    iteration: Iteration | None = None,
    ttft_seconds: float | None = None,
    tpot_seconds: float | None = None,
) -> EngineSpec:
    """Return the engine's spec of a policy between bounds; `extra` is what else the fingerprint must change with.

    `preset` or `iteration` is the replica that it is used for, `ttft_seconds` and `tpot_seconds` are what is promised
    there, each where it is known.
    """
    pending = next((rule.target_per_replica for rule in policy.rules if isinstance(rule, PendingRequests)), None)
    context = PolicyContext(max_replicas, pending, preset, iteration, ttft_seconds, tpot_seconds)
    rules = cast("tuple[Rule, ...]", tuple(rule.bind(context) for rule in policy.rules))
    up, down = policy.behavior.compiled()
    return EngineSpec(
        min_replicas,
        max_replicas,
        rules,
        fingerprint({"policy": policy, "startup": asdict(startup), "interval": interval_seconds, **(extra or {})}),
        mode,
        up,
        down,
        _scale_to_zero(policy, pending),
        fallback,
        startup,
        on_foreign_change,
        foreign_hold_seconds,
        interval_seconds,
    )


def _scale_to_zero(policy: ScalingPolicySpec, pending: float | None) -> ScaleToZero | None:
    """Return it as the engine has it; without a target of its own it has that of `pendingRequests`, else one."""
    zero = policy.scale_to_zero
    if zero is None:
        return None
    target = zero.target_per_replica or pending or 1.0
    return ScaleToZero(zero.idle_after_seconds, target, zero.wake_threshold, zero.blind_after_seconds)


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Return a stable hash of what a decision's history depends on.

    The canonical JSON: defaults written out, keys sorted. So a comment, the order of keys or a default that somebody
    spells out changes nothing, and neither do bounds, mode or fallback, which need no history.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever json does not know
    return value.model_dump(mode="json", by_alias=True)
