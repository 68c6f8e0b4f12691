"""One line a cell: what one decider came to in one redraw of a scene, and the file that keeps them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEFAULT, GRID, FIXED, OURS, REFERENCE = "default", "grid", "fixed", "ours", "reference"
"""Groups of deciders."""
ORACLE, BOUND = "oracle", "bound"
UNMET = "none met"
"""The note of an oracle of whose schedules none met the objective."""


class Key(NamedTuple):
    """Which cell it is."""

    scene: str
    cold_start: int
    seed: int
    group: str
    decider: str
    setting: str
    """Tells the settings of a family apart; of ours, the version."""


class Cell(NamedTuple):
    """Counted and billed from the end of the warm-up to the last arrival."""

    scene: str
    cold_start: int
    seed: int
    group: str
    decider: str
    setting: str
    attainment: float
    """NaN of a bound."""
    gpu_hours: float
    dollars: float
    ttft_p99_seconds: float
    """Of the requests that got a first token."""
    actions: int
    """Decisions for another count."""
    cold_starts: int
    """Replicas created."""
    max_replicas: int
    """Wanted at once."""
    requests: int
    note: str = ""

    @property
    def key(self) -> Key:
        """Which cell it is."""
        return Key(self.scene, self.cold_start, self.seed, self.group, self.decider, self.setting)


class Store:
    """The cells of a file of JSON lines; a later line of the same cell wins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.cells: dict[Key, Cell] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._keep(_read(line))

    def add(self, cells: Iterable[Cell]) -> None:
        """Keep cells, and write them down at once."""
        with self._path.open("a", encoding="utf-8") as file:
            for cell in cells:
                file.write(json.dumps({name: _plain(value) for name, value in cell._asdict().items()}) + "\n")
                file.flush()
                self._keep(cell)

    def _keep(self, cell: Cell) -> None:
        # ours is run again and again: the newest version is the last of them
        self.cells.pop(cell.key, None)
        self.cells[cell.key] = cell


def _read(line: str) -> Cell:
    fields: dict[str, Any] = {name: math.nan if value is None else value for name, value in json.loads(line).items()}
    return Cell(**fields)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
