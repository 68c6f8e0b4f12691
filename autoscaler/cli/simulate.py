"""`autoscaler simulate`: traffic replayed through policies, and the cost of each."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from autoscaler.documents import library
from autoscaler.documents.load import load
from autoscaler.documents.scenario import TraceTraffic, Traffic
from autoscaler.documents.wording import close_match, listed
from autoscaler.errors import DocumentError, Problem, UsageError
from autoscaler.experiments.compare import compare
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.scene import make_scene
from autoscaler.experiments.table import render
from autoscaler.simulator.fleet import compiled_kernel
from autoscaler.traces.cache import Cache, user_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.documents.scenario import Scenario, ScenarioSpec
    from autoscaler.experiments.compare import Watch
    from autoscaler.experiments.scene import Scene
    from autoscaler.simulator.fleet import Advance

NO_NUMBA = "AUTOSCALER_NO_NUMBA"
"""Set to anything but 0 or nothing, it keeps the kernel in plain Python."""
DEFAULT_SCENARIO = "chat"


def simulate(
    scenario: Annotated[
        str, typer.Argument(help="A scenario of the library, or a file.", show_default=True)
    ] = DEFAULT_SCENARIO,
    trace: Annotated[
        Path | None,
        typer.Option(help="Requests from this file instead, of any format that docs/reference/traces.md has."),
    ] = None,
    rate_scale: Annotated[
        float | None, typer.Option(min=1e-6, max=1e6, help="Multiply the trace's arrivals per second.")
    ] = None,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(min=0, metavar="START END", help="Only this part of the trace, in seconds from its start."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="A policy of the library, a file, or fixed:N; may be repeated. Default: the scenario's own."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Of traffic, cold starts and router; the scenario's own.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Replay traffic through policies, and show what each attains and costs."""
    document, folder = find_scenario(scenario)
    spec = _with_trace(document.spec, trace, rate_scale, window)
    cache = Cache(user_folder(os.environ))
    scene = make_scene(document.metadata.name, spec, folder=folder, seed=seed, cache=cache)
    names = list(dict.fromkeys(policy or document.spec.policies))
    players = [player for name in names for player in contestants(name, scene)]
    with _progress(scene, len(players)) as watch:
        comparison = compare(scene, players, compiled=chosen_kernel(), timer=time.perf_counter, watch=watch)
    if as_json:
        sys.stdout.write(json.dumps(comparison.to_json(), allow_nan=False) + "\n")
        return
    console = Console()
    # what is piped is read by programs and wide screens: no wrapping
    render(comparison, console if console.is_terminal else Console(width=200, no_color=True, highlight=False))


def _with_trace(
    spec: ScenarioSpec, path: Path | None, rate_scale: float | None, window: tuple[float, float] | None
) -> ScenarioSpec:
    """Return a scenario with what the command line says of its trace."""
    changes: dict[str, object] = {"rate_scale": rate_scale, "window_seconds": window}
    changes = {name: value for name, value in changes.items() if value is not None}
    # absolute, so that a path of the command line is not looked for beside the scenario
    trace = spec.traffic.trace if path is None else TraceTraffic(path=str(path.absolute()))
    if trace is None:
        if changes:
            raise UsageError("--rate-scale and --window: need a --trace, or a scenario with one `trace`")
        return spec
    if window is not None and window[0] >= window[1]:
        raise UsageError(f"--window {window[0]:g} {window[1]:g}: must be START END with START before END")
    return spec.model_copy(update={"traffic": Traffic(trace=trace.model_copy(update=changes))})


def chosen_kernel() -> Advance | None:
    """Return the compiled kernel, or None where numba is not installed or `AUTOSCALER_NO_NUMBA` says not to use it."""
    return None if os.environ.get(NO_NUMBA, "0") not in ("", "0") else compiled_kernel()


def find_scenario(name: str) -> tuple[Scenario, Path]:
    """Return the scenario of a name in the library or of a file, and the folder that it stands in.

    Raises:
        UsageError: there is no such scenario.
        DocumentError: the file is wrong, or holds none or several.
    """
    path = Path(name)
    if not (path.suffix.lower() in library.SUFFIXES or path.exists()):
        found = library.find(library.simulations(), name)
        if found is None:
            known = [file.stem for file in library.files(library.simulations())]
            allowed = f"must be a file, or a scenario of the library: {listed(known)}{close_match(name, known)}"
            raise UsageError(f"scenario {name!r}: {allowed}")
        path = found
    scenarios = load([path]).scenarios
    if len(scenarios) != 1:
        raise DocumentError(Problem(str(path), "", f"{len(scenarios)}", "must hold exactly one Scenario"))
    return scenarios[0], path.parent


@contextmanager
def _progress(scene: Scene, policies: int) -> Iterator[Watch]:
    """Show a bar on standard error while it is a terminal; it goes away when the work is done."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=policies * scene.course.horizon_seconds)
        finished: list[str] = []

        def watch(policy: str, simulated_seconds: float) -> None:
            done = len(finished) * scene.course.horizon_seconds + simulated_seconds
            bar.update(task, description=policy, completed=done)
            if simulated_seconds >= scene.course.horizon_seconds:
                finished.append(policy)

        yield watch
