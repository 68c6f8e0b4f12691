"""The same comparison over several seeds: arrivals and cold starts are drawn again, and figures get intervals."""

from __future__ import annotations

import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.experiments.compare import Comparison, compare
from autoscaler.experiments.confidence import Estimate, estimate
from autoscaler.simulator.fleet import compiled_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.experiments.compare import Watch
    from autoscaler.experiments.scene import Scene
    from autoscaler.experiments.score import Score
    from autoscaler.simulator.replay import Contestant


class OverSeeds(NamedTuple):
    """One policy's figures over several seeds."""

    seeds: tuple[int, ...]
    slo_attainment: Estimate
    gpu_hours: Estimate
    ttft_p99_seconds: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        estimates = {name: getattr(self, name).to_json() for name in self._fields[1:]}
        return {"seeds": list(self.seeds), **estimates}


def over_seeds(comparison: Comparison, others: Sequence[tuple[int, Sequence[Score]]]) -> Comparison:
    """Return the comparison of the first seed, with estimates over it and the `others`, each a seed and its scores."""
    if comparison.partial:
        return comparison
    every = [(comparison.scene.seed, comparison.scores), *others]
    seeds = tuple(seed for seed, _ in every)
    rows = zip(*(scores for _, scores in every), strict=True)
    runs = (run._replace(over_seeds=_over(seeds, row)) for run, row in zip(comparison.runs, rows, strict=True))
    return comparison._replace(runs=tuple(runs))


def _over(seeds: tuple[int, ...], scores: Sequence[Score]) -> OverSeeds:
    return OverSeeds(
        seeds,
        estimate([score.slo_attainment for score in scores]),
        estimate([score.gpu_hours for score in scores]),
        estimate([score.ttft_seconds.p99 for score in scores]),
    )


def play_seeds(
    make: Callable[[int], Scene],
    contestants: Sequence[Contestant],
    seeds: Sequence[int],
    *,
    timer: Callable[[], float],
    use_compiled: bool,
    jobs: int,
    watch: Watch,
) -> list[tuple[int, Sequence[Score]]]:
    """Return the scores of each seed that was played whole; KeyboardInterrupt from the watch ends it early.

    With `jobs` above 1 seeds are played side by side, in processes of their own; `make` and the contestants must then
    be picklable.
    """
    play = partial(_play, make, tuple(contestants), timer, use_compiled)
    if jobs > 1:
        return _side_by_side(play, seeds, jobs, watch)
    done: list[tuple[int, Sequence[Score]]] = []
    for seed in seeds:
        comparison = play(seed, watch=partial(_of_seed, watch, seed))
        if comparison.partial:
            break
        done.append((seed, comparison.scores))
    return done


def _of_seed(watch: Watch, seed: int, policy: str, share: float) -> None:
    watch(f"{policy}, seed {seed}", share)


def _play(
    make: Callable[[int], Scene],
    contestants: tuple[Contestant, ...],
    timer: Callable[[], float],
    use_compiled: bool,  # noqa: FBT001 - bound by partial, in this order
    seed: int,
    *,
    watch: Watch = lambda _, __: None,
) -> Comparison:
    compiled = compiled_kernel() if use_compiled else None
    return compare(make(seed), contestants, compiled=compiled, timer=timer, watch=watch)


def _scores(play: Callable[[int], Comparison], seed: int) -> tuple[int, Sequence[Score]]:
    """Return what goes back to the parent: not the traffic."""
    return seed, play(seed).scores


def _side_by_side(
    play: Callable[[int], Comparison], seeds: Sequence[int], jobs: int, watch: Watch
) -> list[tuple[int, Sequence[Score]]]:
    done: list[tuple[int, Sequence[Score]]] = []
    # a Ctrl-C in the terminal reaches all of its processes: these end by it, without a word
    quiet = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pool = ProcessPoolExecutor(min(jobs, len(seeds)), mp_context=get_context("spawn"), initializer=quiet)
    try:
        for future in as_completed([pool.submit(_scores, play, seed) for seed in seeds]):
            done.append(future.result())
            watch("seeds", len(done) / len(seeds))
    except KeyboardInterrupt:
        pass
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return sorted(done)
