"""`autoscaler check`: whether documents are right, and which of the series they need exist."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.cli.series import report
from autoscaler.documents.autoscaler import InferenceAutoscaler
from autoscaler.documents.compile import compile_all
from autoscaler.documents.lint import rule_warnings, source_warnings, warnings
from autoscaler.documents.load import Loaded, load
from autoscaler.documents.named_policy import scenario_problems
from autoscaler.documents.peer import PeerPolicy
from autoscaler.documents.plugins import registry
from autoscaler.documents.policy import ScalingPolicy
from autoscaler.documents.scenario import Scenario
from autoscaler.documents.wording import close_match, listed, shown
from autoscaler.errors import DocumentError, Problem, UsageError
from autoscaler.settings import SourceKind, load_settings
from autoscaler.simulator.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoscaler.documents.compile import CompiledTarget
    from autoscaler.documents.load import Documents


def check(
    files: Annotated[
        list[Path] | None, typer.Option("--file", "-f", help="File or folder of documents; may be given again.")
    ] = None,
    prometheus: Annotated[
        str, typer.Option("--prometheus", metavar="URL", help="Say which series exist there, and which name was meant.")
    ] = "",
    settings_file: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="Settings: documents, rule files, and how to log in."),
    ] = None,
) -> None:
    """Validate documents, and say which of their series exist.

    Exits with 0 if all are right, 2 if any is wrong, 1 if Prometheus does not answer.
    """
    settings = load_settings(settings_file)
    paths = tuple(files or settings.documents)
    if not paths:
        raise UsageError("check: needs -f FILE or FOLDER, or `documents` in the settings")
    documents = load(paths, registry(settings.rule_files))
    targets = compile_all(documents, interval_seconds=settings.interval_seconds)
    if problems := [*scenario_problems(documents), *_preset_problems(documents)]:
        raise DocumentError(*problems)
    by_key = {target.key: target for target in targets}
    for item in documents.items:
        typer.echo(f"ok {item.origin.at()}: {_summary(item, by_key)}")
        for warning in _warnings(item, by_key, scraping=settings.source is SourceKind.SCRAPE and not prometheus):
            typer.echo(f"  warning: {warning}")
    if prometheus:
        for line in report(targets, settings.prometheus.model_copy(update={"url": prometheus})):
            typer.echo(line)


def _preset_problems(documents: Documents) -> Iterator[Problem]:
    """Yield what the simulator would refuse: documents know nothing of its presets."""
    for document, origin in documents.items:
        if isinstance(document, Scenario) and (name := document.spec.preset) not in PRESETS:
            allowed = f"must be one of {listed(PRESETS)}{close_match(name, PRESETS)}"
            yield Problem(origin.at(("spec", "preset")), "spec.preset", shown(name), allowed)


def _summary(item: Loaded, targets: Mapping[str, CompiledTarget]) -> str:
    document = item.document
    if isinstance(document, InferenceAutoscaler):
        target = targets[document.target_key]
        spec = target.spec
        rules = ", ".join(rule.name for rule in spec.rules)
        scale = f"{target.kind} {target.target_name}, {spec.min_replicas} to {spec.max_replicas} replicas"
        return f"{item.title}: {scale}, {spec.mode}, rules {rules}{_told(target)}"
    if isinstance(document, ScalingPolicy):
        return f"{item.title}: rules {', '.join(str(name) for name in _names(document))}"
    if isinstance(document, PeerPolicy):
        follows = document.spec.parameters.follows
        return f"{item.title}: {document.spec.peer} of the simulator, {follows}"
    return f"{item.title}: policies {', '.join(document.spec.policies)}"


def _told(target: CompiledTarget) -> str:
    """Return what the document says of a replica and of the promise; nothing where it says nothing."""
    replica, objective = target.replica, target.objective
    kind = "" if replica is None else f", replica {replica.preset or 'with iteration times of its own'}"
    if objective is None:
        return kind
    return f"{kind}, objective TTFT {objective.ttft_seconds:g} s and TPOT {objective.tpot_seconds:g} s"


def _names(policy: ScalingPolicy) -> Iterator[str]:
    return (rule.name for rule in policy.spec.compiled_rules)


def _warnings(item: Loaded, targets: Mapping[str, CompiledTarget], *, scraping: bool) -> tuple[str, ...]:
    document = item.document
    if isinstance(document, InferenceAutoscaler):
        target = targets[document.target_key]
        return (*warnings(target), *source_warnings(target, scraping=scraping))
    return rule_warnings(document.spec.compiled_rules) if isinstance(document, ScalingPolicy) else ()
