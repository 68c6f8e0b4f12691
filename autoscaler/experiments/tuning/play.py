"""Documents played on seeds, one after the other or in several processes; each process makes a seed's scene once."""

from __future__ import annotations

import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple, Protocol

from autoscaler.experiments.compare import compare
from autoscaler.experiments.tuning.outcome import Outcome
from autoscaler.experiments.tuning.subject import Document, contestant
from autoscaler.simulator.fleet import compiled_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autoscaler.experiments.compare import Watch
    from autoscaler.experiments.scene import Scene

_MOST_REQUESTS = 20_000_000
"""More than this is not kept in one process: 16 bytes each."""


class Job(NamedTuple):
    """One run."""

    document: Document
    origin: str
    seed: int


class Played(NamedTuple):
    """One run, and what it came to."""

    place: int
    """Of the job among those that were asked for."""
    outcome: Outcome


class Players(Protocol):
    """Whoever plays jobs."""

    def play(self, jobs: Sequence[Job], watch: Watch) -> Iterator[Played]:
        """Yield the runs as they are done.

        Raises:
            KeyboardInterrupt: somebody asked to stop; what was yielded stands.
        """

    def close(self) -> None:
        """Let go of processes."""


class Alone:
    """Plays in this process, and keeps the scenes it has made."""

    def __init__(self, make: Callable[[int], Scene], *, use_compiled: bool) -> None:
        self._make = make
        self._compiled = compiled_kernel() if use_compiled else None
        self._scenes: dict[int, Scene] = {}

    def play(self, jobs: Sequence[Job], watch: Watch) -> Iterator[Played]:
        """Yield the runs in their order."""
        for place, job in enumerate(jobs):
            yield Played(place, self.run(job, watch))

    def run(self, job: Job, watch: Watch = lambda _, __: None) -> Outcome:
        """Return what one job comes to.

        Raises:
            KeyboardInterrupt: the watch wanted to stop.
        """
        scene = self._scene(job.seed)
        player = contestant(job.document, job.origin, scene)
        done = compare(scene, [player], compiled=self._compiled, timer=lambda: 0.0, watch=watch)
        if done.partial:
            raise KeyboardInterrupt
        return Outcome.of(done.scores[0])

    def _scene(self, seed: int) -> Scene:
        if seed not in self._scenes:
            scene = self._make(seed)
            kept = sum(len(one.trace.arrival_seconds) for one in self._scenes.values())
            if kept + len(scene.trace.arrival_seconds) > _MOST_REQUESTS:
                self._scenes.clear()
            self._scenes[seed] = scene
        return self._scenes[seed]

    def close(self) -> None:
        """Nothing is held."""


_alone: list[Alone] = []
"""Of a process that plays for another one: made when it begins."""


def _begin(make: Callable[[int], Scene], use_compiled: bool) -> None:  # noqa: FBT001 - as a pool calls it
    # a Ctrl-C in the terminal reaches all of its processes: these end by it, without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _alone[:] = [Alone(make, use_compiled=use_compiled)]


def _run(job: Job) -> Outcome:
    return _alone[0].run(job)


class SideBySide:
    """Plays in processes of its own; `make` must be picklable."""

    def __init__(self, make: Callable[[int], Scene], jobs: int, *, use_compiled: bool) -> None:
        begin = partial(_begin, make, use_compiled)
        self._pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=begin)

    def play(self, jobs: Sequence[Job], watch: Watch) -> Iterator[Played]:
        """Yield the runs as they are done, in whatever order."""
        places = {self._pool.submit(_run, job): place for place, job in enumerate(jobs)}
        try:
            for future in as_completed(places):
                yield Played(places[future], future.result())
                watch("settings", 1.0)
        except BrokenProcessPool as error:
            raise KeyboardInterrupt from error

    def close(self) -> None:
        """End the processes; what they are about is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
