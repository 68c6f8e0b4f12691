"""The cells as questions are asked of them: by scene, decider and setting, over the redraws that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.scoreboard.cases import JUDGING_SEEDS, TUNING_SEEDS, case
from benchmarks.scoreboard.cells import DEFAULT, FIXED, GRID, OURS, REFERENCE
from benchmarks.scoreboard.choose import Mean, holds, mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.scoreboard.cells import Cell


class Row(NamedTuple):
    """One decider with one setting in one scene under one cold start; cells by seed."""

    decider: str
    setting: str
    cells: Mapping[int, Cell]

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.decider} {self.setting}".strip()

    def over(self, seeds: Iterable[int]) -> Mean | None:
        """Return the mean over redraws; None if one of them was not played."""
        wanted = list(seeds)
        return mean([self.cells[seed] for seed in wanted]) if all(seed in self.cells for seed in wanted) else None

    @property
    def judged(self) -> Mean | None:
        """Over the judging redraws."""
        return self.over(JUDGING_SEEDS)

    @property
    def tuned(self) -> Mean | None:
        """Over the tuning redraws."""
        return self.over(TUNING_SEEDS)

    @property
    def met(self) -> bool:
        """Whether it met the objective on the judging redraws, in the mean."""
        return self.judged is not None and holds(self.judged.attainment)


class Place(NamedTuple):
    """A scene under one cold start."""

    scene: str
    cold_start: int


class Board:
    """All cells; of ours, one version."""

    def __init__(self, cells: Iterable[Cell], label: str | None = None) -> None:
        kept = list(cells)
        played = [cell.setting for cell in kept if cell.group == OURS]
        self.label = label or (played[-1] if played else "")
        self._rows: dict[tuple[Place, str], dict[tuple[str, str], dict[int, Cell]]] = {}
        for cell in kept:
            if cell.group != OURS or cell.setting == self.label:
                rows = self._rows.setdefault((Place(cell.scene, cell.cold_start), cell.group), {})
                rows.setdefault((cell.decider, cell.setting), {})[cell.seed] = cell

    @property
    def places(self) -> list[Place]:
        """Where anything was played."""
        return list(dict.fromkeys(place for place, _ in self._rows))

    def rows(self, place: Place, group: str) -> list[Row]:
        """Return the rows of a group of deciders."""
        return [Row(*name, cells) for name, cells in self._rows.get((place, group), {}).items()]

    def groups(self, place: Place) -> list[str]:
        """Return the groups that were played there."""
        return [group for where, group in self._rows if where == place]

    def ours(self, place: Place) -> Row | None:
        """Return ours."""
        return next(iter(self.rows(place, OURS)), None)

    def reference(self, place: Place, name: str) -> Cell | None:
        """Return the oracle, or the bound; None if it is not there."""
        found = next((row for row in self.rows(place, REFERENCE) if row.decider == name), None)
        return None if found is None else next(iter(found.cells.values()))

    def defaults(self, place: Place) -> list[Row]:
        """Return the peers as they come."""
        return self.rows(place, DEFAULT)

    def fixed(self, place: Place) -> Row | None:
        """Return the smallest fixed fleet that meets the objective on the tuning redraws."""
        good = [row for row in self.rows(place, FIXED) if row.tuned and holds(row.tuned.attainment)]
        return min(good, key=lambda row: int(row.setting), default=None)

    def chosen(self, place: Place) -> dict[str, Row]:
        """Return each family's setting that is cheapest at the objective on the tuning redraws.

        Where two are as good as each other to the digits of the published table, it is the one that was judged.
        """
        good: dict[str, list[tuple[bool, float, Row]]] = {}
        for row in self.rows(place, GRID):
            if row.tuned and holds(row.tuned.attainment):
                good.setdefault(row.decider, []).append((row.judged is None, row.tuned.gpu_hours, row))
        return {family: min(rows, key=lambda one: one[:2])[2] for family, rows in good.items()}

    def rivals(self, place: Place) -> list[Row]:
        """Return the tuned peers, and the best fixed fleet, which is one of them."""
        fixed = self.fixed(place)
        return [*self.chosen(place).values(), *([] if fixed is None else [fixed])]

    def carried(self, place: Place) -> list[Row]:
        """Return what was chosen for the scene that this one resembles, played here; the fixed fleet too."""
        origin = case(place.scene).settings_from
        if origin is None:
            return []
        source = Place(origin, place.cold_start)
        wanted = {(row.decider, row.setting) for row in self.chosen(source).values()}
        fixed = self.fixed(source)
        found = [row for row in self.rows(place, GRID) if (row.decider, row.setting) in wanted]
        return found + [row for row in self.rows(place, FIXED) if fixed and row.setting == fixed.setting]


def cheapest(rows: Iterable[Row]) -> Row | None:
    """Return the cheapest of those that met the objective on the judging redraws."""
    good = [(row.judged.gpu_hours, number, row) for number, row in enumerate(rows) if row.judged and row.met]
    return min(good)[2] if good else None


def played(row: Row) -> Mean | None:
    """Return the mean over all redraws that were played."""
    return mean(list(row.cells.values())) if row.cells else None
