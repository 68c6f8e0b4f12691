"""A job becomes a cell: one decider on one redraw of a scene."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.experiments.peer_contestants import contestant
from autoscaler.peers.fixed import Fixed
from benchmarks.lab.runs import run
from benchmarks.lab.scenes import scene as make_scene
from benchmarks.scoreboard.cells import BOUND, FIXED, ORACLE, OURS, UNMET, Cell, Key
from benchmarks.scoreboard.references import best_schedule, bound_after_warm_up

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from autoscaler.experiments.scene import Scene
    from autoscaler.peers.base import PeerModel
    from autoscaler.simulator.replay import Contestant
    from benchmarks.lab.runs import Result
    from benchmarks.scoreboard.cells import Store


class Job(NamedTuple):
    """A cell that is wanted."""

    key: Key
    model: PeerModel | None = None
    """Of a peer."""
    floor: int = 1
    """Its minReplicas."""
    policy: str = ""
    """Of ours: a name of the library, or a file."""


def play(job: Job) -> Cell:
    """Return the cell of a job."""
    place = scene(job.key.scene, job.key.seed, job.key.cold_start)
    if job.key.decider == BOUND:
        hours, note = bound_after_warm_up(place)
        nothing = float("nan")
        dollars = hours * place.gpu_hour_usd
        return Cell(*job.key, nothing, hours, dollars, nothing, 0, 0, 0, len(place.trace.arrival_seconds), note)
    if job.key.decider == ORACLE:
        found = best_schedule(place)
        return _cell(
            job.key, place, found.result, f"the cheapest of {found.variants} schedules" if found.met else UNMET
        )
    return _cell(job.key, place, run(place, _contestant(job, place)))


@lru_cache(maxsize=2)
def scene(name: str, seed: int, cold_start: int) -> Scene:
    """Return a scene, kept for the next decider on it."""
    return make_scene(name, seed, float(cold_start))


def _contestant(job: Job, place: Scene) -> Contestant:
    if job.key.group == OURS:
        # found as `autoscaler simulate` finds it: with the scene's replica and objective
        from autoscaler.experiments.contestants import contestants

        (found,) = contestants(job.policy, place)
        return found
    if job.key.group == FIXED:
        return contestant(FIXED, Fixed(replicas=int(job.key.setting)), place)
    if job.model is None:
        raise ValueError(f"{job.key}: a peer needs its parameters")
    return contestant(job.key.decider, job.model, place, job.floor)


def _cell(key: Key, place: Scene, result: Result, note: str = "") -> Cell:
    return Cell(
        *key,
        result.attainment,
        result.gpu_hours,
        result.gpu_hours * place.gpu_hour_usd,
        result.ttft_p99_seconds,
        result.actions,
        result.cold_starts,
        result.max_replicas,
        result.requests,
        note,
    )


class Bench:
    """Runs jobs whose cells are not there yet, and keeps what they come to."""

    def __init__(self, store: Store, processes: int) -> None:
        self._store = store
        self._pool = ProcessPoolExecutor(processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def cells(self, jobs: Sequence[Job]) -> list[Cell]:
        """Return the cells of the jobs, in their order."""
        missing = {job.key: job for job in jobs if job.key not in self._store.cells}
        # one redraw after the other, for a process keeps the scene that it has
        ordered = sorted(missing.values(), key=lambda job: job.key[:3])
        for done in as_completed([self._pool.submit(play, job) for job in ordered]):
            self._store.add([done.result()])
        return [self._store.cells[job.key] for job in jobs]


def progress(words: str) -> None:
    """Say how far it is."""
    print(f"[{os.getpid()}] {words}", file=sys.stderr, flush=True)
