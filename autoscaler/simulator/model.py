"""From a preset and a scenario's choices to the kernel's model of a replica."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoscaler.errors import UsageError
from autoscaler.simulator import kernel
from autoscaler.simulator.arrays import histogram_bounds
from autoscaler.simulator.buckets import BUCKETS
from autoscaler.simulator.layout import UNLIMITED, Model
from autoscaler.simulator.presets import PRESETS

ROUTERS = {
    "RoundRobin": kernel.ROUND_ROBIN,
    "LeastOutstanding": kernel.LEAST_OUTSTANDING,
    "PowerOfTwo": kernel.POWER_OF_TWO,
    "KvAware": kernel.KV_AWARE,
}


@dataclass(frozen=True, slots=True)
class Serving:
    """How the engine, the router and the clients behave around a preset."""

    router: str = "LeastOutstanding"
    """`RoundRobin`, `LeastOutstanding`, `PowerOfTwo` or `KvAware`: the fewest prompt tokens, waiting and running."""
    router_staleness_seconds: float = 0.0
    """The router sees the replicas as they were at the last multiple of this."""
    max_sequences: int = 256
    budget_tokens: int = 8192
    """Tokens per iteration: vLLM's `max_num_batched_tokens`."""
    conservative: bool = False
    """Admit only what fits with its whole output, known in advance; else optimistic, with preemption."""
    queue_limit: int | None = None
    """Requests that may wait at one replica."""
    gateway_limit: int | None = None
    """Requests that may wait at the gateway while nothing is ready."""
    client_timeout_seconds: float | None = None
    """How long a client waits to be admitted."""
    retries: int = 0
    """How often a client tries again after a rejection, a timeout or a failure."""
    retry_after_seconds: float = 1.0
    """How long it waits before."""
    slow_start_factor: float = 1.0
    """Iterations of a fresh replica take so many times as long..."""
    slow_start_seconds: float = 0.0
    """...for so long after Ready."""
    hinge_tokens: int | None = None
    """Tokens per iteration that cost nothing beyond the base; None for the plain linear form, which presets fit."""
    square_ms: float = 0.0
    """Per squared prompt token: for prompts of more than about 8 k."""
    front_seconds: float = 0.012
    """Front-end time in front of the first token. Source of the three: BLIS's fit to vLLM, and our runs of a 7B."""
    back_seconds: float = 0.0008
    token_seconds: float = 46e-6
    backend: str = "vllm"
    """Whose histogram buckets the metrics have."""


_PLAIN = Serving()


def replica_model(preset_name: str, serving: Serving = _PLAIN) -> Model:
    """Return the model of one replica of a preset.

    Raises:
        UsageError: no such preset, or the token budget leaves no room for prompts beside a full batch.
    """
    if preset_name not in PRESETS:
        raise UsageError(f"preset {preset_name!r}: must be one of {', '.join(PRESETS)}")
    if not 0 < serving.max_sequences < serving.budget_tokens:
        allowed = f"must be at least 1 and below the token budget {serving.budget_tokens}"
        raise UsageError(f"maximum sequences {serving.max_sequences}: {allowed}")
    preset = PRESETS[preset_name]
    return Model(
        preset.base_ms / 1e3,
        preset.prefill_ms / 1e3,
        preset.sequence_ms / 1e3,
        preset.context_ms / 1e3,
        serving.square_ms / 1e3,
        -1 if serving.hinge_tokens is None else serving.hinge_tokens,
        serving.front_seconds,
        serving.back_seconds,
        serving.token_seconds,
        serving.max_sequences,
        serving.budget_tokens,
        preset.kv_tokens,
        serving.conservative,
        min(preset.context_tokens, preset.kv_tokens),
        ROUTERS[serving.router],
        UNLIMITED if serving.queue_limit is None else serving.queue_limit,
        UNLIMITED if serving.gateway_limit is None else serving.gateway_limit,
        math.inf if serving.client_timeout_seconds is None else serving.client_timeout_seconds,
        histogram_bounds(*BUCKETS[serving.backend]),
        serving.retries,
        float(serving.retry_after_seconds),
        float(serving.router_staleness_seconds),
        float(serving.slow_start_factor),
        float(serving.slow_start_seconds),
    )
