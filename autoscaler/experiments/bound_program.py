"""The linear program behind the bound, and a value that is a lower bound however well it was solved.

Variables, per window k of length T: `N_k`, the replicas that serve on average; `s_k`, how far that is above the window
before; `u_kj`, the work done in k of what is due in window j; `r_kj`, what of it is left after k; per class, `x` and
`z`, the prefill and the decoding given up. In units of one replica for one window:

    minimise    sum N_k + (D / T)·sum s_k
    such that   N_k - N_(k-1) <= s_k                          N_(-1) is the count of the beginning
                sum over j of u_kj <= N_k
                r_(k-1)j + arriving_kj - given up_kj <= u_kj + r_kj,    r_jj = 0
                sum (x + z) / (work of the class's dearest request) <= allowed misses
                x and z no more than the class's work
                0 <= everything <= what an optimal solution never exceeds

The value is taken from the dual: for any multipliers y >= 0 of the rows `A·x <= b`, no feasible x costs less than
`-y·b + sum over columns of min((c + A'y)·x over its box)`. So the solver's tolerances cannot put the result above
the truth.
"""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from autoscaler.experiments.bound_jobs import Classes, Grid
    from autoscaler.simulator.layout import Floats, Integers

_OPTIMAL, _INFEASIBLE = 0, 2
"""scipy's status."""
_FINE_LAGS = 8
"""Deadlines this many windows ahead are kept; later ones are put off to a grid that coarsens with their distance."""


class Fleet(NamedTuple):
    """What the scenario says of replicas."""

    cold_start_seconds: float
    initial: int
    minimum: int


class _Rows:
    """Entries of a sparse matrix, row block by row block."""

    def __init__(self) -> None:
        self.count = 0
        self._entries: list[tuple[Integers, Integers, Floats]] = []
        self._limits: list[Floats] = []

    def add(self, limits: Floats, *entries: tuple[Integers, Integers, Floats | float]) -> None:
        """Append rows `entries <= limits`; each entry is (row within the block, column, coefficient)."""
        for row, column, value in entries:
            self._entries.append((row + self.count, column, np.broadcast_to(value, row.shape)))
        self._limits.append(limits)
        self.count += len(limits)

    def matrix(self, columns: int) -> tuple[Any, Floats]:
        """Return the matrix and the limits."""
        rows, places, values = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        sparse: Any = importlib.import_module("scipy.sparse")
        return sparse.csr_array((values, (rows, places)), shape=(self.count, columns)), np.concatenate(self._limits)


class _Cells(NamedTuple):
    """The pairs (window, deadline) in which work can be done, ordered by deadline, then window."""

    window: Integers
    deadline: Integers
    first: Integers
    """By deadline: the place of its first cell."""
    release: Integers
    """By deadline: its first window."""

    def place(self, window: Integers, deadline: Integers) -> Integers:
        """Return the cells of pairs."""
        return np.asarray(self.first[deadline] + window - self.release[deadline])


def solve(classes: Classes, grid: Grid, fleet: Fleet, allowed_misses: int, seconds_limit: float) -> float | None:
    """Return a lower bound on the replicas times windows that serve all classes but `allowed_misses` requests.

    Infinity if nothing does; None if the solver had no answer in time.

    Raises:
        UsageError: scipy is not installed.
    """
    try:
        optimize: Any = importlib.import_module("scipy.optimize")
    except ImportError as error:
        raise UsageError("the lower bound needs scipy: install the extra `sim`") from error
    cost, matrix, limits, boxes = _program(classes, grid, fleet, allowed_misses)
    options = {"time_limit": seconds_limit}
    result = optimize.linprog(cost, matrix, limits, bounds=boxes, method="highs-ds", options=options)
    if result.status == _INFEASIBLE:
        return math.inf
    if result.status != _OPTIMAL:
        return None
    multipliers = np.maximum(0.0, -result.ineqlin.marginals)
    return max(0.0, _dual_value(multipliers, cost, matrix, limits, boxes))


def _dual_value(multipliers: Floats, cost: Floats, matrix: Any, limits: Floats, boxes: Floats) -> float:  # noqa: ANN401
    """Return the weak-duality bound of any multipliers that are not negative, less the rounding of its sums."""
    reduced = cost + matrix.T @ multipliers
    terms = np.where(reduced > 0, reduced * boxes[:, 0], reduced * boxes[:, 1])
    value = float(terms.sum() - multipliers @ limits)
    size = float(np.abs(terms).sum() + np.abs(multipliers * limits).sum())
    return value - 1e-12 * size


def _program(classes: Classes, grid: Grid, fleet: Fleet, allowed_misses: int) -> tuple[Floats, Any, Floats, Floats]:
    """Return cost, matrix, limits and boxes; columns: N, s, u, r, x."""
    windows, unit = grid.windows, grid.window_seconds
    parts = [part._replace(deadline=put_off(part.release, part.deadline, windows)) for part in classes[1:3]]
    cells = _cells(parts, windows)
    count, drops = len(cells.window), len(classes.dearest)
    work_at, left_at, drop_at = 2 * windows, 2 * windows + count, 2 * windows + 2 * count
    columns = drop_at + 2 * drops
    rows = _Rows()
    each, later = np.arange(windows), np.arange(1, windows)
    rows.add(
        np.concatenate([[float(fleet.initial)], np.zeros(windows - 1)]),
        (each, each, 1.0), (each, windows + each, -1.0), (later, later - 1, -1.0),
    )  # fmt: skip
    every = np.arange(count)
    rows.add(np.zeros(windows), (cells.window, work_at + every, 1.0), (each, each, -1.0))
    arriving = np.zeros(count)
    releases = []
    given_up = drop_at + np.arange(2 * drops).reshape(2, drops)
    for part, column in zip(parts, given_up, strict=True):
        place = cells.place(part.release, part.deadline)
        np.add.at(arriving, place, part.seconds / unit)
        releases.append((place, column, -1.0))
    carried = np.flatnonzero(cells.window < cells.deadline)
    rows.add(
        -arriving, (every, work_at + every, -1.0), (carried, left_at + carried, -1.0),
        (carried + 1, left_at + carried, 1.0), *releases,
    )  # fmt: skip
    per_miss = unit / np.maximum(classes.dearest, 1e-12)
    rows.add(np.array([float(allowed_misses)]), *((np.zeros(drops, np.int64), each, per_miss) for each in given_up))
    matrix, limits = rows.matrix(columns)
    cost = np.zeros(columns)
    cost[:windows] = 1.0
    cost[windows:work_at] = fleet.cold_start_seconds / unit
    boxes = np.zeros((columns, 2))
    due = np.bincount(cells.deadline, arriving, minlength=windows)
    most = max(float(fleet.initial), float(fleet.minimum), float(np.bincount(cells.window, due[cells.deadline]).max()))
    boxes[:windows, 0] = fleet.minimum
    boxes[:work_at, 1] = most
    _close(boxes, grid, fleet)
    boxes[work_at:left_at, 1] = due[cells.deadline]
    boxes[left_at + carried, 1] = due[cells.deadline][carried]
    boxes[drop_at:, 1] = np.concatenate([part.seconds / unit for part in parts])
    return cost, matrix, limits, boxes


def _close(boxes: Floats, grid: Grid, fleet: Fleet) -> None:
    """Bound the replicas of the windows that are over before a replica that starts at once is ready."""
    closed = int(fleet.cold_start_seconds // grid.window_seconds)
    boxes[:closed, 1] = np.minimum(boxes[:closed, 1], fleet.initial)
    boxes[:closed, 0] = np.minimum(boxes[:closed, 0], boxes[:closed, 1])


def put_off(release: Integers, deadline: Integers, windows: int) -> Integers:
    """Return deadlines rounded up to a grid as coarse as they are far ahead."""
    lag = np.maximum(1, (deadline - release) // _FINE_LAGS)
    step = 2 ** (np.frexp(lag.astype(np.float64))[1] - 1).astype(np.int64)
    return np.asarray(np.minimum(-(-deadline // step) * step, windows - 1))


def _cells(parts: list[Any], windows: int) -> _Cells:
    release = np.full(windows, windows, np.int64)
    for part in parts:
        np.minimum.at(release, part.deadline, part.release)
    length = np.maximum(0, np.arange(windows) - release + 1)
    first = np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int64)
    deadline = np.repeat(np.arange(windows), length)
    window = np.arange(len(deadline)) - first[deadline] + release[deadline]
    return _Cells(window, deadline, first, release)
