"""HorizontalPodAutoscaler of autoscaling/v2, as a manifest has it.

Upstream: kubernetes/kubernetes staging/src/k8s.io/api/autoscaling/v2/types.go, and pkg/apis/autoscaling/v2/defaults.go
for what an empty field means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from autoscaler.documents.base import EmptyIfNull, PositiveInt, Replicas
from autoscaler.documents.behavior import Behavior  # noqa: TC001 - pydantic reads it
from autoscaler.documents.manifests.base import Amount, ManifestMetadata, ManifestModel, TargetRef, Words

if TYPE_CHECKING:
    from typing import Self

_SECTIONS = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


class Selector(ManifestModel):
    """Which of a metric's series are meant."""

    match_labels: Annotated[Words, EmptyIfNull] = Field(default={})
    match_expressions: tuple[Any, ...] = ()


class MetricIdentifier(ManifestModel):
    """A metric by its name in the custom or external metrics API."""

    name: Annotated[str, Field(strict=True, min_length=1)]
    selector: Selector | None = None


class MetricTarget(ManifestModel):
    """What a metric is compared with."""

    type: Literal["Utilization", "Value", "AverageValue"]
    value: Amount | None = None
    average_value: Amount | None = None
    average_utilization: PositiveInt | None = None

    @property
    def amount(self) -> float:
        """The number that belongs to the type."""
        by_type = {"Utilization": self.average_utilization, "Value": self.value, "AverageValue": self.average_value}
        return by_type[self.type] or 0.0

    @model_validator(mode="after")
    def _has_its_number(self) -> Self:
        if self.amount <= 0:
            field = {"Utilization": "averageUtilization", "Value": "value", "AverageValue": "averageValue"}[self.type]
            raise ValueError(f"a target of type {self.type} needs `{field}` above 0")
        return self


class Source(ManifestModel):
    """What stands under `resource`, `pods`, `object` and so on."""

    target: MetricTarget
    name: str = ""
    """Of a resource."""
    container: str = ""
    metric: MetricIdentifier | None = None
    described_object: TargetRef | None = None


class MetricSpec(ManifestModel):
    """One entry of `spec.metrics`."""

    type: Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
    resource: Source | None = None
    container_resource: Source | None = None
    pods: Source | None = None
    object: Source | None = None
    external: Source | None = None

    @property
    def section(self) -> str:
        """The name of the section that the type is about."""
        return _SECTIONS[self.type]

    @property
    def source(self) -> Source:
        """That section."""
        found = {
            "resource": self.resource,
            "containerResource": self.container_resource,
            "pods": self.pods,
            "object": self.object,
            "external": self.external,
        }[self.section]
        if found is None:
            raise ValueError(f"a metric of type {self.type} needs `{self.section}`")
        return found

    @model_validator(mode="after")
    def _has_its_section(self) -> Self:
        source, of_resource = self.source, self.type in ("Resource", "ContainerResource")
        if of_resource and not source.name:
            raise ValueError(f"`{self.section}` needs the `name` of a resource")
        if not of_resource and source.metric is None:
            raise ValueError(f"`{self.section}` needs `metric`")
        if self.type == "Pods" and source.target.type != "AverageValue":
            raise ValueError("a metric of type Pods needs a target of type AverageValue")
        return self


_CPU = MetricSpec(
    type="Resource", resource=Source(name="cpu", target=MetricTarget(type="Utilization", averageUtilization=80))
)


class HpaSpec(ManifestModel):
    """`spec`."""

    scale_target_ref: TargetRef
    min_replicas: Replicas | None = None
    max_replicas: PositiveInt
    metrics: tuple[MetricSpec, ...] | None = None
    behavior: Behavior | None = None

    @property
    def least(self) -> int:
        """`minReplicas`, or upstream's default."""
        return 1 if self.min_replicas is None else self.min_replicas

    @property
    def all_metrics(self) -> tuple[MetricSpec, ...]:
        """The metrics, or upstream's default: 80 percent of the CPU request."""
        return self.metrics or (_CPU,)

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.least > self.max_replicas:
            raise ValueError(f"`minReplicas` ({self.least}) must not be above `maxReplicas` ({self.max_replicas})")
        return self


class HpaManifest(ManifestModel):
    """A HorizontalPodAutoscaler."""

    api_version: Literal["autoscaling/v2"]
    kind: Literal["HorizontalPodAutoscaler"]
    metadata: ManifestMetadata
    spec: HpaSpec
    status: Any = None
