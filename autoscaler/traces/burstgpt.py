"""BurstGPT: `Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type`, whole seconds from the start.

A request without response tokens has failed: nothing says how long its answer would have been, so it is left out, with
a note. Newer releases add columns. HPMLL/BurstGPT, CC-BY-4.0.
"""

from __future__ import annotations

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.azure import SORTED
from autoscaler.traces.canonical import unused
from autoscaler.traces.table import number, read_table, tokens
from autoscaler.traces.trace import Trace

_NAMES = ("Timestamp", "Request tokens", "Response tokens")
_COLUMNS = (number(_NAMES[0], "seconds"), *map(tokens, _NAMES[1:]))
_OPTIONAL = ("Model", "Total tokens", "Log Type", "Session ID", "Elapsed time")


def recognises(header: tuple[str, ...]) -> bool:
    """Return whether a file with this header is meant to be of this format."""
    return "Request tokens" in header or "Response tokens" in header


def parse(path: object, text: str) -> Trace:
    """Return the requests that were answered, from the first stamp on.

    Raises:
        TraceError: naming line, column and value; or no request was answered.
    """
    (moments, prompts, outputs), unknown = read_table(path, text, _COLUMNS, _OPTIONAL)
    moments -= moments.min()
    grid_seconds = 1.0 if (moments == np.rint(moments)).all() else 0.0
    trace = Trace(str(path), moments, prompts, outputs, unused(unknown), grid_seconds=grid_seconds)
    answered = outputs > 0
    failed = len(outputs) - int(answered.sum())
    if failed == len(outputs):
        raise TraceError(f"{path}: column Response tokens: must not be 0 in every row: no request was answered")
    if failed:
        trace = trace.take(answered).noted(f"{failed} failed requests (no response tokens) are left out")
    return trace.ordered(SORTED)
