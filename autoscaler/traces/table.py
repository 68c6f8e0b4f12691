"""Columns of a CSV: fast where all rows are sound, and exact about the first one that is not."""

from __future__ import annotations

import csv
import io
import re
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoscaler.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Values = np.ndarray[Any, np.dtype[Any]]
MOST_TOKENS = 2**31 - 1
_WHOLE = re.compile(r"\+?[0-9]{1,18}")
_SHOWN = 40
"""A value longer than this is shortened in a message."""


class Column(NamedTuple):
    """One column that is wanted."""

    name: str
    dtype: str
    parse: Callable[[str], object]
    """Raises ValueError for a value that is not allowed."""
    allowed: str
    check: Callable[[Values], bool]
    """Whether all values of the column, as numpy read them, are allowed."""


class Table(NamedTuple):
    """The wanted columns of a CSV, each as an array."""

    columns: tuple[Values, ...]
    unknown: tuple[str, ...]
    """Columns that nobody asked for."""


def header_of(text: str) -> tuple[str, ...]:
    """Return the names in the first line."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    return tuple(name.strip() for name in next(csv.reader([first]), []))


def read_table(path: object, text: str, wanted: Sequence[Column], optional: Sequence[str] = ()) -> Table:
    """Return the wanted columns.

    Raises:
        TraceError: a column is missing, no row is there, or a row is wrong: with its line, column and value.
    """
    names = header_of(text)
    missing = [column.name for column in wanted if column.name not in names]
    if missing:
        found = ", ".join(names)
        raise TraceError(
            f"{path}: line 1: must have the column{'s' * (len(missing) > 1)} {', '.join(missing)} (found {found})"
        )
    places = [names.index(column.name) for column in wanted]
    columns = _read_fast(text, wanted, places, len(names))
    if columns is None:
        _find_fault(path, text, wanted, places, len(names))
        raise TraceError(f"{path}: cannot be read as a table of {', '.join(column.name for column in wanted)}")
    if not len(columns[0]):
        raise TraceError(f"{path}: holds no request, only the header")
    known = {*optional, *(column.name for column in wanted)}
    return Table(columns, tuple(name for name in names if name not in known))


def _read_fast(text: str, wanted: Sequence[Column], places: Sequence[int], width: int) -> tuple[Values, ...] | None:
    """Return the columns, or None if anything about any row is unusual."""
    dtype = [(f"f{place}", "U1") for place in range(width)]
    for column, place in zip(wanted, places, strict=True):
        dtype[place] = (f"f{place}", column.dtype)
    body = text.lstrip("\r\n").partition("\n")[2]
    if not body.strip():
        return tuple(np.empty(0, column.dtype) for column in wanted)
    try:
        with warnings.catch_warnings():
            # numpy still takes `1.5` for a whole number, with a warning
            warnings.simplefilter("error")
            rows = np.loadtxt(io.StringIO(body), dtype, delimiter=",", comments=None, quotechar='"', ndmin=1)
    except (ValueError, Warning):
        return None
    columns = tuple(rows[f"f{place}"] for place in places)
    sound = all(column.check(values) for column, values in zip(wanted, columns, strict=True))
    return columns if sound else None


def _find_fault(path: object, text: str, wanted: Sequence[Column], places: Sequence[int], width: int) -> None:
    """Raise for the first row that is wrong."""
    reader = csv.reader(io.StringIO(text))
    header_seen = False
    try:
        for row in reader:
            if not row:
                continue
            if header_seen:
                _check_row(path, reader.line_num, row, wanted, places, width)
            header_seen = True
    except csv.Error as error:
        raise TraceError(f"{path}: line {reader.line_num}: {error}") from error


def _check_row(
    path: object, line: int, row: list[str], wanted: Sequence[Column], places: Sequence[int], width: int
) -> None:
    if len(row) != width:
        raise TraceError(f"{path}: line {line}: must have {width} columns (found {len(row)})")
    for column, place in zip(wanted, places, strict=True):
        try:
            column.parse(row[place])
        except ValueError:
            raise TraceError(
                f"{path}: line {line}, column {column.name}: must be {column.allowed} (found {shown(row[place])})"
            ) from None


def shown(value: str) -> str:
    """Return a value as it may stand in a message."""
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")


def line_of(text: str, row: int) -> int:
    """Return the line on which a row, counted from 0, begins; empty lines are no rows."""
    reader = csv.reader(io.StringIO(text))
    seen = -2
    for fields in reader:
        seen += bool(fields)
        if seen == row:
            break
    return reader.line_num


def tokens(name: str) -> Column:
    """Return a column of token counts."""
    return Column(
        name,
        "i8",
        _parse_tokens,
        f"a whole number from 0 to {MOST_TOKENS}",
        lambda values: bool(((values >= 0) & (values <= MOST_TOKENS)).all()),
    )


def _parse_tokens(text: str) -> int:
    if not _WHOLE.fullmatch(text.strip()) or int(text) > MOST_TOKENS:
        raise ValueError(text)
    return int(text)
