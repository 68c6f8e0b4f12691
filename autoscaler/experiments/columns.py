"""Tables that fit a screen: columns that can be spared are left out and named, and a number is never cut."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES, _INDENT = 0, " "
_WIDE, _NARROW = 2, 1
"""Blanks between columns; one is that of the box."""


class Column(NamedTuple):
    """What stands above a column, and how soon it may go."""

    head: str
    """One or two lines."""
    spare: int = 0
    """The highest goes first; 0 stays."""
    left: bool = False
    """Words begin at the left, numbers end at the right."""

    @property
    def title(self) -> str:
        """The head as it is spoken of in a sentence."""
        return self.head.replace("-\n", "-").replace("\n/", "/").replace("\n", " ")


class Fitted(NamedTuple):
    """What of a table fits."""

    kept: tuple[int, ...]
    """Places of the columns that stay."""
    gap: int
    """Blanks between two columns."""
    stacked: bool
    """The first column, of names, takes lines of its own: even without what can be spared there is no room beside."""


def fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Fitted:
    """Return what fits into `width` characters: first the columns move together, then what can be spared goes."""
    widths = [_width(column, [row[place] for row in rows]) for place, column in enumerate(columns)]
    kept = list(range(len(columns)))
    spared = sorted((place for place in kept if columns[place].spare), key=lambda place: -columns[place].spare)
    gap = _WIDE if _total(widths, kept, _WIDE) <= width else _NARROW
    while spared and _total(widths, kept, gap) > width:
        kept.remove(spared.pop(0))
    return Fitted(tuple(kept), gap, _total(widths, kept, gap) > width)


def draw(columns: Sequence[Column], rows: Sequence[Sequence[str]], console: Console) -> None:
    """Print a table that fits the console, and which columns it leaves out."""
    kept, gap, stacked = fit(columns, rows, console.width)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - _NARROW, 0, 0))
    for place in kept:
        head = "" if stacked and place == _NAMES else columns[place].head
        table.add_column(head, justify="left" if columns[place].left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(_INDENT if stacked and place == _NAMES else row[place] for place in kept))
    # rich would squeeze a table that is still too wide, and cut its numbers; the terminal wraps it
    lines = _lines(table)
    if stacked:
        lines = _with_names(lines, [row[_NAMES] for row in rows])
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    if left_out := [column.title for place, column in enumerate(columns) if place not in kept]:
        console.print(Text(f"no room for {', '.join(left_out)}: widen the terminal, or --json"), soft_wrap=True)


def _with_names(lines: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the lines of a table with each row's name above it."""
    head = len(lines) - len(names)
    below = [text for pair in zip(names, lines[head:], strict=True) for text in pair]
    return [*lines[:head], *below]


def _lines(table: Table) -> list[str]:
    text = StringIO()
    Console(file=text, width=10_000, no_color=True, highlight=False).print(table)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def _width(column: Column, cells: Sequence[str]) -> int:
    return max(map(len, [*column.head.splitlines(), *cells]))


def _total(widths: Sequence[int], kept: Sequence[int], gap: int) -> int:
    return sum(widths[place] for place in kept) + gap * (len(kept) - 1)
