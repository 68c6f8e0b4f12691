"""The page's tables, as markdown: ours against what people run, what they could run, and what is possible."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.scoreboard.board import Place, cheapest
from benchmarks.scoreboard.cases import COLD_STARTS, DEVELOPMENT, HELD_OUT, Case
from benchmarks.scoreboard.cells import BOUND, FIXED, GRID, ORACLE
from benchmarks.scoreboard.choose import holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.scoreboard.board import Board, Row
    from benchmarks.scoreboard.choose import Mean

NONE = "-"
NOT_PLAYED = "not played"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Return a markdown table; all columns but the first `words` ones are set to the right."""
    lines = [head, [*["---"] * words, *["--:"] * (len(head) - words)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def places(cases: Iterable[Case], board: Board) -> Iterator[Place]:
    """Yield the places that were played, scene by scene."""
    there = set(board.places)
    for one in cases:
        yield from (place for cold in sorted(COLD_STARTS) if (place := Place(one.scene, cold)) in there)


def pair(found: Mean | None) -> str:
    """Return attainment and GPU-hours together, in bold where the objective is met."""
    if found is None:
        return NONE
    text = f"{100 * found.attainment:.2f} / {_hours(found.gpu_hours)}"
    return f"**{text}**" if holds(found.attainment) else text


def scenes() -> str:
    """Return what was played."""
    rows = [
        (f"`{one.scene}`", one.what, one.kind, f"settings of `{one.settings_from}`" if one.settings_from else "")
        for one in (*DEVELOPMENT, *HELD_OUT)
    ]
    return table(("scene", "traffic and replica", "kind", "held out"), rows, words=4)


def against_defaults(board: Board) -> str:
    """Return ours beside the cheapest of the peers' defaults that meets the objective."""
    rows = []
    for place in places((*DEVELOPMENT, *HELD_OUT), board):
        rival = cheapest(board.defaults(place))
        held = sum(row.met for row in board.defaults(place))
        rows.append(
            (
                *_where(place),
                f"{held} of {len(board.defaults(place))}" if board.defaults(place) else NONE,
                rival.name if rival else "none" if board.defaults(place) else NOT_PLAYED,
                pair(rival.judged if rival else None),
                f"{statistics.fmean(cell.actions for cell in rival.cells.values()):.0f}" if rival else NONE,
                pair(_judged(board.ours(place))),
                saving(board.ours(place), rival),
            )
        )
    return table(
        ("scene", "start", "met 99 %", "the cheapest of them", "it", "its changes", "ours", "ours costs"), rows
    )


def every_default(board: Board, cold_start: int) -> str:
    """Return all peers' defaults in all scenes."""
    there = [place for place in places((*DEVELOPMENT, *HELD_OUT), board) if place.cold_start == cold_start]
    names = dict.fromkeys(row.decider for place in there for row in board.defaults(place))
    rows = []
    for place in there:
        found = {row.decider: pair(row.judged) for row in board.defaults(place)}
        rows.append((f"`{place.scene}`", *(found.get(name, NONE) for name in names), pair(_judged(board.ours(place)))))
    return table(("scene", *names, "ours"), rows)


def against_tuned(board: Board) -> str:
    """Return ours beside the best tuned peer and the best fixed fleet."""
    rows = []
    for place in places(DEVELOPMENT, board):
        chosen = board.chosen(place)
        first = min(chosen.values(), key=lambda row: row.tuned.gpu_hours if row.tuned else 0.0, default=None)
        rival, fixed, ours = cheapest(board.rivals(place)), board.fixed(place), board.ours(place)
        tried = GRID in board.groups(place)
        rows.append(
            (
                *_where(place),
                _named(fixed, played=FIXED in board.groups(place)),
                _named(first, played=tried),
                "the same" if rival is first and rival else _named(rival, played=tried),
                pair(_judged(ours)),
                saving(ours, rival),
                saving(ours, fixed),
            )
        )
    head = ("scene", "start", "best fixed fleet", "cheapest when tuned", "cheapest that held", "ours")
    return table((*head, "to that one", "to the fleet"), rows)


def families(board: Board, cold_start: int) -> str:
    """Return the tuned setting of every family, judged."""
    there = [place for place in places(DEVELOPMENT, board) if place.cold_start == cold_start]
    names = dict.fromkeys(name for place in there for name in board.chosen(place))
    rows = []
    for place in there:
        chosen = board.chosen(place)
        cells = (f"{chosen[name].setting}: {pair(chosen[name].judged)}" if name in chosen else NONE for name in names)
        rows.append((f"`{place.scene}`", *cells))
    return table(("scene", *names), rows)


def carried_over(board: Board) -> str:
    """Return ours beside peers whose settings come from the traffic that the held-out traffic resembles."""
    rows = []
    for place in places(HELD_OUT, board):
        carried, ours = board.carried(place), board.ours(place)
        rival = cheapest(carried)
        hindsight = cheapest(board.rivals(place))
        rows.append(
            (
                *_where(place),
                f"{sum(row.met for row in carried)} of {len(carried)}" if carried else NONE,
                _named(rival, played=bool(carried)),
                _named(hindsight, played=any(row.tuned for row in board.rows(place, GRID))),
                pair(_judged(ours)),
                saving(ours, rival),
                saving(ours, hindsight),
            )
        )
    head = ("scene", "start", "held 99 %", "the cheapest that held", "best when tuned here", "ours")
    return table((*head, "to the carried", "to the tuned"), rows)


def against_possible(board: Board) -> str:
    """Return ours beside the best schedule made with hindsight and the lower bound, on the first judging redraw."""
    rows = []
    for place in places((*DEVELOPMENT, *HELD_OUT), board):
        oracle, bound = board.reference(place, ORACLE), board.reference(place, BOUND)
        ours = board.ours(place)
        cell = None if ours is None or oracle is None else ours.cells.get(oracle.seed)
        rows.append(
            (
                *_where(place),
                f"{bound.gpu_hours:.2f}" if bound else NONE,
                f"{100 * oracle.attainment:.2f} / {_hours(oracle.gpu_hours)}" if oracle else NONE,
                f"{100 * cell.attainment:.2f} / {_hours(cell.gpu_hours)}" if cell else NONE,
                f"{cell.gpu_hours / oracle.gpu_hours:.2f}" if cell and oracle else NONE,
                f"{cell.gpu_hours / bound.gpu_hours:.2f}" if cell and bound else NONE,
            )
        )
    return table(("scene", "start", "bound", "oracle", "ours", "to the oracle", "to the bound"), rows)


def steadiness(board: Board) -> str:
    """Return how far ours differs from redraw to redraw."""
    rows = []
    for place in places((*DEVELOPMENT, *HELD_OUT), board):
        ours = board.ours(place)
        if ours is None:
            continue
        cells = list(ours.cells.values())
        hours = [cell.gpu_hours for cell in cells]
        rows.append(
            (
                *_where(place),
                str(len(cells)),
                f"{100 * statistics.fmean(cell.attainment for cell in cells):.2f}",
                f"{100 * min(cell.attainment for cell in cells):.2f}",
                _hours(statistics.fmean(hours)),
                f"{100 * (max(hours) - min(hours)) / statistics.fmean(hours):.1f} %",
                f"{statistics.fmean(cell.actions for cell in cells):.0f}",
                f"{statistics.fmean(cell.cold_starts for cell in cells):.0f}",
                f"{max(cell.ttft_p99_seconds for cell in cells):.2f} s",
                f"{statistics.fmean(cell.dollars for cell in cells):.0f}",
            )
        )
    head = ("scene", "start", "redraws", "met %", "lowest %", "GPU-hours", "spread", "changes", "cold starts")
    return table((*head, "worst P99 TTFT", "$"), rows)


def saving(ours: Row | None, other: Row | None) -> str:
    """Return by how much ours is cheaper or dearer, both on the judging redraws; in brackets where ours failed."""
    mine, theirs = _judged(ours), _judged(other)
    if mine is None or theirs is None:
        return NONE
    text = f"{100 * (mine.gpu_hours / theirs.gpu_hours - 1):+.0f} %"
    return text if holds(mine.attainment) else f"({text})"


def _where(place: Place) -> tuple[str, str]:
    return f"`{place.scene}`", f"{place.cold_start} s"


def _judged(row: Row | None) -> Mean | None:
    return None if row is None else row.judged


def _named(row: Row | None, *, played: bool) -> str:
    if not played:
        return NOT_PLAYED
    return "none" if row is None else f"{row.name}: {pair(row.judged)}"


def _hours(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 100 else f"{hours:.1f}"
