"""The canonical trace: a CSV with the header `arrival_seconds,prompt_tokens,output_tokens[,model,tenant]`.

Rows stand in order of arrival: one that is out of order is an error and not sorted away, for in our own format it means
that something went wrong where it was written.
"""

from __future__ import annotations

import math

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.table import Column, line_of, read_table, tokens
from autoscaler.traces.trace import Trace

ARRIVAL = "arrival_seconds"
_OPTIONAL = ("model", "tenant")


def _parse_arrival(text: str) -> float:
    value = float(text)
    if "_" in text or not (math.isfinite(value) and value >= 0):
        raise ValueError(text)
    return value


_COLUMNS = (
    Column(
        ARRIVAL,
        "f8",
        _parse_arrival,
        "a finite number of seconds, 0 or more",
        lambda values: bool((np.isfinite(values) & (values >= 0)).all()),
    ),
    tokens("prompt_tokens"),
    tokens("output_tokens"),
)


def recognises(header: tuple[str, ...]) -> bool:
    """Return whether a file with this header is meant to be of this format."""
    return ARRIVAL in header


def parse(path: object, text: str) -> Trace:
    """Return the trace.

    Raises:
        TraceError: naming line, column and value.
    """
    (arrivals, prompts, outputs), unknown = read_table(path, text, _COLUMNS, _OPTIONAL)
    falls = np.flatnonzero(np.diff(arrivals) < 0)
    if len(falls):
        row = int(falls[0]) + 1
        raise TraceError(
            f"{path}: line {line_of(text, row)}, column {ARRIVAL}: must not be before the row above, "
            f"{arrivals[row - 1]:g} (found {arrivals[row]:g}); sort the rows by it"
        )
    notes = tuple(f"column {name} is not used" for name in unknown)
    return Trace(str(path), arrivals.astype(np.float64), prompts.astype(np.int32), outputs.astype(np.int32), notes)
