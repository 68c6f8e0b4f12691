"""`autoscaler schema`: the JSON Schema of the documents."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from autoscaler.documents.load import KINDS
from autoscaler.documents.schema import schema as whole
from autoscaler.documents.schema import schema_of
from autoscaler.documents.wording import close_match
from autoscaler.errors import UsageError


def schema(
    kind: Annotated[
        str, typer.Option("--kind", help="Only this kind: InferenceAutoscaler, ScalingPolicy or Scenario.")
    ] = "",
) -> None:
    """Print the JSON Schema of the documents."""
    if kind and kind not in KINDS:
        raise UsageError(f"--kind {kind}: must be one of {', '.join(KINDS)}{close_match(kind, KINDS)}")
    typer.echo(json.dumps(schema_of(kind) if kind else whole(), indent=2))
