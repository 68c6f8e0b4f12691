"""Columns of a CSV: fast where all rows are sound, and exact about the first one that is not."""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoscaler.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Values = np.ndarray[Any, np.dtype[Any]]
MOST_TOKENS = 2**31 - 1
_MOST_DIGITS = 18
_WHOLE = re.compile(rf"\+?[0-9]{{1,{_MOST_DIGITS}}}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
_SHOWN = 40
"""A value longer than this is shortened in a message."""
_MOST_SHOWN = 200
"""Characters of a header that are shown."""
_PIECE = 8_000_000
"""Characters that are read at a time: what is read is several times as large as what is kept of it."""


class Column(NamedTuple):
    """One column that is wanted."""

    name: str
    dtype: str
    """What numpy reads the text as."""
    parse: Callable[[str], float]
    """Raises ValueError for a value that is not allowed."""
    allowed: str
    convert: Callable[[Values], Values | None]
    """What is kept of a column that numpy has read; None if a value may not be allowed."""
    kept: str
    """The dtype of what is kept."""


class Table(NamedTuple):
    """The wanted columns of a CSV, each as an array."""

    columns: tuple[Values, ...]
    unknown: tuple[str, ...]
    """Columns that nobody asked for."""


class _Source(NamedTuple):
    """A CSV and what is wanted of it."""

    path: object
    text: str
    wanted: Sequence[Column]
    places: Sequence[int]
    width: int


def header_of(text: str) -> tuple[str, ...]:
    """Return the names in the first line; none if it cannot be read as a header."""
    rows = text.lstrip("\r\n")
    end = rows.find("\n")
    try:
        return tuple(name.strip() for name in next(csv.reader([rows if end < 0 else rows[:end]]), []))
    except csv.Error:
        return ()


def read_table(path: object, text: str, wanted: Sequence[Column], optional: Sequence[str] = ()) -> Table:
    """Return the wanted columns.

    Raises:
        TraceError: a column is missing or is there twice, no row is there, or a row is wrong: with its line, column and
            value.
    """
    names = header_of(text)
    _check_header(path, names, wanted)
    places = [names.index(column.name) for column in wanted]
    source = _Source(path, text, wanted, places, len(names))
    columns = _read_fast(source) or _read_exactly(source)
    if not len(columns[0]):
        raise TraceError(f"{path}: holds no request, only the header")
    known = {*optional, *(column.name for column in wanted)}
    return Table(columns, tuple(name for name in names if name not in known))


def _check_header(path: object, names: Sequence[str], wanted: Sequence[Column]) -> None:
    found = ", ".join(names)[:_MOST_SHOWN]
    missing = [column.name for column in wanted if column.name not in names]
    if missing:
        raise TraceError(
            f"{path}: line 1: must have the column{'s' * (len(missing) > 1)} {', '.join(missing)} (found {found})"
        )
    twice = [column.name for column in wanted if names.count(column.name) > 1]
    if twice:
        raise TraceError(f"{path}: line 1: must have the column {twice[0]} once (found {found})")


def _read_fast(source: _Source) -> tuple[Values, ...] | None:
    """Return the columns, or None if anything about any row is unusual."""
    dtype = [(f"f{place}", "U1") for place in range(source.width)]
    for column, place in zip(source.wanted, source.places, strict=True):
        dtype[place] = (f"f{place}", column.dtype)
    pieces = []
    for piece in _pieces(source.text):
        read = _read_piece(piece, dtype, source)
        if read is None:
            return None
        pieces.append(read)
    if not pieces:
        return tuple(np.empty(0, column.kept) for column in source.wanted)
    return tuple(map(np.concatenate, zip(*pieces, strict=True)))


def _pieces(text: str) -> Iterator[str]:
    """Yield the rows in pieces that end with a line; in one where a quoted value may hold a line's end."""
    begin = len(text) - len(text.lstrip("\r\n"))
    begin = text.find("\n", begin) + 1 or len(text)
    size = len(text) if '"' in text else _PIECE
    while begin < len(text):
        end = text.find("\n", min(begin + size, len(text))) + 1 or len(text)
        piece = text[begin:end]
        if not piece.isspace():
            yield piece
        begin = end


def _read_piece(piece: str, dtype: list[tuple[str, str]], source: _Source) -> tuple[Values, ...] | None:
    try:
        with warnings.catch_warnings():
            # numpy still takes `1.5` for a whole number, with a warning
            warnings.simplefilter("error")
            rows = np.loadtxt(io.StringIO(piece), dtype, delimiter=",", comments=None, quotechar='"', ndmin=1)
    except (ValueError, OverflowError, Warning):
        return None
    kept = []
    for column, place in zip(source.wanted, source.places, strict=True):
        values = column.convert(rows[f"f{place}"])
        if values is None:
            return None
        kept.append(values)
    return tuple(kept)


def _read_exactly(source: _Source) -> tuple[Values, ...]:
    """Return the columns, value for value; raise for the first row that is wrong."""
    columns = [array("d" if column.kept == "f8" else "q") for column in source.wanted]
    reader = csv.reader(io.StringIO(source.text))
    header_seen = False
    try:
        for row in reader:
            if not row:
                continue
            if header_seen:
                for column, value in zip(columns, _row(reader.line_num, row, source), strict=True):
                    column.append(value)  # type: ignore[arg-type] # whole where its column is
            header_seen = True
    except csv.Error as error:
        raise TraceError(f"{source.path}: line {reader.line_num}: {error}") from error
    return tuple(np.array(values, column.kept) for values, column in zip(columns, source.wanted, strict=True))


def _row(line: int, row: list[str], source: _Source) -> Iterator[float]:
    if len(row) != source.width:
        raise TraceError(f"{source.path}: line {line}: must have {source.width} columns (found {len(row)})")
    for column, place in zip(source.wanted, source.places, strict=True):
        try:
            yield column.parse(row[place])
        except ValueError:
            where = f"{source.path}: line {line}, column {column.name}"
            raise TraceError(f"{where}: must be {column.allowed} (found {shown(row[place])})") from None


def shown(value: object) -> str:
    """Return a value as it may stand in a message."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def line_of(text: str, row: int) -> int:
    """Return the line on which a row, counted from 0, begins; empty lines are no rows."""
    reader = csv.reader(io.StringIO(text))
    seen = -2
    for fields in reader:
        seen += bool(fields)
        if seen == row:
            break
    return reader.line_num


def whole(name: str, most: int = MOST_TOKENS, kept: str = "i4") -> Column:
    """Return a column of whole numbers from 0 to `most`."""

    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text.strip()) or int(text) > most:
            raise ValueError(text)
        return int(text)

    def convert(values: Values) -> Values | None:
        return values.astype(kept) if ((values >= 0) & (values <= most)).all() else None

    return Column(name, "i8", parse, f"a whole number from 0 to {most}", convert, kept)


def tokens(name: str) -> Column:
    """Return a column of token counts."""
    return whole(name)


def number(name: str, unit: str) -> Column:
    """Return a column of finite numbers of `unit` that are not negative."""

    def convert(values: Values) -> Values | None:
        return values if (np.isfinite(values) & (values >= 0)).all() else None

    return Column(name, "f8", not_negative, f"a finite number of {unit}, 0 or more", convert, "f8")


def not_negative(text: str) -> float:
    """Return a finite number that is not negative.

    Raises:
        ValueError: it is something else.
    """
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(text)
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(text)
    return value
