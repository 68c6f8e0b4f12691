"""The presets as a list: for people as a table, for machines as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoscaler.experiments.columns import Column, draw
from autoscaler.simulator.presets import PRESETS

if TYPE_CHECKING:
    from rich.console import Console

    from autoscaler.simulator.presets import Preset

_COLUMNS = (
    Column("preset", left=True),
    Column("GPU", spare=1, left=True),
    Column("model", spare=2, left=True),
    *map(Column, ("TP", "a", "b", "c", "d", "KV tokens")),
    Column("engine", spare=3, left=True),
    Column("grade", left=True),
    Column("source", spare=4, left=True),
)
LEGEND = (
    "an iteration takes a + b·prefill + c·batch + d·context, in milliseconds and tokens; TP: GPUs of one replica\n"
    "measured: fitted to end-to-end measurements; composed: from measured kernels; physics: scaled, not verified"
)


def to_json() -> dict[str, Any]:
    """Return plain JSON values."""
    return {"presets": [preset._asdict() for preset in PRESETS.values()]}


def render(console: Console) -> None:
    """Print the table, and what its columns mean."""
    draw(_COLUMNS, [_cells(preset) for preset in PRESETS.values()], console)
    console.print(LEGEND, highlight=False, markup=False, soft_wrap=True)


def _cells(preset: Preset) -> tuple[str, ...]:
    coefficients = (preset.base_ms, preset.prefill_ms, preset.sequence_ms)
    return (
        preset.name,
        preset.gpu,
        preset.model,
        str(preset.gpus),
        *(f"{value:g}" for value in coefficients),
        f"{preset.context_ms:.2e}",
        f"{preset.kv_tokens:,}".replace(",", " "),
        preset.engine,
        str(preset.grade),
        preset.source,
    )
