"""The published table read back: what was played before stays on the page without being played again.

A row of the table has means over redraws, so its redraws come back as alike: those that chose with the mean of all less
the judging ones, those that judged with theirs. Every mean and every choice is as it was, to the table's four digits.
"""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.scoreboard.cases import JUDGING_SEEDS, OBJECTIVE, TUNING_SEEDS
from benchmarks.scoreboard.cells import ORACLE, OURS, UNMET, Cell

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_GPU_HOUR_USD = 2.5


class Name(NamedTuple):
    """Which row it is."""

    scene: str
    cold_start: int
    group: str
    decider: str
    setting: str


class Kept(NamedTuple):
    """A row of the published table."""

    line: tuple[str, ...] | None
    """As it stands there; None where some of its redraws were played again."""
    cells: tuple[Cell, ...]


def name_of(cell: Cell) -> Name:
    """Return the row that a cell belongs to."""
    return Name(cell.scene, cell.cold_start, cell.group, cell.decider, cell.setting)


def kept(table: Path, played: Iterable[Cell]) -> dict[Name, Kept]:
    """Return the table's rows without the redraws that were played since; of ours, none."""
    since: dict[Name, set[int]] = {}
    for cell in played:
        since.setdefault(name_of(cell), set()).add(cell.seed)
    found = {}
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = Name(
                row["scene"], int(row["cold_start"]), row["group"], row["decider"], row["setting"].replace(" ", ",")
            )
            again = since.get(name, set())
            cells = tuple(cell for cell in _cells(name, row) if cell.seed not in again)
            if name.group != OURS and cells:
                found[name] = Kept(None if again else tuple(row.values()), cells)
    return found


def _cells(name: Name, row: dict[str, str]) -> Iterable[Cell]:
    redraws, judged = int(row["redraws"]), row["judged_met"] != ""
    attainment, hours = _number(row["met_mean"]), _number(row["gpu_hours"])
    choosing: tuple[int, ...] = TUNING_SEEDS[:redraws]
    if judged:
        met, paid = _number(row["judged_met"]), _number(row["judged_gpu_hours"])
        yield from (_cell(name, row, seed, met, paid) for seed in JUDGING_SEEDS)
        choosing = TUNING_SEEDS[: redraws - len(JUDGING_SEEDS)]
        if choosing:
            attainment = (redraws * attainment - len(JUDGING_SEEDS) * met) / len(choosing)
            hours = (redraws * hours - len(JUDGING_SEEDS) * paid) / len(choosing)
    elif name.decider == ORACLE or row["met_mean"] == "":
        choosing = JUDGING_SEEDS[:1]
    yield from (_cell(name, row, seed, attainment, hours) for seed in choosing)


def _cell(name: Name, row: dict[str, str], seed: int, attainment: float, hours: float) -> Cell:
    unmet = name.decider == ORACLE and attainment < OBJECTIVE
    return Cell(
        name.scene,
        name.cold_start,
        seed,
        name.group,
        name.decider,
        name.setting,
        attainment,
        hours,
        hours * _GPU_HOUR_USD,
        _number(row["ttft_p99"]),
        int(row["changes"]),
        int(row["cold_starts"]),
        int(row["most"]),
        0,
        UNMET if unmet else "",
    )


def _number(text: str) -> float:
    return float(text) if text else math.nan
