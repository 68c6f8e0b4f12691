"""The GPU, the model and the server that the sandbox pretends to have: the simulator's presets, and where they stop."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.simulator.coldstart import COLD_STARTS, draws
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.simulator.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator

PRESET = PRESETS["l40s-llama-3.1-8b"]
MODEL = PRESET.model
GPU = "NVIDIA L40S"
HARDWARE = f"{MODEL} on L40S"
_COLD_START = COLD_STARTS["warm"]
COLD_START_SECONDS = _COLD_START.median_seconds
"""A warm node with the image and the weights cached."""
_MAX_SEQUENCES = 32
"""As vLLM's `--max-num-seqs 32`, which many set for latency's sake: beyond it, requests wait."""


def cold_starts(seed: int, ready: int) -> Iterator[float]:
    """Yield the start-up seconds of one replica after the other; the first `ready` are there from the beginning."""
    return chain(repeat(0.0, ready), draws(_COLD_START, np.random.default_rng((seed, 1))))


def kernel(seed: int, ready: int, backend: str = "vllm") -> SimulatedFleet:
    """Return the fleet in plain Python: it does tens of thousands of requests a second, and needs no compiler."""
    model = replica_model(PRESET.name, Serving(max_sequences=_MAX_SEQUENCES, backend=backend))
    return SimulatedFleet(model, cold_starts(seed, ready), seed=seed)
