"""`autoscaler tune`: a policy's parameters, tried on several redraws of a scenario."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path  # noqa: TC003 - typer looks the annotations up
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from autoscaler.cli import scenarios
from autoscaler.cli.options import AsJson, RateScale, ScenarioName, Window  # noqa: TC001 - typer looks them up
from autoscaler.cli.progress import brake, meter
from autoscaler.cli.simulate import INTERRUPTED, chosen_kernel, console
from autoscaler.errors import UsageError
from autoscaler.experiments.scene import make_scene
from autoscaler.experiments.tuning import written
from autoscaler.experiments.tuning.defaults import default_space
from autoscaler.experiments.tuning.outcome import Outcome
from autoscaler.experiments.tuning.play import Alone, SideBySide
from autoscaler.experiments.tuning.search import Grid, Study
from autoscaler.experiments.tuning.space import Range, Varied, grid, read_varied
from autoscaler.experiments.tuning.subject import contestant, find_subject, is_valid
from autoscaler.experiments.tuning.table import render
from autoscaler.experiments.tuning.tuner import Question, Tuner
from autoscaler.traces.cache import Cache, user_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.documents.scenario import ScenarioSpec
    from autoscaler.experiments.scene import Scene
    from autoscaler.experiments.tuning.search import Search
    from autoscaler.experiments.tuning.subject import Subject
    from autoscaler.experiments.tuning.tuner import Tuning

DEFAULT_POLICY = "llm-interactive"


def tune(
    scenario: ScenarioName = None,
    policy: Annotated[
        str,
        typer.Option(help="What to begin with: a policy or peer of the library, fixed:N, or a file with exactly one."),
    ] = DEFAULT_POLICY,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=VALUES",
            help="What may change: a path below `spec` (of a peer, below `parameters`), and 1,2,3 or 1..10 or "
            "1..100:log; may be repeated. Default: what the rules have that is a matter of taste.",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="How many settings a search tries.")] = 50,
    target: Annotated[
        float, typer.Option(min=1, max=100, metavar="PERCENT", help="Of the requests, that must meet the objective.")
    ] = 99.0,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Redraws by which a setting is chosen.")] = 3,
    judge_seeds: Annotated[int, typer.Option(min=0, max=100, help="Further redraws on which it is judged.")] = 2,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31, help="The first one; the scenario's own.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Requests from this file instead, as for simulate.")] = None,
    rate_scale: RateScale = None,
    window: Window = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 1,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Where Optuna keeps a search, to go on later: sqlite:///FILE.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the chosen setting to this .yaml, as a document.")] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Let --out write over a file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for the cheapest setting of a policy that meets the objective, and judge it on other draws.

    One or two lists of values are tried whole, and the result is a curve; ranges are searched with Optuna. Ctrl-C shows
    what was found so far.
    """
    written.check_out(out, force=force)
    found = scenarios.asked(scenario, trace, rate_scale, window)
    spec = found.scenario.spec
    draw = partial(make, found.scenario.metadata.name, spec, found.folder)
    subject = find_subject(policy, found.policies)
    first = spec.seed if seed is None else seed
    scene = draw(first)
    contestant(subject.document, subject.origin, scene, _tell)
    tuned, judged = _seeds(first, seeds, judge_seeds)
    varied = _varied(vary, subject, scene)
    question = Question(subject, varied, target / 100.0, tuned, judged, scene.max_replicas, max(1, jobs))
    search, at_once = _search(question, trials, storage, spec, jobs)
    _warn_of_the_same(spec, scene, draw)
    tuning = _play(question._replace(at_once=at_once), search, scene, draw, jobs)
    _show(tuning, scene, as_json=as_json)
    _finish(tuning, scene, out)


def _seeds(first: int, tuned: int, judged: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the seeds by which a setting is chosen, and the next ones, on which it is judged."""
    return tuple(range(first, first + tuned)), tuple(range(first + tuned, first + tuned + judged))


def _tell(line: str) -> None:
    typer.echo(f"autoscaler: {line}", err=True)


def _warn_of_the_same(spec: ScenarioSpec, scene: Scene, draw: Callable[[int], Scene]) -> None:
    """Say so where another seed has the same requests."""
    if spec.traffic.generator is None and _alike(scene, draw(scene.seed + 1)):
        _tell("recorded requests are the same for every seed: only cold starts and router are drawn again")


def _alike(one: Scene, other: Scene) -> bool:
    return np.array_equal(one.trace.arrival_seconds, other.trace.arrival_seconds)


def make(name: str, spec: ScenarioSpec, folder: Path, seed: int) -> Scene:
    """Return the scene of a seed; what takes long to make is kept for the next one who asks."""
    return make_scene(name, spec, folder=folder, seed=seed, cache=Cache(user_folder(os.environ)))


def _varied(texts: Sequence[str] | None, subject: Subject, scene: Scene) -> tuple[Varied, ...]:
    """Return what varies, once each value of it alone is known to be allowed."""
    if texts is None:
        varied = default_space(subject)
        if not varied:
            raise UsageError(f"--vary: {subject.name} says nothing that varies by itself: name a path and its values")
        return varied
    varied = read_varied(texts, subject.parameters)
    for one in varied:
        values = (one.domain.low, one.domain.high) if isinstance(one.domain, Range) else one.domain
        for value in values:
            contestant(subject.with_setting([one], (value,)), f"--vary {one.name}={value}", scene)
    return varied


def _search(question: Question, trials: int, storage: str | None, spec: ScenarioSpec, jobs: int) -> tuple[Search, int]:
    """Return the search, and how many settings it is asked for at once."""
    settings = grid(question.varied, trials)
    if settings is not None:
        if storage is not None:
            raise UsageError("--storage: lists of values are tried whole, and only a search of ranges is kept")
        return Grid(settings), len(settings)
    asked = (Outcome._fields, question, spec.model_dump_json())
    study = Study(
        question.varied,
        trials,
        question.target,
        seed=question.tuned_seeds[0],
        storage=storage,
        subject=repr(asked),
    )
    return study, jobs


def _play(question: Question, search: Search, scene: Scene, draw: partial[Scene], jobs: int) -> Tuning:
    use_compiled = chosen_kernel() is not None
    players = SideBySide(draw, jobs, use_compiled=use_compiled) if jobs > 1 else Alone(draw, use_compiled=use_compiled)
    valid = partial(is_valid, origin=question.subject.origin, scene=scene)
    with brake() as ctrl_c, meter(ctrl_c) as bar:
        # while others work, nothing here asks whether to stop
        ctrl_c.gentle = jobs == 1
        try:
            return Tuner(question, players, valid, bar).tune(search)
        finally:
            players.close()


def _show(tuning: Tuning, scene: Scene, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(written.to_json(tuning, scene), allow_nan=False) + "\n")
    else:
        render(tuning, scene, console())


def _finish(tuning: Tuning, scene: Scene, out: Path | None) -> None:
    """Write the document, and say by the exit code what is missing."""
    if out is not None and tuning.chosen is not None:
        written.write_atomically(out, written.policy_text(tuning, tuning.chosen, scene))
    elif out is not None:
        _tell(f"{out} was not written: no setting meets the objective for {100 * tuning.question.target:g} %")
    if tuning.partial:
        raise typer.Exit(INTERRUPTED)
    if out is not None and tuning.chosen is None:
        raise typer.Exit(1)
