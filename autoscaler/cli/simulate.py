"""`autoscaler simulate`: traffic replayed through policies, and the cost of each."""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from pathlib import Path  # noqa: TC003 - typer looks the annotations up
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console

from autoscaler.cli import outputs, scenarios
from autoscaler.cli.options import AsJson, RateScale, ScenarioName, Window  # noqa: TC001 - typer looks them up
from autoscaler.cli.progress import Brake, Meter, brake, meter
from autoscaler.cli.scenarios import find_scenario
from autoscaler.experiments import preset_list
from autoscaler.experiments.compare import Comparison, compare
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.references import with_references
from autoscaler.experiments.scene import make_scene
from autoscaler.experiments.seeds import over_seeds, play_seeds
from autoscaler.experiments.table import render
from autoscaler.simulator.fleet import compiled_kernel
from autoscaler.traces.cache import Cache, user_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.cli.outputs import Outputs
    from autoscaler.cli.scenarios import Found
    from autoscaler.experiments.scene import Scene
    from autoscaler.simulator.fleet import Advance
    from autoscaler.simulator.replay import Contestant

__all__ = ["chosen_kernel", "console", "find_scenario", "simulate"]

NO_NUMBA = "AUTOSCALER_NO_NUMBA"
"""Set to anything but 0 or nothing, it keeps the kernel in plain Python."""
INTERRUPTED = 130
_BOUND_SECONDS = 15.0
"""How long one bound may be looked for; what is found by then is a bound too."""


class Effort(NamedTuple):
    """How much is simulated."""

    seeds: int
    oracle: bool
    jobs: int
    compiled: Advance | None


def simulate(
    scenario: ScenarioName = None,
    trace: Annotated[
        Path | None,
        typer.Option(help="Requests from this file instead, of any format that docs/reference/traces.md has."),
    ] = None,
    rate_scale: RateScale = None,
    window: Window = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="A policy or peer of the library, a file (of policies, or an HPA's or ScaledObject's manifest), or "
            "fixed:N; may be repeated. Default: the scenario's own."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Of traffic, cold starts and router; the scenario's own.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="Simulate with so many seeds, and show 95 % confidence intervals.")
    ] = 1,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes, for --seeds and --oracle.")] = 1,
    series: Annotated[Path | None, typer.Option(help="Write time series to this .csv or .json.")] = None,
    requests: Annotated[
        Path | None, typer.Option(help="Write what became of each request to this .csv or .npz.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with table and plots to this .html.")] = None,
    *,
    oracle: Annotated[
        bool, typer.Option("--oracle", help="Look for the cheapest schedule made with hindsight.")
    ] = False,
    list_presets: Annotated[bool, typer.Option("--list-presets", help="List the presets, and exit.")] = False,
    list_scenarios: Annotated[bool, typer.Option("--list-scenarios", help="List the scenarios, and exit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replay traffic through policies, and show what each attains and costs.

    Ctrl-C shows what is done so far, marked as partial.
    """
    if list_presets or list_scenarios:
        _list(presets=list_presets, as_json=as_json)
        return
    wanted = outputs.check(series, requests, report)
    found = scenarios.asked(scenario, trace, rate_scale, window)
    make = _maker(found)
    scene = make(seed)
    players = _players(policy, found, scene)
    effort = Effort(seeds, oracle, jobs, chosen_kernel())
    with brake() as ctrl_c, meter(ctrl_c) as bar:
        comparison = _play(scene, players, make, effort, wanted, bar, ctrl_c)
    outputs.write(comparison, found.scenario.description, wanted)
    _show(comparison, as_json=as_json, and_others=scenario is None)
    if comparison.partial:
        raise typer.Exit(INTERRUPTED)


def _maker(found: Found) -> Callable[[int | None], Scene]:
    """Return what makes the scene of a seed; None for the scenario's own."""
    name, spec = found.scenario.metadata.name, found.scenario.spec
    cache = Cache(user_folder(os.environ))
    return partial(_make, partial(make_scene, name, spec, folder=found.folder, cache=cache))


def _make(make: Callable[..., Scene], seed: int | None) -> Scene:
    return make(seed=seed)


def _players(names: Sequence[str] | None, found: Found, scene: Scene) -> list[Contestant]:
    """Return those that are named, each once, else the scenario's own."""
    each = dict.fromkeys(names or found.scenario.spec.policies)
    return [player for name in each for player in contestants(name, scene, found.policies, _tell)]


def _show(comparison: Comparison, *, as_json: bool, and_others: bool) -> None:
    """Print the comparison, and where nothing is missing from it, which other scenarios there are."""
    if as_json:
        _print_json(comparison.to_json())
        return
    render(comparison, console())
    if and_others and not comparison.partial:
        sys.stdout.write(f"other scenarios, by name or file: {', '.join(scenarios.names())}\n")


def _tell(line: str) -> None:
    typer.echo(f"autoscaler: {line}", err=True)


def _play(
    scene: Scene,
    players: Sequence[Contestant],
    make: Callable[[int], Scene],
    effort: Effort,
    wanted: Outputs,
    bar: Meter,
    ctrl_c: Brake,
) -> Comparison:
    """Return the comparison with all that was asked for, or with what there is of it after Ctrl-C."""
    bar.begin(len(players))
    ctrl_c.gentle = True
    comparison = compare(scene, players, compiled=effort.compiled, timer=time.perf_counter, watch=bar, keep=wanted.keep)
    if effort.seeds > 1 and not comparison.partial:
        comparison = _more_seeds(comparison, players, make, effort, bar, ctrl_c)
    ctrl_c.gentle = False
    if comparison.partial or ctrl_c.pressed:
        return comparison._replace(partial=True)
    bar.begin(1, "bound and oracle" if effort.oracle else "bound")
    try:
        return with_references(
            comparison,
            players,
            timer=time.perf_counter,
            compiled=effort.compiled,
            seconds_limit=_BOUND_SECONDS,
            ask_oracle=effort.oracle,
            jobs=effort.jobs,
        )
    except KeyboardInterrupt:
        return comparison._replace(partial=True)


def _more_seeds(
    comparison: Comparison,
    players: Sequence[Contestant],
    make: Callable[[int], Scene],
    effort: Effort,
    bar: Meter,
    ctrl_c: Brake,
) -> Comparison:
    first, together = comparison.scene.seed, effort.jobs > 1
    others = range(first + 1, first + effort.seeds)
    bar.begin(1 if together else len(others) * len(players), "seeds")
    # while others work, nothing here asks whether to stop
    ctrl_c.gentle = not together
    scores = play_seeds(
        make,
        players,
        others,
        timer=time.perf_counter,
        use_compiled=effort.compiled is not None,
        jobs=effort.jobs,
        watch=bar,
    )
    whole = len(scores) == len(others)
    return over_seeds(comparison, scores)._replace(partial=not whole)


def _list(*, presets: bool, as_json: bool) -> None:
    """Print the presets or the scenarios."""
    if presets and as_json:
        _print_json(preset_list.to_json())
    elif presets:
        preset_list.render(console())
    elif as_json:
        _print_json({"scenarios": [{"name": name, "teaches": text} for name, text in scenarios.listing()]})
    else:
        width = max(map(len, scenarios.names()), default=0)
        sys.stdout.write("".join(f"{name:<{width}}  {text}\n" for name, text in scenarios.listing()))


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")


def console() -> Console:
    """Return where tables go: what is piped is read by programs and wide screens, without wrapping."""
    console = Console()
    return console if console.is_terminal else Console(width=200, no_color=True, highlight=False)


def chosen_kernel() -> Advance | None:
    """Return the compiled kernel, or None where numba is not installed or `AUTOSCALER_NO_NUMBA` says not to use it."""
    return None if os.environ.get(NO_NUMBA, "0") not in ("", "0") else compiled_kernel()
