"""The total rate of a ServeGen model by windows: `model,window_start_s,rps,active_clients,rate_weighted_cv`.

Each window is played by its number of active clients, with an equal share of the rate and Gamma gaps of the window's CV
each: played by one client, a CV that is an average over clients would make the total far too bursty. alibaba/ServeGen,
Apache-2.0; Xiang et al., 2025.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.canonical import unused
from autoscaler.traces.recorded import WindowRates
from autoscaler.traces.table import line_of, number, read_table, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.traces.trace import Floats

_MODEL, _START, _RATE = "model", "window_start_s", "rps"
_COLUMNS = (
    number(_START, "seconds"),
    number(_RATE, "requests per second"),
    whole("active_clients"),
    number("rate_weighted_cv", "1"),
)
_WINDOW_SECONDS = 600.0
_CVS = (0.05, 10.0)
"""Beyond these the CV of a window of so few requests says nothing."""


def recognises(header: tuple[str, ...]) -> bool:
    """Return whether a file with this header is meant to be of this format."""
    return _START in header and _RATE in header


def parse(path: object, text: str) -> WindowRates:
    """Return the rates.

    Raises:
        TraceError: naming line, column and value; or the file holds several models.
    """
    (starts, rates, clients, cvs), unknown = read_table(path, text, _COLUMNS, (_MODEL,))
    _check_models(path, text)
    widths = window_widths(starts, lambda row: f"{path}: line {line_of(text, row)}, column {_START}")
    capped = int(((cvs > _CVS[1]) & (rates > 0)).sum())
    notes = unused(unknown)
    if capped:
        notes = (*notes, f"the CV of {capped} windows is above {_CVS[1]:g} and is taken for {_CVS[1]:g}")
    # a window without requests may say 0, which no gaps have
    shown_cvs = np.where(cvs > 0, np.clip(cvs, *_CVS), 1.0)
    return WindowRates(str(path), starts - starts[0], widths, rates * widths, clients, shown_cvs, notes)


def window_widths(starts: Floats, where: Callable[[int], str]) -> Floats:
    """Return how long each window lasts: to the next one's start, the last one as long as the one before.

    `where` says where a row, counted from 0, stands.

    Raises:
        TraceError: a window does not start after the one before.
    """
    steps = np.diff(starts)
    falls = np.flatnonzero(steps <= 0)
    if len(falls):
        row = int(falls[0]) + 1
        found = f"{starts[row - 1]:g} (found {starts[row]:g})"
        raise TraceError(f"{where(row)}: must be after the row above, {found}; sort the rows by it")
    return np.append(steps, steps[-1] if len(steps) else _WINDOW_SECONDS)


def _check_models(path: object, text: str) -> None:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    first = None
    for row in reader:
        first = row.get(_MODEL) if first is None else first
        if row.get(_MODEL) != first:
            raise TraceError(
                f"{path}: line {reader.line_num}, column {_MODEL}: must be the same in all rows, {first!r} "
                f"(found {row.get(_MODEL)!r}): make one file for each model"
            )
