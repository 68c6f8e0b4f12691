"""Which scenario is meant: one of the library by its name, or a file's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.cli.options import DEFAULT_SCENARIO
from autoscaler.documents import library
from autoscaler.documents.load import load
from autoscaler.documents.scenario import Scenario, TraceTraffic, Traffic
from autoscaler.documents.wording import close_match, listed
from autoscaler.errors import DocumentError, Problem, UsageError
from autoscaler.experiments.scenario_check import problems_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.documents.policy import ScalingPolicy
    from autoscaler.documents.scenario import ScenarioSpec


class Found(NamedTuple):
    """A scenario, and what stands around it."""

    scenario: Scenario
    folder: Path
    """Where its file is: relative paths begin there."""
    policies: Mapping[str, ScalingPolicy]
    """Those of the same file."""


def find(name: str) -> Found:
    """Return the scenario of a name in the library or of a file; all that it names exists.

    Raises:
        UsageError: there is no such scenario.
        DocumentError: the file is wrong, or holds none or several.
    """
    path = Path(name)
    if not (path.suffix.lower() in library.SUFFIXES or path.exists()):
        found = library.find(library.simulations(), name)
        if found is None:
            known = names()
            allowed = f"must be a file, or a scenario of the library: {listed(known)}{close_match(name, known)}"
            raise UsageError(f"scenario {name!r}: {allowed}")
        path = found
    documents = load([path])
    items = [item for item in documents.items if isinstance(item.document, Scenario)]
    if len(items) != 1:
        raise DocumentError(Problem(str(path), "", f"{len(items)}", "must hold exactly one Scenario"))
    scenario, folder = documents.scenarios[0], path.parent
    problems = problems_of(scenario, items[0].origin, documents.policies, folder)
    if problems:
        raise DocumentError(*problems)
    return Found(scenario, folder, documents.policies)


def asked(name: str | None, trace: Path | None, rate_scale: float | None, window: tuple[float, float] | None) -> Found:
    """Return the scenario that a command line asks for, with what it says of the trace.

    Raises:
        UsageError: there is no such scenario, or no trace to which it could apply, or the window is none.
        DocumentError: the file is wrong, or holds none or several.
    """
    found = find(DEFAULT_SCENARIO if name is None else name)
    spec = with_trace(found.scenario.spec, trace, rate_scale, window)
    return found._replace(scenario=found.scenario.model_copy(update={"spec": spec}))


def find_scenario(name: str) -> tuple[Scenario, Path]:
    """Return the scenario that `find` finds, and the folder that it stands in."""
    found = find(name)
    return found.scenario, found.folder


def names() -> tuple[str, ...]:
    """Return the names of the library's scenarios."""
    return tuple(file.stem for file in library.files(library.simulations()))


def listing() -> list[tuple[str, str]]:
    """Return each scenario of the library, and the sentence that it teaches."""
    files = library.files(library.simulations())
    return [(file.stem, scenario.description) for file in files for scenario in load([file]).scenarios]


def with_trace(
    spec: ScenarioSpec, path: Path | None, rate_scale: float | None, window: tuple[float, float] | None
) -> ScenarioSpec:
    """Return a scenario with what the command line says of its trace.

    Raises:
        UsageError: there is no trace to which it could apply, or the window is none.
    """
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
