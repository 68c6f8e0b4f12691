"""A lower bound on the GPU-hours that any scaler needs to meet the objective on a trace.

It is the value of a linear program over windows of equal length (`bound_program`). Whatever a scaler does, even one
that knows the future, what it does is a feasible point of that program whose cost is no more than its bill. Step by
step, for a run of the simulator in which a share `attainment` of all requests meets the objective:

1. Let R(t) replicas serve at t (ready or draining), and N_k be its mean over window k of length T. Between its first
   chunk and its last token a request that meets the objective takes part in iterations of replicas that serve.
   Iterations of one replica do not overlap, so in any window all iterations together take no longer than T·N_k.
2. An iteration takes at least its base plus what each request in it adds, and its base is at least the sum of the
   shares that the requests which meet the objective take of it (`bound_demand`). So it can be cut up among those
   requests: each gets at least its work, and the cuts of one window fit into T·N_k.
3. The cuts of a request lie between its arrival and its deadline: an iteration that holds a chunk of its prompt
   begins after its arrival and ends no later than its first token, and so for output tokens. A window that they touch
   counts as whole, which only makes room.
4. The bill is the time of all replicas, starting ones included: at least the integral of R, and for each start that
   became ready the shortest cold start D before that. `sum max(0, N_k - N_(k-1))` is no more than the number of those
   starts: N_k - N_(k-1) is the mean over s in [0, T) of R(kT + s) - R(kT - T + s), which is at most the starts in
   between, and for one s these stretches do not overlap. The first is compared with the count of the beginning.
   Nothing that is started is ready before D.
5. Where a scaler begins with `minimum_replicas` or more and must keep so many, starting ones included, the bill is at
   least that of max(R, minimum): those that start while R is below the minimum are billed as if they served, and none
   of them makes max(R, minimum) rise.
6. At most `requests - ceil(attainment · requests)` requests miss. The program chooses which, in fractions, and a
   request given up frees what the dearest of its class takes; those that no fleet could serve in time are taken off
   that number first. Requests that miss may also be served; that takes time and frees none.
7. What the program leaves out only lowers it: replicas are whole; routers do not know the future; a replica computes
   what its own requests need; batches form in order; scalers act at ticks; work is lost to preemption.

Not among the steps is the popular `work fits into N·(1 - a/tpot)`: iterations need not be short on average over time,
only over each request's tokens, and a replica may prefill while none of its requests decodes.

Cold starts that are drawn have no shortest one. With that of the first thousand (`shortest_start_seconds`) the bound
holds for all that starts no more than a thousand replicas.

A second bound covers sparse traffic, where fractions of a replica are worth little (`bound_presence`); the higher one
counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.errors import UsageError
from autoscaler.experiments.bound_demand import SLACK_SECONDS
from autoscaler.experiments.bound_jobs import Grid, Span, calls, gather
from autoscaler.experiments.bound_presence import presence_seconds
from autoscaler.experiments.bound_program import Fleet, solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.experiments.bound_presence import Calls
    from autoscaler.experiments.scene import Objective, Scene
    from autoscaler.simulator.layout import Model
    from autoscaler.traces.trace import Trace


_FEW_REQUESTS = 100_000


class Bound(NamedTuple):
    """What any scaler needs at the least."""

    gpu_hours: float
    """Infinity if no scaler can meet the objective."""
    status: str
    """`optimal`; `coarse` where time ran out and fewer windows had to do; `failed` where no program was solved, and
    only what needs none is left; `unattainable`."""
    seconds: float
    """Wall time, by the caller's timer."""
    windows: int = 0
    """Of the program that was solved; 0 for none."""


def bound_gpu_hours(
    trace: Trace,
    model: Model,
    objective: Objective,
    *,
    cold_start_seconds: float,
    horizon_seconds: float,
    gpus_per_replica: int = 1,
    attainment: float = 0.99,
    initial_replicas: int = 0,
    minimum_replicas: int = 0,
    windows: int | None = None,
    seconds_limit: float = 60.0,
    timer: Callable[[], float] = lambda: 0.0,
) -> Bound:
    """Return a lower bound on the GPU-hours of every run on this trace that meets the objective.

    `cold_start_seconds` is the shortest cold start there is; the replicas of the beginning are ready at once. More
    `windows` make the bound tighter, most of all for bursty traffic, and dearer to find; None for as many as are found
    in a second or so. `seconds_limit` is for each attempt to solve the program; the next one has a quarter of the
    windows.

    Raises:
        UsageError: scipy is not installed, or a number is out of its range.
    """
    windows = _windows(len(trace.arrival_seconds), horizon_seconds) if windows is None else windows
    _check(cold_start_seconds, horizon_seconds, attainment, windows)
    began = timer()
    span = Span(0.0 if initial_replicas else cold_start_seconds, horizon_seconds)
    present = calls(trace, model, objective, span)
    impossible = len(trace.arrival_seconds) - len(present.arrival)
    allowed = allowed_misses(len(trace.arrival_seconds), attainment) - impossible
    if allowed < 0:
        return Bound(math.inf, "unattainable", timer() - began)
    fleet = Fleet(cold_start_seconds, initial_replicas, min(minimum_replicas, initial_replicas))
    floor = _least_seconds(present, objective, fleet, horizon_seconds, allowed)
    if not len(present.arrival):
        return Bound(floor * gpus_per_replica / 3600, "optimal", timer() - began)

    def solution(grid: Grid) -> float | None:
        return solve(gather(trace, model, objective, span, grid), grid, fleet, allowed, seconds_limit)

    solved = _replica_seconds(solution, horizon_seconds, windows)
    floor = max(floor, solved.replica_seconds)
    status = "unattainable" if floor == math.inf else solved.status
    return Bound(floor * gpus_per_replica / 3600, status, timer() - began, solved.windows)


class _Solved(NamedTuple):
    """What the first program says that is solved in time."""

    replica_seconds: float
    status: str
    windows: int


def _replica_seconds(solution: Callable[[Grid], float | None], horizon_seconds: float, windows: int) -> _Solved:
    """Return the replica seconds of a program with as many windows as can be solved; 0 where none can."""
    for count in (windows, windows // 4, windows // 16):
        grid = Grid(horizon_seconds / max(1, count), max(1, count))
        found = solution(grid)
        if found is not None:
            return _Solved(found * grid.window_seconds, "optimal" if count == windows else "coarse", grid.windows)
    return _Solved(0.0, "failed", 0)


def _least_seconds(present: Calls, objective: Objective, fleet: Fleet, horizon_seconds: float, allowed: int) -> float:
    """Return the replica seconds that are needed without any program: by the minimum, else for somebody to be there."""
    if fleet.minimum:
        return fleet.minimum * horizon_seconds
    wait = objective.ttft_seconds + SLACK_SECONDS
    return presence_seconds(present, wait, fleet.cold_start_seconds, allowed, manned=fleet.initial > 0)


def _windows(requests: int, horizon_seconds: float) -> int:
    """Return how many windows a program may have that is solved soon; none is shorter than a second."""
    return max(1, min(960 if requests < _FEW_REQUESTS else 320, int(horizon_seconds)))


def shortest_start_seconds(scene: Scene, starts: int = 1000) -> float:
    """Return the shortest cold start of the first so many replicas that a scene starts after the beginning."""
    nobody = scene._replace(trace=scene.trace.take(slice(0)))
    fleet = nobody.fleet(None)
    fleet.scale_to(scene.course.initial_replicas + starts, 0.0)
    return min(replica.ready_at for replica in fleet.replicas()[scene.course.initial_replicas :])


def allowed_misses(requests: int, attainment: float) -> int:
    """Return how many requests may miss."""
    return math.floor((1.0 - attainment) * requests + 1e-6)


def _check(cold_start_seconds: float, horizon_seconds: float, attainment: float, windows: int) -> None:
    if not 0 <= cold_start_seconds < math.inf:
        raise UsageError(f"cold start {cold_start_seconds} s: must be a finite time, not negative")
    if not 0 < horizon_seconds < math.inf:
        raise UsageError(f"horizon {horizon_seconds} s: must be a finite time above 0")
    if not 0 <= attainment <= 1:
        raise UsageError(f"attainment {attainment}: must be a share from 0 to 1")
    if windows < 1:
        raise UsageError(f"windows {windows}: must be at least 1")
