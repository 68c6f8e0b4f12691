"""Which cells are run, in which order: each choice is made on the tuning redraws, and judged on the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.lab.scenes import SETTINGS
from benchmarks.scoreboard.cases import ALL_SEEDS, JUDGING_SEEDS, TUNING_SEEDS, case
from benchmarks.scoreboard.cells import BOUND, DEFAULT, FIXED, GRID, ORACLE, OURS, REFERENCE, Key
from benchmarks.scoreboard.choose import TOO_DEAR, floors, holds, mean, search, smallest
from benchmarks.scoreboard.grids import DEFAULTS, FLOOR_SHARES, grid, large_grid, setting_of
from benchmarks.scoreboard.play import Job, progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.scoreboard.cases import Case
    from benchmarks.scoreboard.cells import Cell
    from benchmarks.scoreboard.choose import Mean
    from benchmarks.scoreboard.grids import Setting
    from benchmarks.scoreboard.play import Bench


class Place(NamedTuple):
    """A scene under one cold start, and the bench that plays it."""

    bench: Bench
    scene: str
    cold_start: int

    def jobs(self, setting: Setting, seeds: Iterable[int]) -> list[Job]:
        """Return a setting's jobs."""
        words = setting.name.removeprefix(f"{setting.family}@")
        keys = (Key(self.scene, self.cold_start, seed, GRID, setting.family, words) for seed in seeds)
        return [Job(key, setting.model, setting.floor) for key in keys]

    def several(self, settings: Sequence[Setting], seeds: Sequence[int]) -> list[list[Cell]]:
        """Return the cells of each setting."""
        cells = iter(self.bench.cells([job for setting in settings for job in self.jobs(setting, seeds)]))
        return [[next(cells) for _ in seeds] for _ in settings]

    def fixed(self, count: int, seeds: Iterable[int]) -> list[Cell]:
        """Return the cells of a fixed fleet."""
        return self.bench.cells(
            [Job(Key(self.scene, self.cold_start, seed, FIXED, FIXED, str(count))) for seed in seeds]
        )

    def defaults(self, seeds: Iterable[int]) -> None:
        """Play every ready-made peer as it comes."""
        self.bench.cells(
            [
                Job(Key(self.scene, self.cold_start, seed, DEFAULT, name, ""), model)
                for seed in seeds
                for name, model in DEFAULTS.items()
            ]
        )

    def ours(self, policy: str, label: str, seeds: Iterable[int]) -> None:
        """Play our policy; `label` is its version."""
        keys = (Key(self.scene, self.cold_start, seed, OURS, "ours", label) for seed in seeds)
        self.bench.cells([Job(key, policy=policy) for key in keys])

    def reference(self, name: str, seeds: Iterable[int] = JUDGING_SEEDS[:1]) -> None:
        """Find the oracle or the bound of the first judging redraw."""
        self.bench.cells([Job(Key(self.scene, self.cold_start, seed, REFERENCE, name, "")) for seed in seeds])


def again(key: Key) -> Job:
    """Return the job that a peer's cell was made by."""
    if key.group == DEFAULT:
        return Job(key, DEFAULTS[key.decider])
    if key.group == GRID:
        found = setting_of(key.decider, key.setting)
        return Job(key, found.model, found.floor)
    return Job(key)


def best_fixed(place: Place) -> int:
    """Return the smallest fixed fleet that meets the objective in the mean of the tuning redraws."""

    def enough(count: int) -> bool:
        return holds(mean(place.fixed(count, TUNING_SEEDS)).attainment)

    return smallest(enough, SETTINGS[place.scene].most)


def tuned(place: Place, fixed: int) -> dict[str, Setting]:
    """Return the best setting of each family that has one, and is not far dearer than the best fixed fleet or peer."""
    found = {}
    cheapest = mean(place.fixed(fixed, TUNING_SEEDS)).gpu_hours
    families: dict[str, list[Setting]] = {}
    for setting in large_grid() if case(place.scene).large else grid():
        families.setdefault(setting.family, []).append(setting)
    for family, settings in families.items():
        best = _best_of_family(place, settings, fixed, TOO_DEAR * cheapest)
        if best is not None:
            found[family] = best[0]
            cheapest = min(cheapest, best[1].gpu_hours)
        progress(f"{place.scene} {place.cold_start}: {best[0].name if best else f'{family}: none'}")
    return found


def _best_of_family(
    place: Place, settings: Sequence[Setting], fixed: int, limit_hours: float
) -> tuple[Setting, Mean] | None:
    def first(batch: Sequence[Setting]) -> list[Cell]:
        return [cells[0] for cells in place.several(batch, TUNING_SEEDS[:1])]

    def on_all(batch: Sequence[Setting]) -> list[list[Cell]]:
        return place.several(batch, TUNING_SEEDS)

    without = search(settings, first, on_all, limit_hours)
    base = (
        without[0]
        if without
        else max(zip(settings, first(settings), strict=True), key=lambda one: one[1].attainment)[0]
    )
    lifted = [base._replace(floor=floor) for floor in floors(FLOOR_SHARES, fixed)]
    with_floor = search(lifted, first, on_all, limit_hours)
    both = [one for one in (without, with_floor) if one]
    return min(both, key=lambda one: one[1].gpu_hours, default=None)


def develop(place: Place) -> None:
    """Play defaults, find the best fixed fleet and the best setting of each family, and judge them."""
    place.defaults(JUDGING_SEEDS)
    count = best_fixed(place)
    place.fixed(count, ALL_SEEDS)
    progress(f"{place.scene} {place.cold_start}: fixed {count}")
    place.several(list(tuned(place, count).values()), JUDGING_SEEDS)


def carry_over(place: Place, case: Case) -> None:
    """Play on held-out traffic what was chosen on the traffic that resembles it, under the same cold start."""
    if case.settings_from is None:
        return
    origin = place._replace(scene=case.settings_from)
    count = best_fixed(origin)
    place.fixed(count, JUDGING_SEEDS)
    place.several(list(tuned(origin, count).values()), JUDGING_SEEDS)


def references(place: Place) -> None:
    """Find the bound and the oracle."""
    place.reference(BOUND)
    place.reference(ORACLE)
