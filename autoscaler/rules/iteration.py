"""How long an iteration of an inference server takes, as a person states it."""

from __future__ import annotations

from autoscaler.rules.base import NotNegative, Parameters, Positive


class Iteration(Parameters):
    """How long an iteration of the backend takes: `t = a + b·prefill + c·batch + d·context`, in milliseconds."""

    base_ms: Positive
    """What every iteration takes, whatever it does: a."""
    prompt_token_ms: NotNegative
    """Per token of a prompt that is read: b."""
    sequence_ms: NotNegative
    """Per request in the batch: c."""
    context_token_ms: NotNegative
    """Per token of context in the batch: d."""
