"""What each part of `capacity` is worth: the rule with one part taken out or put in, in scenes of the laboratory.

Usage: LAB_TRACES=FOLDER python -m benchmarks.lab.ablation [SCENE:COLD_START ...] [--seeds 0 1 2 3 4] [--jobs 1]
       [--only WORD]

Prints a Markdown table: attainment after the warm-up, mean (lowest), and the mean of GPU-hours; a row per variant.
Parts are taken out by patching the rule's own modules within the process that runs a variant, so what is measured is
the rule that ships. `conv70:80 --only preset` prints the four rows about a preset that is not the replica's.
"""

from __future__ import annotations

import argparse
import math
import statistics
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from autoscaler.engine.proposal import Kind
from autoscaler.rules import capacity, headroom, outlook, regression, whole
from autoscaler.rules.correction import Correction
from autoscaler.rules.hold import hold
from autoscaler.rules.usable import LEAST_USABLE, Replica
from benchmarks.lab.runs import native, ours, run
from benchmarks.lab.scenes import H100, scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal
    from autoscaler.experiments.scene import Scene
    from autoscaler.rules.regression import Regression, Vector

CASES = ("conv:80", "conv:300", "wcup:80", "wcup:300")
SEEDS = (0, 1, 2, 3, 4)
GUARD = {"type": "latency", "signal": "timeToFirstToken", "quantile": 0.95}


class Figures(NamedTuple):
    """What one run came to after its warm-up."""

    attainment: float
    gpu_hours: float
    actions: int


class Variant(NamedTuple):
    """The rule with something changed."""

    patches: tuple[tuple[Any, str, Any], ...] = ()
    """Whose attribute, its name, what stands there instead."""
    changes: Mapping[str, Any] = {}
    """Parameters of the rule, as a document has them."""
    guarded: bool = False


def _no_quantile(errors: headroom.Errors, share: float) -> float:
    del errors, share
    return 0.0


def _present(regressed: Regression, x: Vector) -> float:
    del regressed
    return x[1]


_features: Callable[[list[float], float], tuple[Vector, float]] = getattr(outlook, "_features")  # noqa: B009 - its inside


def _no_rise(history: list[float], horizon_seconds: float) -> tuple[Vector, float]:
    return _features(history, horizon_seconds)[0], 0.0


def _no_room(horizon_seconds: float) -> float:
    del horizon_seconds
    return 0.0


def _only_foreseen(
    memory: Memory, count: int, window_seconds: float, now: float, key: str = "held"
) -> tuple[int, dict[str, str]]:
    """Hold what was foreseen for its two minutes, and what present demand needs not at all."""
    return (count, {}) if key == "held" else hold(memory, count, window_seconds, now, key)


def _as_stated(*_: object) -> tuple[float, dict[str, float]]:
    return 1.0, {}


def _as_worked_out(known: Correction, *_: float) -> Correction:
    return known


def _crude(replica: Replica, need: float) -> float:
    del need
    return max(LEAST_USABLE, 0.95 * (1.0 - replica.base_seconds / replica.tpot_seconds))


_propose = capacity.Capacity.propose


def _ordered_again(
    rule: capacity.Capacity, observation: Observation, fleet: Fleet, memory: Memory, now: float
) -> tuple[Proposal, Memory]:
    """Ask for what the ready replicas lack, as if none were on their way."""
    proposal, memory = _propose(rule, observation, fleet, memory, now)
    lacking = max(0, int(proposal.replicas) - fleet.ready)
    more = fleet.ready + fleet.starting + lacking if lacking else 0
    if proposal.kind is not Kind.COUNT or more <= proposal.replicas:
        return proposal, memory
    return proposal._replace(replicas=more), {**memory, "count": more}


_FORECAST = ((regression.Regression, "predict", _present), (outlook, "_features", _no_rise))
_ERRORS = ((headroom.Errors, "quantile", _no_quantile),)
_ROOM = ((outlook, "_least_room", _no_room),)
_STATED = ((capacity, "observe", _as_stated),)
VARIANTS = {
    "the rule as it is": Variant(),
    "no headroom from errors": Variant(_ERRORS),
    "share of errors fixed, misses teach nothing": Variant(((outlook, "_Q_GAIN", 0.0),)),
    "no forecast: present demand with headroom": Variant(_FORECAST),
    "no forecast, no headroom from errors, no least room": Variant((*_FORECAST, *_ERRORS, *_ROOM)),
    "no certain rise: the regression alone": Variant(((outlook, "_features", _no_rise),)),
    "no young ramps: one stretch of half a horizon": Variant(((outlook, "_YOUNG", math.inf),)),
    "ramps of a minute count too": Variant(((outlook, "_YOUNG", 4),)),
    "no hold of what present demand needs": Variant(((whole, "hold", _only_foreseen),)),
    "held for a whole cold start": Variant(((whole, "_HELD_STARTS", 1.0),)),
    "no least room": Variant(_ROOM),
    "pace not learned, right preset": Variant(_STATED),
    "usable share as worked out, misses teach nothing of it": Variant(((Correction, "learn", _as_worked_out),)),
    "usable share 0.95 (1 - a/s), not the fit": Variant(((Replica, "usable_for", _crude),)),
    "starting replicas not counted": Variant(((capacity.Capacity, "propose", _ordered_again),)),
    "a single replica may be alone": Variant((), {"aloneUpToPercent": 100}),
    "with the latency guard": Variant((), {}, guarded=True),
    "with one spare replica": Variant((), {"spareReplicas": 1}),
}
WRONG_PRESET = {
    "right preset, pace learned": Variant(),
    "right preset, pace not learned": Variant(_STATED),
    "preset of 8B on 70B, pace learned": Variant((), {"preset": H100}),
    "preset of 8B on 70B, pace not learned": Variant(_STATED, {"preset": H100}),
}


def play(place: Scene, variant: Variant) -> Figures:
    """Return the figures of a variant in a scene; afterwards the rule is what it was."""
    policy = ours(place, **variant.changes)
    if variant.guarded:
        policy["rules"].append({**GUARD, "objectiveSeconds": place.objective.ttft_seconds})
    with ExitStack() as stack:
        for owner, name, instead in variant.patches:
            stack.enter_context(mock.patch.object(owner, name, instead))
        return Figures(*run(place, native("ablation", policy, place))[:3])


def _play(job: tuple[str, int, str]) -> Figures:
    case, seed, variant = job
    name, _, cold_start = case.partition(":")
    return play(scene(name, seed, float(cold_start)), (VARIANTS | WRONG_PRESET)[variant])


def means(found: Iterable[Figures]) -> str:
    """Return a cell of the table."""
    shares, hours, _ = zip(*found, strict=True)
    return f"{statistics.fmean(shares):.4f} ({min(shares):.4f}) / {statistics.fmean(hours):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("cases", nargs="*", default=CASES, help="such as conv:80")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="", help="variants whose name has this word; `preset` is those on 70B")
    arguments = parser.parse_args()
    variants = WRONG_PRESET if arguments.only == "preset" else VARIANTS
    print(f"| variant | {' | '.join(f'`{case}`' for case in arguments.cases)} |")
    print("| --- |" + " --: |" * len(arguments.cases))
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for name in variants:
            if arguments.only not in ("preset", "") and arguments.only not in name:
                continue
            jobs = [(case, seed, name) for case in arguments.cases for seed in arguments.seeds]
            found = list(pool.map(_play, jobs))
            step = len(arguments.seeds)
            cells = [means(found[start : start + step]) for start in range(0, len(found), step)]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
