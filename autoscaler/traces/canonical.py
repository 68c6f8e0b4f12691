"""The canonical trace: a CSV with the header `arrival_seconds,prompt_tokens,output_tokens[,model,tenant]`.

Rows stand in order of arrival: one that is out of order is an error and not sorted away, for in our own format it means
that something went wrong where it was written.
"""

from __future__ import annotations

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.table import line_of, number, read_table, tokens
from autoscaler.traces.trace import Trace

ARRIVAL = "arrival_seconds"
COLUMNS = (number(ARRIVAL, "seconds"), tokens("prompt_tokens"), tokens("output_tokens"))
OPTIONAL = ("model", "tenant")


def recognises(header: tuple[str, ...]) -> bool:
    """Return whether a file with this header is meant to be of this format."""
    return ARRIVAL in header


def parse(path: object, text: str) -> Trace:
    """Return the trace.

    Raises:
        TraceError: naming line, column and value.
    """
    (arrivals, prompts, outputs), unknown = read_table(path, text, COLUMNS, OPTIONAL)
    falls = np.flatnonzero(np.diff(arrivals) < 0)
    if len(falls):
        row = int(falls[0]) + 1
        raise TraceError(
            f"{path}: line {line_of(text, row)}, column {ARRIVAL}: must not be before the row above, "
            f"{arrivals[row - 1]:g} (found {arrivals[row]:g}); sort the rows by it"
        )
    return Trace(str(path), arrivals, prompts, outputs, unused(unknown))


def unused(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the notes on columns that are not used."""
    return tuple(f"column {name} is not used" for name in names)
