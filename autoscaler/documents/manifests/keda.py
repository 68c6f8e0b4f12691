"""KEDA's ScaledObject, as a manifest has it.

Upstream: kedacore/keda apis/keda/v1alpha1/scaledobject_types.go, and pkg/scalers/prometheus_scaler.go, cron_scaler.go
and cpu_memory_scaler.go for what stands in a trigger's metadata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from autoscaler.documents.base import EmptyIfNull, Replicas, Text
from autoscaler.documents.behavior import Behavior  # noqa: TC001 - pydantic reads it
from autoscaler.documents.manifests.base import ManifestMetadata, ManifestModel, TargetRef
from autoscaler.peers.keda_fallback import FallbackBehavior

if TYPE_CHECKING:
    from typing import Self

_INT32 = 2**31 - 1
Period = Annotated[int, Field(strict=True, ge=0, le=_INT32)]


def _as_text(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return a number or a truth value as the API server wants it: people forget the quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) and abs(value) < 1e18 else value


class TriggerManifest(ManifestModel):
    """One entry of `spec.triggers`; what `metadata` holds is the type's own."""

    type: Annotated[str, Field(strict=True, min_length=1)]
    name: Text = ""
    metadata: Annotated[dict[str, Annotated[Text, BeforeValidator(_as_text)]], EmptyIfNull] = Field(default={})
    metric_type: Literal["AverageValue", "Value", "Utilization"] | None = None
    authentication_ref: Any = None
    use_cached_metrics: bool = False

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        needed = {
            "prometheus": ("query", "threshold"),
            "cron": ("timezone", "start", "end", "desiredReplicas"),
            "cpu": ("value",),
            "memory": ("value",),
        }.get(self.type, ())
        lacking = [name for name in needed if not self.metadata.get(name, "").strip()]
        if lacking:
            raise ValueError(f"a trigger of type {self.type} needs {', '.join(f'metadata.{name}' for name in lacking)}")
        for name in ("threshold", "activationThreshold", "value", "desiredReplicas"):
            if self.type in ("prometheus", "cron", "cpu", "memory") and name in self.metadata:
                self.number(name)
        return self

    def number(self, name: str, default: float = 0.0) -> float:
        """Return a number of the metadata; it may not be above the largest that a count can be.

        Raises:
            ValueError: it is no number, or not such a one.
        """
        text = self.metadata.get(name, "").strip()
        try:
            value = float(text) if text else default
        except ValueError:
            raise ValueError(f"metadata.{name} ({text[:80]!r}) must be a number") from None
        lowest = 0.0 if name in ("activationThreshold", "desiredReplicas") else 1e-6
        if not lowest <= value <= 1e15 and not (name == "activationThreshold" and -1e15 <= value < 0):
            raise ValueError(f"metadata.{name} ({text[:80]}) must be a finite number above 0")
        return value

    @property
    def resource_type(self) -> str:
        """Of a cpu or memory trigger: `Utilization` or `AverageValue`; older manifests say so in the metadata."""
        return self.metric_type or self.metadata.get("type", "Utilization")


class FallbackManifest(ManifestModel):
    """`spec.fallback`."""

    failure_threshold: Period
    replicas: Replicas
    behavior: FallbackBehavior = FallbackBehavior.STATIC


class HpaConfig(ManifestModel):
    """`spec.advanced.horizontalPodAutoscalerConfig`."""

    name: Text = ""
    behavior: Behavior | None = None


class Advanced(ManifestModel):
    """`spec.advanced`."""

    restore_to_original_replica_count: bool = False
    horizontal_pod_autoscaler_config: HpaConfig | None = None
    scaling_modifiers: dict[str, Any] | None = None


class ScaledObjectSpec(ManifestModel):
    """`spec`."""

    scale_target_ref: TargetRef
    polling_interval: Period | None = None
    cooldown_period: Period | None = None
    initial_cooldown_period: Period | None = None
    idle_replica_count: Replicas | None = None
    min_replica_count: Replicas | None = None
    max_replica_count: Annotated[int, Field(strict=True, ge=1, le=_INT32)] | None = None
    fallback: FallbackManifest | None = None
    advanced: Advanced | None = None
    triggers: Annotated[tuple[TriggerManifest, ...], Field(min_length=1)]

    @property
    def least(self) -> int:
        """`minReplicaCount`, or upstream's default."""
        return self.min_replica_count or 0

    @property
    def most(self) -> int:
        """`maxReplicaCount`, or upstream's default."""
        return 100 if self.max_replica_count is None else self.max_replica_count

    @property
    def polling_seconds(self) -> int:
        """`pollingInterval`, or upstream's default."""
        return self.polling_interval or 30

    @property
    def cooldown_seconds(self) -> int:
        """`cooldownPeriod`, or upstream's default."""
        return 300 if self.cooldown_period is None else self.cooldown_period

    @property
    def behavior(self) -> Behavior | None:
        """The behavior of the HPA that KEDA makes."""
        config = self.advanced.horizontal_pod_autoscaler_config if self.advanced is not None else None
        return None if config is None else config.behavior

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"`minReplicaCount` ({self.least}) must not be above `maxReplicaCount` ({self.most})")
        if self.idle_replica_count is not None and self.idle_replica_count >= self.least:
            raise ValueError(
                f"`idleReplicaCount` ({self.idle_replica_count}) must be below `minReplicaCount` ({self.least})"
            )
        return self


class ScaledObjectManifest(ManifestModel):
    """A ScaledObject."""

    api_version: Literal["keda.sh/v1alpha1"]
    kind: Literal["ScaledObject"]
    metadata: ManifestMetadata
    spec: ScaledObjectSpec
    status: Any = None
