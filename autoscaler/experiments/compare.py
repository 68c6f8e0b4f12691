"""Several policies on the same scene, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from autoscaler.experiments.score import Score, score
from autoscaler.simulator.replay import replay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.experiments.scene import Scene
    from autoscaler.simulator.fleet import Advance
    from autoscaler.simulator.replay import Contestant

SCHEMA_VERSION = 1


class Watch(Protocol):
    """Told how far the simulation of a policy is."""

    def __call__(self, policy: str, simulated_seconds: float) -> None:
        """Take note."""


class Comparison(NamedTuple):
    """The scene, and what each policy made of it."""

    scene: Scene
    scores: tuple[Score, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        scene = self.scene
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": scene.name,
            "preset": scene.preset.name,
            "seed": scene.seed,
            "objective": scene.objective._asdict(),
            "trace": {
                "requests": len(scene.trace.arrival_seconds),
                "duration_seconds": scene.trace.duration_seconds,
            },
            "results": [result.to_json() for result in self.scores],
        }


def compare(
    scene: Scene,
    contestants: Sequence[Contestant],
    *,
    compiled: Advance | None,
    timer: Callable[[], float],
    watch: Watch = lambda _, __: None,
) -> Comparison:
    """Return the scores, in the order of the contestants; `timer` gives seconds of wall time."""
    return Comparison(scene, tuple(_run(scene, contestant, compiled, timer, watch) for contestant in contestants))


def _run(
    scene: Scene, contestant: Contestant, compiled: Advance | None, timer: Callable[[], float], watch: Watch
) -> Score:
    began = timer()
    fleet = scene.fleet(compiled)

    def progress(simulated_seconds: float) -> None:
        watch(contestant.name, simulated_seconds)

    story = replay(fleet, contestant, scene.course, timer=timer, progress=progress)
    return score(contestant.name, scene, fleet, story, timer() - began)
