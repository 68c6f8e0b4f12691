"""The model of a replica that validation starts from: no front end, no limits, room for everything."""

from __future__ import annotations

import math

from autoscaler.simulator import kernel
from autoscaler.simulator.layout import UNLIMITED, Model, histogram_bounds

BOUNDS = histogram_bounds((1.0,), (1.0,), (1.0,))


def plain_model(**changes):
    """Return an H100 with Llama-3.1-8B (measured coefficients), first come first served, without any limit."""
    model = Model(
        base_seconds=6.42e-3,
        prefill_seconds=19.6e-6,
        sequence_seconds=4e-6,
        context_seconds=5e-8,
        square_seconds=0.0,
        hinge_tokens=-1,
        front_seconds=0.0,
        back_seconds=0.0,
        token_seconds=0.0,
        max_sequences=256,
        budget_tokens=8192,
        kv_tokens=10**9,
        conservative=False,
        longest_tokens=10**9,
        router=kernel.ROUND_ROBIN,
        queue_limit=UNLIMITED,
        gateway_limit=UNLIMITED,
        timeout_seconds=math.inf,
        bounds=BOUNDS,
    )
    return model._replace(**changes)
