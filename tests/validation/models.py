"""The model of a replica that validation starts from: no front end, no limits, room for everything."""

from __future__ import annotations

import math

from autoscaler.simulator import kernel
from autoscaler.simulator.arrays import histogram_bounds
from autoscaler.simulator.model import replica_model

BOUNDS = histogram_bounds((1.0,), (1.0,), (1.0,))


def plain_model(**changes):
    """Return an H100 with Llama-3.1-8B (measured coefficients), first come first served, without any limit."""
    plain = {
        "front_seconds": 0.0,
        "back_seconds": 0.0,
        "token_seconds": 0.0,
        "kv_tokens": 10**9,
        "longest_tokens": 10**9,
        "router": kernel.ROUND_ROBIN,
        "timeout_seconds": math.inf,
        "bounds": BOUNDS,
    }
    return replica_model("h100-llama-3.1-8b")._replace(**(plain | changes))
