"""What requests are promised, and what serves them: the same words for a live target and for a Scenario."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from autoscaler.documents.base import DocumentModel, Positive
from autoscaler.documents.wording import close_match, listed
from autoscaler.rules.iteration import Iteration  # noqa: TC001 - pydantic reads it
from autoscaler.rules.replica_presets import PRESETS


class Objective(DocumentModel):
    """What a request must meet; rejected, timed out or unfinished is missed."""

    ttft_seconds: Positive = 2.0
    """Time to first token."""
    tpot_seconds: Positive = 0.05
    """Time per output token after the first."""


class TargetReplica(DocumentModel):
    """What one replica is, so that rules know how much it can do: a preset, or iteration times of its own."""

    preset: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """GPU and model by name, as `autoscaler simulate --list-presets` lists them."""
    iteration: Iteration | None = None
    """How long an iteration takes, in place of a preset: for a GPU, a model or an engine that has none."""

    @field_validator("preset")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in PRESETS:
            raise ValueError(f"must be one of {listed(PRESETS)}{close_match(name, PRESETS)}")
        return name

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.preset is None) == (self.iteration is None):
            found = "neither" if self.preset is None else "both"
            raise ValueError(f"needs exactly one of `preset` and `iteration`, and has {found}")
        return self
