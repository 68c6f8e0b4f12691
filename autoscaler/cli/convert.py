"""`autoscaler convert`: other autoscalers' manifests as documents of ours."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.documents.manifests.convert import convert as convert_manifests
from autoscaler.documents.parse import parse, read

if TYPE_CHECKING:
    from autoscaler.documents.parse import Raw


def convert(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Manifests, YAML or JSON, or - for standard input: kubectl get -o yaml."),
    ],
) -> None:
    """Turn HorizontalPodAutoscaler (autoscaling/v2) and KEDA ScaledObject manifests into documents.

    Documents go to standard output, what could not be carried over to standard error and into comments. They are in
    DryRun, and pass `autoscaler check`.
    """
    converted = convert_manifests(_raws(file))
    for note in converted.notes:
        typer.echo(f"autoscaler: {note}", err=True)
    typer.echo(converted.text, nl=False)


def _raws(file: Path) -> tuple[Raw, ...]:
    return parse(sys.stdin.read(), "standard input") if str(file) == "-" else read(file)
