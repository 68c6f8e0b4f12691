"""The presets as a list: for people as a table, for machines as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from autoscaler.simulator.presets import PRESETS

if TYPE_CHECKING:
    from rich.console import Console

    from autoscaler.simulator.presets import Preset

_HEAD = ("preset", "GPU", "model", "TP", "a", "b", "c", "d", "KV tokens", "engine", "grade", "source")
_NUMBERS = _HEAD[3:9]
LEGEND = (
    "an iteration takes a + b·prefill + c·batch + d·context, in milliseconds and tokens; TP: GPUs of one replica\n"
    "measured: fitted to end-to-end measurements; composed: from measured kernels; physics: scaled, not verified"
)


def to_json() -> dict[str, Any]:
    """Return plain JSON values."""
    return {"presets": [preset._asdict() for preset in PRESETS.values()]}


def render(console: Console) -> None:
    """Print the table, and what its columns mean."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in _HEAD:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=name == "preset")
    for preset in PRESETS.values():
        table.add_row(*_cells(preset))
    console.print(table)
    console.print(LEGEND, highlight=False, markup=False)


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
