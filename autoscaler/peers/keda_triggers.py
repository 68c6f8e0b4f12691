"""What a ScaledObject is made of: triggers, the formula over them, and the fallback."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from autoscaler.peers.base import Finite, ParametersModel, Positive, Replicas, SignalKey
from autoscaler.peers.keda_cron import is_open
from autoscaler.peers.keda_fallback import FallbackBehavior
from autoscaler.peers.keda_formula import parse
from autoscaler.quantities import CronText, ZoneName  # noqa: TC001 - pydantic reads them

if TYPE_CHECKING:
    from typing import Self

    from autoscaler.peers.keda_formula import Node


class CronWindow(ParametersModel):
    """The metadata of a cron trigger."""

    timezone: ZoneName
    start: CronText
    end: CronText
    desired_replicas: Replicas
    """While the window is open; 1 is asked for while it is closed."""

    @model_validator(mode="after")
    def _opens_and_closes(self) -> Self:
        if self.start.split() == self.end.split():
            raise ValueError(f"start and end must differ, and both are {self.start!r}")
        return self

    def is_open(self, now: float) -> bool:
        """Return whether the window is open at `now` (UTC epoch seconds)."""
        return is_open(self.start, self.end, self.timezone, now)


class Trigger(ParametersModel):
    """One entry of `spec.triggers`: a query, a window of the clock, or the utilization of a resource."""

    signals: tuple[SignalKey, ...] = ()
    """Of a query or a resource."""
    type: Literal["prometheus", "cron", "cpu", "memory"] = "prometheus"
    """A resource is left to the HPA alone: it neither wakes nor keeps awake."""
    name: str = ""
    """By which a formula knows it."""
    cron: CronWindow | None = None
    """Of a trigger of type cron."""
    threshold: Positive = 1.0
    """Of the value; percent of the request for a resource. Required, but for cron: its value is a count."""
    activation_threshold: Finite = 0.0
    """Active while the value is above it."""
    metric_type: Literal["AverageValue", "Value"] = "AverageValue"
    ignore_null_values: bool = True
    scale: Positive = 1.0
    """What the query's own unit was multiplied with to give the signal's: a formula sees the query's own."""

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        of_query = {"signals", "threshold"}
        needed, alien = ({"cron"}, {*of_query, "metric_type"}) if self.type == "cron" else (of_query, {"cron"})
        lacking = sorted(needed - self.model_fields_set) or ([] if self.signals or self.cron else ["a signal"])
        if lacking:
            raise ValueError(f"a trigger of type {self.type} needs {', '.join(lacking)}")
        if more := sorted(alien & self.model_fields_set):
            raise ValueError(f"a trigger of type {self.type} has no {', '.join(more)}")
        return self

    @property
    def is_resource(self) -> bool:
        """Whether the HPA reads it, and KEDA does not."""
        return self.type in ("cpu", "memory")

    def is_active(self, value: float | None, now: float) -> bool:
        """Return whether it keeps the target awake: its window is open, or its value above the threshold."""
        if self.cron is not None:
            return self.cron.is_open(now)
        return value is not None and value > self.activation_threshold


class Modifiers(ParametersModel):
    """`spec.advanced.scalingModifiers`: one metric made of all triggers but the resources."""

    formula: Annotated[str, Field(strict=True, min_length=1)]
    target: Positive
    activation_target: Finite = 0.0
    """Active while the formula's value is above it."""
    metric_type: Literal["AverageValue", "Value"] = "AverageValue"

    @field_validator("formula")
    @classmethod
    def _is_read(cls, text: str) -> str:
        parse(text)
        return text

    @cached_property
    def parsed(self) -> Node:
        """The formula."""
        return parse(self.formula)


class FallbackModel(ParametersModel):
    """`spec.fallback`."""

    failure_threshold: Annotated[int, Field(strict=True, ge=0)]
    replicas: Annotated[int, Field(strict=True, ge=0)]
    behavior: FallbackBehavior = FallbackBehavior.STATIC
