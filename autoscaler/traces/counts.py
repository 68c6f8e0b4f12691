"""Requests per minute, or per any other step: `period,count`, such as the World Cup's of 1998.

A step that is missing is not a step without requests: a short gap is filled in a straight line between its neighbours,
with a note, a long one is an error. Within a step requests come at random moments. Arlitt & Jin, 1998;
nimamahmoudi/worldcup98-dataset, MIT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.canonical import unused
from autoscaler.traces.recorded import WindowRates
from autoscaler.traces.stamps import stamps
from autoscaler.traces.table import line_of, read_table, whole

if TYPE_CHECKING:
    from autoscaler.traces.trace import Longs

_PERIOD, _COUNT = "period", "count"
_COLUMNS = (stamps(_PERIOD), whole(_COUNT))
_MINUTE = 60 * 10**9
_MOST_MISSING = 60
"""Steps in a row that are filled."""


def recognises(header: tuple[str, ...]) -> bool:
    """Return whether a file with this header is meant to be of this format."""
    return _PERIOD in header and _COUNT in header


def parse(path: object, text: str) -> WindowRates:
    """Return the counts.

    Raises:
        TraceError: naming line, column and value; or too many steps are missing.
    """
    (moments, counts), unknown = read_table(path, text, _COLUMNS)
    steps = np.diff(moments)
    step = int(steps.min()) if len(steps) else _MINUTE
    _check_steps(path, text, moments, steps, step)
    places = (moments - moments[0]) // step
    every = np.arange(places[-1] + 1)
    missing = len(every) - len(places)
    filled = np.rint(np.interp(every, places, counts))
    seconds = step / 1e9
    notes = unused(unknown)
    if missing:
        notes = (*notes, f"{missing} steps of {seconds:g} s are missing and are filled from their neighbours")
    ones = np.ones(len(every), np.int64)
    widths = np.full(len(every), seconds)
    return WindowRates(str(path), every * seconds, widths, filled, ones, ones.astype(np.float64), notes)


def _check_steps(path: object, text: str, moments: Longs, steps: Longs, step: int) -> None:
    def where(row: int) -> str:
        return f"{path}: line {line_of(text, row + 1)}, column {_PERIOD}"

    def shown(row: int) -> str:
        return str(moments[row + 1].astype("datetime64[ns]").astype("datetime64[s]")).replace("T", " ")

    if step <= 0:
        row = int(np.flatnonzero(steps <= 0)[0])
        raise TraceError(f"{where(row)}: must be after the row above (found {shown(row)}); sort the rows by it")
    off = np.flatnonzero(steps % step)
    if len(off):
        row = int(off[0])
        steps_of = f"steps of {step / 1e9:g} s"
        raise TraceError(f"{where(row)}: must be a whole number of {steps_of} after the row above (found {shown(row)})")
    gaps = np.flatnonzero(steps // step > _MOST_MISSING + 1)
    if len(gaps):
        row = int(gaps[0])
        raise TraceError(
            f"{where(row)}: must be at most {_MOST_MISSING} missing steps after the row above, which are filled from "
            f"their neighbours (found {shown(row)}, {steps[row] // step - 1} missing): split the file there"
        )
