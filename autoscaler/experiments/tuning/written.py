"""A tuning for machines: one JSON object, and the chosen setting as a document with its figures above it."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from autoscaler.errors import UsageError
from autoscaler.experiments.tuning.outcome import Summary, frontier

if TYPE_CHECKING:
    from autoscaler.experiments.scene import Scene
    from autoscaler.experiments.tuning.subject import Document
    from autoscaler.experiments.tuning.tuner import Entrant, Tuning

SCHEMA_VERSION = 1
SUFFIXES = (".yaml", ".yml")
_TUNED = "-tuned"


def to_json(tuning: Tuning, scene: Scene) -> dict[str, Any]:
    """Return plain JSON values; `partial` is there only where the search was interrupted."""
    question = tuning.question
    on_frontier = frontier([one.summary for one in tuning.tried])
    names = [one.name for one in question.varied]
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "scenario": scene.name,
        "preset": scene.preset.name,
        "policy": question.subject.name,
        "objective": scene.objective._asdict(),
        "target": question.target,
        "seeds": {"tuned": list(question.tuned_seeds), "judged": list(question.judged_seeds)},
        "varied": [one.to_json() for one in question.varied],
        "settings": [
            {
                "values": dict(zip(names, one.setting, strict=True)),
                **one.summary.to_json(),
                "meets": one.summary.meets(question.target),
                "frontier": best,
            }
            for one, best in zip(tuning.tried, on_frontier, strict=True)
        ],
        "start": _entrant(tuning.start, names),
        "fixed": _entrant(tuning.fixed, names),
        "chosen": _entrant(tuning.chosen, names),
        "holds_nearby": tuning.holds_nearby,
        "invalid": tuning.invalid,
    }
    if tuning.fixed is not None:
        found["fixed"]["replicas"] = tuning.fixed.document["spec"]["parameters"]["replicas"]
    return found | ({"partial": True} if tuning.partial else {})


def _entrant(entrant: Entrant | None, names: list[str]) -> dict[str, Any] | None:
    if entrant is None:
        return None
    return {
        "values": None if entrant.setting is None else dict(zip(names, entrant.setting, strict=True)),
        "tuned": entrant.tuned.to_json(),
        "judged": None if entrant.judged is None else entrant.judged.to_json(),
    }


def policy_text(tuning: Tuning, chosen: Entrant, scene: Scene) -> str:
    """Return the chosen setting as a document that can be used as it is; its name says that it was tuned."""
    question = tuning.question
    document: Document = copy.deepcopy(chosen.document)
    name = question.subject.name
    document.setdefault("metadata", {})["name"] = name if name.endswith(_TUNED) else name + _TUNED
    ttft_seconds, tpot_seconds = scene.objective
    head = [
        f"Tuned from {name} by `autoscaler tune` in the scenario {scene.name}, where {100 * question.target:g} % of",
        f"the requests are to have their first token in {ttft_seconds:g} s and each other in {tpot_seconds:g} s.",
        f"Seeds {_listed(question.tuned_seeds)}, by which it was chosen: {_told(chosen.tuned)}.",
    ]
    if chosen.judged is not None:
        head.append(f"Seeds {_listed(question.judged_seeds)}, by which it was not: {_told(chosen.judged)}.")
    else:
        head.append("It was not judged on other seeds.")
    if tuning.holds_nearby is False:
        head.append("It stands on a cliff: a little more or less of a parameter misses the objective.")
    return "".join(f"# {line}\n" for line in head) + yaml.safe_dump(document, sort_keys=False, width=120)


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))


def _told(found: Summary) -> str:
    return (
        f"{100 * found.mean.slo_attainment:.2f} % (lowest {100 * found.lowest_attainment:.2f} %), "
        f"{found.mean.gpu_hours:.2f} GPU-hours"
    )


def check_out(path: Path | None, *, force: bool) -> None:
    """Refuse a file that could not be written after the work is done.

    Raises:
        UsageError: it has another ending, its folder is not there, or it is there already and `force` is not given.
    """
    if path is None:
        return
    if path.suffix not in SUFFIXES:
        raise UsageError(f"--out {str(path)!r}: must end in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"--out {str(path)!r}: must be in a folder that exists (found {str(path.parent)!r})")
    if path.exists() and not (force and path.is_file()):
        raise UsageError(f"--out {str(path)!r}: is there already; --force writes over a file")


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is there either whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, suffix=path.suffix, delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
