"""What a scenario's schema cannot know: whether the presets, policies and files that it names exist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.documents.load import policy_names
from autoscaler.documents.problems import Location, problem_at
from autoscaler.documents.wording import close_match
from autoscaler.simulator.coldstart import COLD_STARTS
from autoscaler.simulator.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from autoscaler.documents.parse import Origin
    from autoscaler.documents.policy import ScalingPolicy
    from autoscaler.documents.scenario import Scenario, Traffic
    from autoscaler.errors import Problem

_Named = tuple[Location, str, "Iterable[str]"]


def problems_of(
    scenario: Scenario, origin: Origin, policies: Mapping[str, ScalingPolicy], folder: Path
) -> tuple[Problem, ...]:
    """Return a problem for each name that stands for nothing; `policies` are those of the scenario's own file."""
    found = [
        _unknown(origin, place, name, known)
        for place, name, known in _names(scenario, policies)
        if name not in frozenset(known)
    ]
    for place, path in _files(scenario.spec.traffic):
        if not (folder / path).exists() and not Path(path).exists():
            allowed = f"must be a file, beside the scenario ({folder}) or in the working directory"
            found.append(problem_at(origin, place, path, allowed))
    return tuple(found)


def _names(scenario: Scenario, policies: Mapping[str, ScalingPolicy]) -> Iterator[_Named]:
    """Yield each name, where it stands, and what there is."""
    spec = scenario.spec
    yield ("spec", "preset"), spec.preset, PRESETS
    if spec.cold_start.preset is not None:
        yield ("spec", "coldStart", "preset"), spec.cold_start.preset, COLD_STARTS
    known = policy_names(policies)
    for place, name in enumerate(spec.policies):
        yield ("spec", "policies", place), name, known


def _files(traffic: Traffic) -> Iterator[tuple[Location, str]]:
    """Yield each path, and where it stands."""
    places: list[Location] = [("trace",)] if traffic.trace is not None else []
    places += [("mix", number) for number in range(len(traffic.mix or ()))]
    traces = [*filter(None, [traffic.trace]), *(traffic.mix or ())]
    for place, trace in zip(places, traces, strict=True):
        yield ("spec", "traffic", *place, "path"), trace.path
        if trace.lengths is not None and trace.lengths.from_trace is not None:
            yield ("spec", "traffic", *place, "lengths", "fromTrace"), trace.lengths.from_trace


def _unknown(origin: Origin, place: Location, name: str, known: Iterable[str]) -> Problem:
    return problem_at(origin, place, name, f"must be one of {', '.join(known)}{close_match(name, known)}")
