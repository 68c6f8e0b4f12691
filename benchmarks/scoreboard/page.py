"""The page of the scoreboard: its tables between markers, its plots, and every cell beside it."""

from __future__ import annotations

import csv
import io
import math
import re
import statistics
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks.scoreboard import claims, frontier, tables
from benchmarks.scoreboard.board import Board, Row
from benchmarks.scoreboard.cases import DEVELOPMENT, HELD_OUT, JUDGING_SEEDS
from benchmarks.scoreboard.cells import Store
from benchmarks.scoreboard.kept import Name, kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "scoreboard.md"
IMAGES = ROOT / "docs" / "images"
RESULTS = Path(__file__).parent / "results.csv"
HEAD = (
    "scene", "cold_start", "group", "decider", "setting", "redraws", "met_mean", "met_lowest", "gpu_hours",
    "judged_met", "judged_gpu_hours", "ttft_p99", "changes", "cold_starts", "most",
)  # fmt: skip
_NOTHING: Mapping[Name, Sequence[str]] = MappingProxyType({})


def write(cells: Path, label: str | None) -> None:
    """Write page, plots and the complete table: these cells, and what the published table has beside them."""
    played = list(Store(cells).cells.values())
    before = kept(RESULTS, played)
    board = Board([*(cell for row in before.values() for cell in row.cells), *played], label)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), sections(board)), encoding="utf-8")
    for name, text in plots(board).items():
        (IMAGES / name).write_text(text, encoding="utf-8")
    RESULTS.write_text(complete(board, {name: row.line for name, row in before.items() if row.line}), encoding="utf-8")
    print(f"{PAGE}, {RESULTS} ({RESULTS.stat().st_size} bytes), ours: {board.label or 'not played'}")


def sections(board: Board) -> dict[str, str]:
    """Return the generated parts of the page by name."""
    return {
        "claims": claims.claims(board),
        "scenes": tables.scenes(),
        "defaults": tables.against_defaults(board),
        "defaults-80": tables.every_default(board, 80),
        "defaults-300": tables.every_default(board, 300),
        "tuned": tables.against_tuned(board),
        "families-80": tables.families(board, 80),
        "families-300": tables.families(board, 300),
        "carried": tables.carried_over(board),
        "possible": tables.against_possible(board),
        "steadiness": tables.steadiness(board),
    }


def filled(text: str, parts: Mapping[str, str]) -> str:
    """Return the page with what stands between `<!-- begin NAME -->` and `<!-- end -->` renewed.

    Raises:
        ValueError: a marker names no part, or a part has no marker.
    """
    named = re.findall(r"<!-- begin (\S+) -->", text)
    if sorted(named) != sorted(parts):
        raise ValueError(f"the page marks {sorted(named)}, where there are {sorted(parts)}")

    def renewed(found: re.Match[str]) -> str:
        return f"<!-- begin {found[1]} -->\n{parts[found[1]]}\n<!-- end -->"

    return re.sub(r"<!-- begin (\S+) -->\n.*?<!-- end -->", renewed, text, flags=re.DOTALL)


def plots(board: Board) -> dict[str, str]:
    """Return the plots by file name."""
    found = {}
    for cases, words in ((DEVELOPMENT, "scoreboard"), (HELD_OUT, "scoreboard-held-out")):
        for cold_start in (80, 300):
            places = [place for place in tables.places(cases, board) if place.cold_start == cold_start]
            found[f"{words}-{cold_start}.svg"] = frontier.figure([frontier.panel(board, one) for one in places])
    return found


def complete(board: Board, as_before: Mapping[Name, Sequence[str]] = _NOTHING) -> str:
    """Return every setting in every scene as CSV: over all redraws that were played, and over the judging ones.

    Lines of `as_before` stay as they were.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for place in tables.places((*DEVELOPMENT, *HELD_OUT), board):
        for group in sorted(board.groups(place)):
            rows = sorted(board.rows(place, group), key=lambda row: (row.decider, row.setting))
            names = [Name(*place, group, row.decider, row.setting) for row in rows]
            lines = ((*place, group, *_line(row)) for row in rows)
            writer.writerows(as_before.get(name) or line for name, line in zip(names, lines, strict=True))
    return text.getvalue()


def _line(row: Row) -> Iterator[str]:
    cells = [row.cells[seed] for seed in sorted(row.cells)]
    judged = row.over(JUDGING_SEEDS)
    yield row.decider
    yield row.setting.replace(",", " ")
    yield str(len(cells))
    yield _short(statistics.fmean(cell.attainment for cell in cells), 4)
    yield _short(min(cell.attainment for cell in cells), 4)
    yield _short(statistics.fmean(cell.gpu_hours for cell in cells), 2)
    yield _short(judged.attainment, 4) if judged else ""
    yield _short(judged.gpu_hours, 2) if judged else ""
    yield _short(statistics.fmean(cell.ttft_p99_seconds for cell in cells), 2)
    yield f"{statistics.fmean(cell.actions for cell in cells):.0f}"
    yield f"{statistics.fmean(cell.cold_starts for cell in cells):.0f}"
    yield f"{max(cell.max_replicas for cell in cells)}"


def _short(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}".rstrip("0").rstrip(".")
