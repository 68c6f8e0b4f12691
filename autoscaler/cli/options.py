"""What both `simulate` and `tune` are asked in the same words: the scenario, its trace, and how to answer."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_SCENARIO = "chat"

ScenarioName = Annotated[
    str | None, typer.Argument(help="A scenario of the library, or a file.", show_default=DEFAULT_SCENARIO)
]
RateScale = Annotated[float | None, typer.Option(min=1e-6, max=1e6, help="Multiply the trace's arrivals per second.")]
Window = Annotated[
    tuple[float, float] | None,
    typer.Option(min=0, metavar="START END", help="Only this part of the trace, in seconds from its start."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
