"""Which rule a `type` means."""

from __future__ import annotations

import inspect
from types import MappingProxyType
from typing import TYPE_CHECKING

from autoscaler.errors import UsageError
from autoscaler.rules.advisor import Advisor
from autoscaler.rules.base import RuleModel
from autoscaler.rules.capacity import Capacity
from autoscaler.rules.cpu_utilization import CpuUtilization
from autoscaler.rules.gpu_utilization import GpuUtilization
from autoscaler.rules.kv_cache_utilization import KvCacheUtilization
from autoscaler.rules.latency import Latency
from autoscaler.rules.pending_requests import PendingRequests
from autoscaler.rules.queue_depth import QueueDepth
from autoscaler.rules.request_rate import RequestRate
from autoscaler.rules.schedule import Schedule
from autoscaler.rules.target_tracking import TargetTracking
from autoscaler.rules.threshold import Threshold
from autoscaler.rules.token_rate import TokenRate

if TYPE_CHECKING:
    from collections.abc import Mapping

Registry = MappingProxyType[str, type[RuleModel]]
"""Rule classes by their `type`."""

BUILT_IN: Registry = MappingProxyType(
    {
        str(rule.model_fields["type"].default): rule
        for rule in (
            Capacity,
            PendingRequests,
            QueueDepth,
            RequestRate,
            TokenRate,
            TargetTracking,
            Threshold,
            CpuUtilization,
            Latency,
            GpuUtilization,
            KvCacheUtilization,
            Schedule,
            Advisor,
        )
    }
)


def register(registry: Mapping[str, type[RuleModel]], candidate: object, source: str) -> Registry:
    """Return the registry with one more rule; `source` says where it came from, for the message.

    Raises:
        UsageError: `candidate` is not a rule, or its type is taken.
    """
    rule, name = _checked(candidate, source)
    taken = registry.get(name)
    if taken is rule:
        return MappingProxyType(dict(registry))
    if taken is not None:
        raise UsageError(f"{source}: the rule type {name!r} is already that of {taken.__module__}.{taken.__qualname__}")
    return MappingProxyType({**registry, name: rule})


def _checked(candidate: object, source: str) -> tuple[type[RuleModel], str]:
    if not (inspect.isclass(candidate) and issubclass(candidate, RuleModel)):
        raise UsageError(f"{source}: {candidate!r} must be a subclass of autoscaler.rules.base.RuleModel")
    kind = candidate.model_fields.get("type")
    if kind is None or not isinstance(kind.default, str):
        raise UsageError(f'{source}: {candidate.__qualname__} needs a type, such as type: Literal["myRule"] = "myRule"')
    if "name" not in candidate.model_fields:
        raise UsageError(f'{source}: {candidate.__qualname__} needs a name, such as name: str = "{kind.default}"')
    lacking = [word for word in ("role", "needs", "propose") if not _has(candidate, word)]
    if lacking:
        raise UsageError(f"{source}: {candidate.__qualname__} lacks {', '.join(lacking)}")
    return candidate, kind.default


def _has(candidate: type[RuleModel], word: str) -> bool:
    return word in candidate.model_fields or hasattr(candidate, word)
