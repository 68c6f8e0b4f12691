"""Several policies on the same scene, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from autoscaler.experiments.record import Recorder
from autoscaler.experiments.score import Score, score
from autoscaler.simulator.replay import replay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.experiments.record import Record
    from autoscaler.experiments.references import References
    from autoscaler.experiments.scene import Scene
    from autoscaler.experiments.seeds import OverSeeds
    from autoscaler.simulator.fleet import Advance, Results
    from autoscaler.simulator.replay import Contestant

SCHEMA_VERSION = 1


class Watch(Protocol):
    """Told how far the simulation of a policy is; raises KeyboardInterrupt to end the comparison there."""

    def __call__(self, policy: str, share: float) -> None:
        """Take note of a share of the horizon."""


class Keep(NamedTuple):
    """What is kept of a run besides its score; it takes time and memory."""

    record: bool = False
    results: bool = False


class Run(NamedTuple):
    """One policy's run."""

    score: Score
    stopped_at: float | None = None
    """The simulated second at which it was stopped; None for a whole run."""
    record: Record | None = None
    results: Results | None = None
    over_seeds: OverSeeds | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `partial` and `seeds` are there only where there is something to say."""
        stopped = {} if self.stopped_at is None else {"partial": True, "simulated_seconds": self.stopped_at}
        seeds = {} if self.over_seeds is None else {"seeds": self.over_seeds.to_json()}
        return self.score.to_json() | stopped | seeds


class Comparison(NamedTuple):
    """The scene, and what each policy made of it."""

    scene: Scene
    runs: tuple[Run, ...]
    partial: bool = False
    """It was stopped before every policy had its whole run."""
    references: References | None = None

    @property
    def scores(self) -> tuple[Score, ...]:
        """The score of each run."""
        return tuple(run.score for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `partial` and `references` are there only where there is something to say."""
        scene = self.scene
        found: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "scenario": scene.name,
            "preset": scene.preset.name,
            "seed": scene.seed,
            "objective": scene.objective._asdict(),
            "trace": {
                "requests": len(scene.trace.arrival_seconds),
                "duration_seconds": scene.trace.duration_seconds,
            },
            "results": [run.to_json() for run in self.runs],
        }
        if self.references is not None:
            found["references"] = self.references.to_json()
        if self.partial:
            found["partial"] = True
        return found


class _Stopped(Exception):  # noqa: N818 - a wish, not a fault
    """The watch wants the run to end here, where the fleet stands at a decision."""


def compare(
    scene: Scene,
    contestants: Sequence[Contestant],
    *,
    compiled: Advance | None,
    timer: Callable[[], float],
    watch: Watch = lambda _, __: None,
    keep: Keep = Keep(),  # noqa: B008 - a constant
) -> Comparison:
    """Return the runs, in the order of the contestants; `timer` gives seconds of wall time.

    If the watch raises KeyboardInterrupt, the run under way is scored up to there, and nothing is run after it.
    """
    runs: list[Run] = []
    for contestant in contestants:
        run, stop = _run(scene, contestant, compiled, timer, watch, keep)
        runs.append(run)
        if stop:
            break
    whole = len(runs) == len(contestants) and all(run.stopped_at is None for run in runs)
    return Comparison(scene, tuple(runs), partial=not whole)


def _run(
    scene: Scene,
    contestant: Contestant,
    compiled: Advance | None,
    timer: Callable[[], float],
    watch: Watch,
    keep: Keep,
) -> tuple[Run, bool]:
    """Return the run, and whether the watch wants it to be the last."""
    began, horizon = timer(), scene.course.horizon_seconds
    fleet = scene.fleet(compiled)
    recorder = Recorder(contestant, fleet, timer, detailed=keep.record)
    wishes: list[float] = []

    def progress(simulated_seconds: float) -> None:
        recorder.note(simulated_seconds)
        try:
            watch(contestant.name, simulated_seconds / horizon)
        except KeyboardInterrupt:
            wishes.append(simulated_seconds)
            if simulated_seconds < horizon:
                raise _Stopped from None

    try:
        story = replay(fleet, recorder.contestant, scene.course, timer=timer, progress=progress)
    except _Stopped:
        story = recorder.story()
    stopped_at = next((moment for moment in wishes if moment < horizon), None)
    result = score(contestant.name, scene, fleet, story, timer() - began, until_seconds=stopped_at)
    results = fleet.results() if keep.results or keep.record else None
    return Run(result, stopped_at, recorder.record(scene.course.scraping.window_seconds), results), bool(wishes)
