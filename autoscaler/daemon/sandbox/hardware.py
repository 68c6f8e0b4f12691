"""The GPU, the model and the server that the sandbox pretends to have."""

from __future__ import annotations

from itertools import chain, count
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.kernel import LEAST_OUTSTANDING
from autoscaler.simulator.layout import UNLIMITED, Model, histogram_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "Llama-3.1-8B"
GPU = "NVIDIA L40S"
HARDWARE = "Llama-3.1-8B on L40S"
COLD_START_SECONDS = 80.0
"""A warm node with the image and the weights cached."""
_COLD_START_SIGMA = 0.15
_MILLISECOND = 1e-3
_FIRST_TOKEN_BOUNDS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5),
    *(10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
_TOTAL_BOUNDS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
"""vLLM's buckets, in seconds: vllm-project/vllm `vllm/v1/metrics/loggers.py`."""


def model() -> Model:
    """Return an L40S with Llama-3.1-8B, served with `--max-num-seqs 32`.

    Coefficients in ms: 22.0 a step, 0.0613 a prompt token, 0.041 a request, 0.000194 a token of context; composed from
    measured kernels (MAPE 5 to 6 % against composed steps).
    """
    return Model(
        base_seconds=22.0 * _MILLISECOND,
        prefill_seconds=0.0613 * _MILLISECOND,
        sequence_seconds=0.041 * _MILLISECOND,
        context_seconds=1.94e-4 * _MILLISECOND,
        square_seconds=0.0,
        hinge_tokens=-1,
        front_seconds=0.015,
        back_seconds=0.0008,
        token_seconds=4.6e-5,
        max_sequences=32,
        budget_tokens=8192,
        kv_tokens=195_000,
        conservative=False,
        longest_tokens=100_000,
        router=LEAST_OUTSTANDING,
        queue_limit=UNLIMITED,
        gateway_limit=UNLIMITED,
        timeout_seconds=inf,
        bounds=histogram_bounds(_TOTAL_BOUNDS, _FIRST_TOKEN_BOUNDS, _TOTAL_BOUNDS),
    )


def cold_starts(seed: int, ready: int) -> Iterator[float]:
    """Yield the start-up seconds of one replica after the other; the first `ready` are there from the beginning."""
    random = np.random.default_rng((seed, 1))
    return chain(
        (0.0 for _ in range(ready)),
        (float(COLD_START_SECONDS * random.lognormal(0.0, _COLD_START_SIGMA)) for _ in count()),
    )


def kernel(seed: int, ready: int) -> SimulatedFleet:
    """Return the fleet in plain Python: it does tens of thousands of requests a second, and needs no compiler."""
    return SimulatedFleet(model(), cold_starts(seed, ready), seed=seed)
