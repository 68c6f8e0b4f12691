"""A rule of your own: size by the tokens that are generated per second."""

# ruff: noqa: ANN001, ANN201, ARG002 - annotations are welcome, and need more lines than the rule
from typing import ClassVar, Literal

from autoscaler.engine.observation import SignalRequest
from autoscaler.engine.proposal import Role
from autoscaler.rules.base import Positive, RuleModel, size


class OutputTokens(RuleModel):
    """One replica for every `tokensPerSecond` that are generated."""

    type: Literal["outputTokens"] = "outputTokens"
    name: str = "outputTokens"
    tokens_per_second: Positive
    """In documents: `{type: outputTokens, tokensPerSecond: 1500}`."""

    role: ClassVar = Role.SIZE
    needs: ClassVar = (SignalRequest("tokenRate"),)

    def propose(self, observation, fleet, memory, now):
        """Return tokens per second / what one replica generates, and the memory as it was."""
        return size(observation.signals, "tokenRate", self.tokens_per_second), memory
