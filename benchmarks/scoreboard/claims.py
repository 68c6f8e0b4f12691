"""What was asked of our policy, what was measured, and whether that is enough: one line a figure."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.scoreboard.board import Board, cheapest
from benchmarks.scoreboard.cases import COLD_STARTS, DEVELOPMENT, HELD_OUT
from benchmarks.scoreboard.cells import FIXED, ORACLE, UNMET
from benchmarks.scoreboard.choose import holds
from benchmarks.scoreboard.tables import places, table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from benchmarks.scoreboard.board import Place, Row
    from benchmarks.scoreboard.cases import Case

FLASH, CHAT, WEEKLY, CONSTANT, BURSTY, SURGES = "flash crowd", "chat", "weekly", "constant", "bursty", "surges"
SMOOTH = (CHAT, WEEKLY, CONSTANT, FLASH)
SLACK = 1e-9
ROUNDED = 0.005
"""Ratios are compared as they are printed."""


class Measured(NamedTuple):
    """One place's figure."""

    value: float
    """Infinite where ours missed the objective: then what it costs does not compare."""
    place: Place

    @property
    def words(self) -> str:
        """Where it was."""
        return f"{self.place.scene} {self.place.cold_start} s"


class Claim(NamedTuple):
    """Figures of several places, and the most that was asked for: of their mean, and of each."""

    what: str
    wanted: str
    found: list[Measured]
    mean_at_most: float | None
    each_at_most: float | None
    percent: bool = True

    def line(self) -> tuple[str, str, str, str, str]:
        """Return what was asked, what was measured in the mean and at worst, and whether it is met."""
        if not self.found:
            return (self.what, self.wanted, "not played", "", "")
        finite = [one.value for one in finite_ones(self.found)]
        mean = statistics.fmean(finite) if finite else math.inf
        worst = max(self.found)
        good = self.mean_at_most is None or mean <= self.mean_at_most + SLACK
        limit = self.each_at_most
        slack = SLACK if self.percent else ROUNDED
        within = sum(one.value <= (math.inf if limit is None else limit + slack) for one in finite_ones(self.found))
        verdict = "yes" if within == len(self.found) else f"no: {within} of {len(self.found)}"
        if verdict == "yes" and not good:
            verdict = "no, in the mean"
        return (self.what, self.wanted, self._said(mean), f"{self._said(worst.value)} ({worst.words})", verdict)

    def _said(self, value: float) -> str:
        if math.isinf(value):
            return "objective missed"
        return f"{100 * value:+.0f} %" if self.percent else f"{value:.2f}"


def finite_ones(found: list[Measured]) -> list[Measured]:
    """Return the figures of the places where ours met the objective."""
    return [one for one in found if math.isfinite(one.value)]


def claims(board: Board) -> str:
    """Return all figures as a table."""
    head = ("figure", "asked", "mean", "worst", "met")
    return table(head, [*(claim.line() for claim in _costs(board)), *_attainment(board)], words=2)


def _costs(board: Board) -> Iterator[Claim]:
    yield from _against_rivals(board)
    for kind, most in ((FLASH, 1.10), (CHAT, 1.20), (WEEKLY, 1.20), (CONSTANT, 1.00), (BURSTY, 1.40)):
        yield _against_oracle(board, kind, most)
    yield from _against_fixed(board)


def _against_rivals(board: Board) -> Iterator[Claim]:
    lively = (CHAT, FLASH, WEEKLY)
    what = "cost against the cheapest default that met 99 %"
    yield Claim(what, "-65 % each", _among(board, lively, _default), None, -0.65)
    what = "the same, of the defaults that change the count at all"
    yield Claim(what, "-65 % each", _among(board, lively, _moving), None, -0.65)
    what = "cost against the best tuned peer or fixed fleet that held 99 %"
    found = _among(board, SMOOTH, _tuned)
    yield Claim(what, "-10 % in the mean, +5 % at most", found, -0.10, 0.05)
    for cold_start in sorted(COLD_STARTS):
        alike = [one for one in found if one.place.cold_start == cold_start]
        yield Claim(f"the same, cold start {cold_start} s", "the same", alike, -0.10, 0.05)
    what = "cost against the best peer or fleet with settings carried over"
    found = _among(board, (FLASH, WEEKLY), _carried, HELD_OUT)
    yield Claim(what, "-12 % in the mean", found, -0.12, None)


def _against_oracle(board: Board, kind: str, most: float) -> Claim:
    cases = [one for one in (*DEVELOPMENT, *HELD_OUT) if one.kind == kind]
    ratios = [(place, _over_oracle(board, place)) for place in places(cases, board)]
    found = [Measured(ratio, place) for place, ratio in ratios if ratio is not None]
    return Claim(f"cost over that of the oracle, {kind}", f"{most:.2f} each", found, None, most, percent=False)


def _against_fixed(board: Board) -> Iterator[Claim]:
    what = "cost against the best fixed fleet, bursty"
    yield Claim(what, "+0 % each", _among(board, (BURSTY,), Board.fixed), None, 0.0)
    what = "cost against the fixed fleet carried over, bursty"
    yield Claim(what, "+0 % each", _among(board, (BURSTY,), _fixed_carried, HELD_OUT), None, 0.0)
    what = "cost against the best fixed fleet, surges"
    yield Claim(what, "+10 % each", _among(board, (SURGES,), Board.fixed), None, 0.10)


def _among(
    board: Board,
    kinds: Collection[str],
    rival: Callable[[Board, Place], Row | None],
    cases: Iterable[Case] = DEVELOPMENT,
) -> list[Measured]:
    """Return by what share ours is dearer than the rival, wherever both were played in a case of the kinds."""
    there = places([one for one in cases if one.kind in kinds], board)
    extras = [(place, _extra(board.ours(place), rival(board, place))) for place in there]
    return [Measured(extra, place) for place, extra in extras if extra is not None]


def _default(board: Board, place: Place) -> Row | None:
    return cheapest(board.defaults(place))


def _moving(board: Board, place: Place) -> Row | None:
    return cheapest(row for row in board.defaults(place) if any(cell.actions for cell in row.cells.values()))


def _tuned(board: Board, place: Place) -> Row | None:
    return cheapest(board.rivals(place))


def _carried(board: Board, place: Place) -> Row | None:
    return cheapest(board.carried(place))


def _fixed_carried(board: Board, place: Place) -> Row | None:
    return next((row for row in board.carried(place) if row.decider == FIXED), None)


def _attainment(board: Board) -> Iterator[tuple[str, str, str, str, str]]:
    shares: list[Measured] = []
    spreads: list[Measured] = []
    for place in places((*DEVELOPMENT, *HELD_OUT), board):
        ours = board.ours(place)
        cells = list(ours.cells.values()) if ours else []
        if cells:
            hours = [cell.gpu_hours for cell in cells]
            shares.append(Measured(min(cell.attainment for cell in cells), place))
            spreads.append(Measured((max(hours) - min(hours)) / statistics.fmean(hours), place))
    what, wanted = "objective met on every redraw", "99 % each"
    if not shares:
        yield (what, wanted, "not played", "", "")
        return
    worst, wide = min(shares), max(spreads)
    held = sum(holds(one.value) for one in shares)
    mean = statistics.fmean(one.value for one in shares)
    yield (what, wanted, f"{100 * mean:.2f} %", f"{100 * worst.value:.2f} % ({worst.words})", _of(held, shares))
    narrow = sum(one.value <= 0.03 for one in spreads)
    mean = statistics.fmean(one.value for one in spreads)
    said = (f"{100 * mean:.1f} %", f"{100 * wide.value:.1f} % ({wide.words})")
    yield ("spread of cost over redraws", "3 % each", *said, _of(narrow, spreads))


def _of(good: int, found: list[Measured]) -> str:
    return "yes" if good == len(found) else f"no: {good} of {len(found)}"


def _extra(ours: Row | None, other: Row | None) -> float | None:
    """Return by what share ours is dearer on the judging redraws."""
    mine, theirs = (None if row is None else row.judged for row in (ours, other))
    if mine is None or theirs is None:
        return None
    return mine.gpu_hours / theirs.gpu_hours - 1 if holds(mine.attainment) else math.inf


def _over_oracle(board: Board, place: Place) -> float | None:
    ours, oracle = board.ours(place), board.reference(place, ORACLE)
    cell = None if ours is None or oracle is None else ours.cells.get(oracle.seed)
    if cell is None or oracle is None or oracle.note.startswith(UNMET):
        return None
    return cell.gpu_hours / oracle.gpu_hours if holds(cell.attainment) else math.inf
