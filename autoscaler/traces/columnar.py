"""The canonical trace as Parquet, read with pyarrow (extra `parquet`)."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.canonical import COLUMNS, OPTIONAL, unused
from autoscaler.traces.table import MOST_TOKENS, shown
from autoscaler.traces.trace import Trace

_MAGIC = b"PAR1"


def recognises(data: bytes) -> bool:
    """Return whether unpacked content is Parquet."""
    return data.startswith(_MAGIC)


def parse(path: object, data: bytes) -> Trace:
    """Return the trace.

    Raises:
        TraceError: naming row, column and value; or pyarrow is not installed.
    """
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise TraceError(
            f"{path}: is Parquet: needs the package pyarrow (pip install 'inference-autoscaler[parquet]')"
        ) from error
    names = [column.name for column in COLUMNS]
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        found = tuple(file.schema_arrow.names)
        missing = [name for name in names if name not in found]
        if missing:
            raise TraceError(f"{path}: must have the columns {', '.join(missing)} (found {shown(', '.join(found))})")
        table = file.read(columns=names)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise TraceError(f"{path}: cannot be read as Parquet, it is damaged or cut short: {error}") from error
    arrivals, prompts, outputs = (_values(path, name, table.column(name), arrow) for name in names)
    return _checked(path, names, arrivals, prompts, outputs)._replace(
        notes=unused(tuple(name for name in found if name not in (*names, *OPTIONAL)))
    )


def _values(path: object, name: str, column: Any, arrow: Any) -> np.ndarray[Any, np.dtype[Any]]:  # noqa: ANN401 - pyarrow's
    types = arrow.types
    if column.null_count:
        raise TraceError(f"{path}: column {name}: must have a value in every row (found {column.null_count} without)")
    is_number = types.is_integer(column.type) or (name == COLUMNS[0].name and types.is_floating(column.type))
    if not is_number:
        allowed = "numbers" if name == COLUMNS[0].name else "whole numbers"
        raise TraceError(f"{path}: column {name}: must hold {allowed} (found {column.type})")
    return np.asarray(column.to_numpy())


def _checked(path: object, names: list[str], arrivals: Any, prompts: Any, outputs: Any) -> Trace:  # noqa: ANN401 - checked here
    if not len(arrivals):
        raise TraceError(f"{path}: holds no request")
    seconds = arrivals.astype(np.float64)
    falls = np.diff(seconds, prepend=seconds[0]) < 0
    for name, values, wrong, allowed in (
        (names[0], seconds, ~np.isfinite(seconds) | (seconds < 0), "a finite number of seconds, 0 or more"),
        (names[0], seconds, falls, "not before the row above"),
        (names[1], prompts, (prompts < 0) | (prompts > MOST_TOKENS), f"a whole number from 0 to {MOST_TOKENS}"),
        (names[2], outputs, (outputs < 0) | (outputs > MOST_TOKENS), f"a whole number from 0 to {MOST_TOKENS}"),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise TraceError(f"{path}: row {row + 1}, column {name}: must be {allowed} (found {values[row]})")
    return Trace(str(path), seconds, prompts.astype(np.int32), outputs.astype(np.int32))
