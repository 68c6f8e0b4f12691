"""ScalingPolicy: the rules, how fast they may act, and whether zero is allowed; one policy serves many targets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

from pydantic import Field, PlainValidator, SerializeAsAny, ValidationInfo, WithJsonSchema, model_validator

from autoscaler.documents.base import Document, DocumentModel, EmptyIfNull, Positive, Seconds
from autoscaler.documents.behavior import Behavior
from autoscaler.documents.wording import close_match, listed
from autoscaler.rules.base import RuleModel
from autoscaler.rules.registry import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.proposal import Rule


def _rule(value: Any, info: ValidationInfo) -> RuleModel:  # noqa: ANN401 - whatever the file holds
    """Return the rule that an item of `rules` describes; the registry is in the validation context."""
    if isinstance(value, RuleModel):
        return value
    registry: Mapping[str, type[RuleModel]] = (info.context or {}).get("registry", BUILT_IN)
    if not isinstance(value, dict):
        raise ValueError("must be a mapping with a `type`")  # noqa: TRY004 - pydantic collects ValueErrors
    kind = value.get("type")
    rule = registry.get(kind) if isinstance(kind, str) else None
    if rule is None:
        hint = close_match(kind, registry)
        raise ValueError(f"`type` must be one of {listed(registry)}{hint}")
    return rule.model_validate(value, by_name=False)


RuleItem = Annotated[
    SerializeAsAny[RuleModel],
    PlainValidator(_rule),
    WithJsonSchema(
        {
            "type": "object",
            "description": "A rule: its type, and the parameters of that type. Validated by the autoscaler.",
            "required": ["type"],
            "properties": {"type": {"type": "string"}, "name": {"type": "string"}},
            "x-kubernetes-preserve-unknown-fields": True,
        }
    ),
]


class ScaleToZeroPolicy(DocumentModel):
    """Zero after an idle window, and back on a request at the gateway. Needs `minReplicas: 0` too."""

    idle_after_seconds: Positive
    """Proof of idleness for this long, counted from Ready. KEDA's `cooldownPeriod`."""
    target_per_replica: Positive | None = None
    """Held requests that one replica is woken for. Default: that of the `pendingRequests` rule, else 1."""
    wake_threshold: Seconds = 0.0
    """More held requests than this wake the target. KEDA's `activationThreshold`."""
    blind_after_seconds: Positive = 120.0
    """At zero, one replica is woken when the wake signal has not been ok for this long."""


class ScalingPolicySpec(DocumentModel):
    """What a policy consists of."""

    rules: Annotated[tuple[RuleItem, ...], Field(min_length=1)]
    """The highest count that any of them asks for wins."""
    scale_to_zero: ScaleToZeroPolicy | None = None
    """Allows zero, together with `minReplicas: 0`."""
    behavior: Annotated[Behavior, EmptyIfNull] = Behavior()
    """autoscaling/v2's block, as an HPA has it."""

    @property
    def compiled_rules(self) -> tuple[Rule, ...]:
        """The rules, as the engine knows them; not yet bound to a target."""
        return cast("tuple[Rule, ...]", self.rules)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        counts = Counter(rule.name for rule in self.compiled_rules)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"two rules are called {listed(twice)}: give each a `name` of its own")
        return self


class ScalingPolicy(Document):
    """How to scale, apart from what is scaled."""

    kind: Literal["ScalingPolicy"] = "ScalingPolicy"
    spec: ScalingPolicySpec
