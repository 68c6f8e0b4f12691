"""InferenceAutoscaler: one target, its bounds, where its signals come from, and the policy to scale it by."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from autoscaler.documents.base import (
    KEY_PATTERN,
    Document,
    DocumentModel,
    EmptyIfNull,
    Positive,
    PositiveInt,
    Replicas,
    ResourceName,
    Seconds,
    Text,
)
from autoscaler.documents.objective import Objective, TargetReplica  # noqa: TC001 - pydantic reads it
from autoscaler.documents.policy import ScalingPolicySpec  # noqa: TC001 - pydantic reads it
from autoscaler.engine.spec import Fallback, Mode, OnForeignChange, Startup
from autoscaler.signals.query import Across, SignalQuery

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


class ScaleTargetRef(DocumentModel):
    """What is scaled: a Deployment of the same namespace."""

    api_version: Literal["apps/v1"] = "apps/v1"
    """Group and version of the target."""
    kind: Literal["Deployment"] = "Deployment"
    """Its pods are found through its ReplicaSets; other kinds own theirs in other ways, and are not read yet."""
    name: ResourceName
    """The target's name."""


class SignalSource(DocumentModel):
    """Where one signal comes from, instead of the preset: PromQL, or a series on a page that is fetched directly."""

    query: Text = ""
    """PromQL with a single value as its answer, for the source `prometheus`."""
    unit: Literal["", "requests", "seconds", "percent", "requests/s", "tokens/s"] = ""
    """Empty: the usual one of the signal."""
    url: Text = ""
    """An http or https address in the Prometheus text format, for the source `scrape`."""
    metric: Text = ""
    """The series on that page, as `name` or `name{label="value"}`."""
    across: Across = Across.SUM
    """How several matching series of the page become one value: `sum`, `mean` or `max`."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if not self.query.strip() and not self.url:
            raise ValueError("needs `query`, or `url` and `metric`")
        if bool(self.url) != bool(self.metric):
            raise ValueError("`url` and `metric` belong together")
        if self.url and (urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).netloc):
            raise ValueError("`url` must begin with http:// or https://")
        return self

    def compiled(self) -> SignalQuery:
        """Return the form that sources read."""
        return SignalQuery(self.query, self.unit, self.url, self.metric, self.across)


class GatewaySource(DocumentModel):
    """What stands in front of the backend, so that nobody need write PromQL for it.

    It gives `gatewayRequests`, and what it knows besides and the backend's preset does not measure. The document's own
    `signals` win over it. For the source `prometheus` alone.
    """

    preset: Literal["llm-d", "envoy", "ingress-nginx", "dynamo"]
    """The gateway's metrics."""
    name: Annotated[str, Field(strict=True, min_length=1)]
    """Which of its series are this target's: the inference pool, Envoy's cluster, the ingress, Dynamo's model."""
    labels: dict[Text, Text] = Field(default={})
    """Labels that the series must have, where the name alone is not unique: such as `namespace`."""

    @field_validator("labels")
    @classmethod
    def _names_of_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        wrong = [label for label in labels if not _LABEL.fullmatch(label)]
        if wrong:
            raise ValueError(f"must be made of Prometheus' names of labels, and {wrong[0]!r} is none")
        return labels


class PolicyRef(DocumentModel):
    """A ScalingPolicy by name: among the documents, else in the library."""

    name: ResourceName
    """The policy's `metadata.name`."""


class FallbackFloor(DocumentModel):
    """A floor while every sizing signal is unknown."""

    replicas: PositiveInt
    """At least this many, and never more than `maxReplicas`. KEDA's `fallback.replicas`."""
    after_seconds: Seconds = 60.0
    """How long nothing must be known first."""

    def compiled(self) -> Fallback:
        """Return the engine's form."""
        return Fallback(self.replicas, self.after_seconds)


class StartupExpectation(DocumentModel):
    """How long a replica may take to become Ready before it counts as stuck."""

    expected_seconds: Positive = 300.0
    """Used until start-ups have been seen."""
    stuck_factor: Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)] = 3.0
    """Stuck after this many learned start-up times, and never before `stuckAfterSeconds`."""
    stuck_after_seconds: Positive = 600.0
    """The least age of a replica that counts as stuck."""
    backoff_seconds: Positive = 60.0
    """First pause between probes while pods are unschedulable; doubles up to `backoffLimitSeconds`."""
    backoff_limit_seconds: Positive = 960.0
    """The longest pause between probes."""

    @model_validator(mode="after")
    def _limit_is_one(self) -> Self:
        if self.backoff_limit_seconds < self.backoff_seconds:
            raise ValueError(
                f"`backoffLimitSeconds` ({self.backoff_limit_seconds:g}) must be at least "
                f"`backoffSeconds` ({self.backoff_seconds:g})"
            )
        return self

    def compiled(self) -> Startup:
        """Return the engine's form."""
        return Startup(
            self.expected_seconds,
            self.stuck_factor,
            self.stuck_after_seconds,
            self.backoff_seconds,
            self.backoff_limit_seconds,
        )


class InferenceAutoscalerSpec(DocumentModel):
    """What is wanted of one target."""

    scale_target_ref: ScaleTargetRef
    """What is scaled."""
    min_replicas: Replicas = 1
    """0 needs `scaleToZero` in the policy, and a wake signal."""
    max_replicas: PositiveInt
    """Never more, whatever any rule says."""
    mode: Mode = Mode.DRY_RUN
    """`Active`, `DryRun` (default: decide and say so, write nothing) or `Paused`."""
    backend: Annotated[str, Field(strict=True, min_length=1)] = "vllm"
    """The preset that names the backend's series."""
    replica: TargetReplica | None = None
    """What one replica is: its GPU and model. The rule `capacity` sizes by it; without it, by requests in flight."""
    objective: Objective | None = None
    """What requests are promised: the rules `capacity` and `latency` take it where they name no objective."""
    signals: dict[Annotated[str, Field(strict=True, pattern=KEY_PATTERN)], SignalSource] = Field(default={})
    """By signal name; these win over the preset, and may add signals of the document's own."""
    gateway: GatewaySource | None = None
    """What stands in front of the backend, and is alive at zero replicas."""
    policy_ref: PolicyRef | None = None
    """A ScalingPolicy by name."""
    policy: ScalingPolicySpec | None = None
    """Inline, instead of `policyRef`."""
    on_foreign_change: OnForeignChange = OnForeignChange.OVERRIDE
    """`Override` (default) or `Hold`: what to do when somebody else changed the count."""
    foreign_hold_seconds: Seconds = 3600.0
    """How long `Hold` waits."""
    fallback: FallbackFloor | None = None
    """A floor while every sizing signal is unknown; none by default, then the count is held."""
    startup: Annotated[StartupExpectation, EmptyIfNull] = StartupExpectation()
    """When a replica that is not Ready counts as stuck."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"`minReplicas` ({self.min_replicas}) must not be above `maxReplicas` ({self.max_replicas})"
            )
        if (self.policy_ref is None) == (self.policy is None):
            found = "neither" if self.policy is None else "both"
            raise ValueError(f"needs exactly one of `policyRef` and `policy`, and has {found}")
        if self.fallback is not None and self.fallback.replicas > self.max_replicas:
            raise ValueError(
                f"`fallback.replicas` ({self.fallback.replicas}) must not be above `maxReplicas` ({self.max_replicas})"
            )
        return self


class InferenceAutoscaler(Document):
    """One target and how it is scaled."""

    kind: Literal["InferenceAutoscaler"] = "InferenceAutoscaler"
    spec: InferenceAutoscalerSpec

    @property
    def target_key(self) -> str:
        """`namespace/name` of what is scaled: no two documents may share it."""
        return f"{self.metadata.namespace}/{self.spec.scale_target_ref.name}"
