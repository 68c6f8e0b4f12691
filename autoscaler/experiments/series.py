"""Time series of a run, with what was true beside what the autoscaler saw; and what became of each request."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoscaler.errors import UsageError
from autoscaler.experiments.record import Sample
from autoscaler.experiments.score import OUTCOMES, attained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from autoscaler.experiments.record import Record
    from autoscaler.experiments.scene import Objective
    from autoscaler.simulator.fleet import Results
    from autoscaler.simulator.layout import Floats, Integers

SERIES_SUFFIXES = (".csv", ".json")
REQUESTS_SUFFIXES = (".csv", ".npz")


class Truth(NamedTuple):
    """What no monitoring shows, by sample."""

    arrived: Integers
    """Requests that arrived since the sample before."""
    missed: Integers
    """Those of them that did not meet the objective in the end."""
    ttft_p99_seconds: Floats
    """Exact, of the requests whose first token came within the window that the seen quantile is over; NaN without."""


def truth(record: Record, results: Results, objective: Objective) -> Truth:
    """Return the truth at the samples of a record."""
    at = np.array([sample.at_seconds for sample in record.samples])
    edges = np.concatenate([[-math.inf], at])
    places = np.searchsorted(results.arrival, edges, side="right")
    missing = np.concatenate([[0], np.cumsum(~attained(results, *objective))])
    order = np.argsort(results.first_token)
    order = order[: np.count_nonzero(~np.isnan(results.first_token))]
    moments = results.first_token[order]
    waits = moments - results.arrival[order]
    begins = np.searchsorted(moments, at - record.window_seconds, side="right")
    ends = np.searchsorted(moments, at, side="right")
    p99 = [_p99(waits[begin:end]) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    return Truth(np.diff(places), np.diff(missing[places]), np.array(p99))


def _p99(values: Floats) -> float:
    return float(np.quantile(values, 0.99)) if len(values) else math.nan


COLUMNS = (*Sample._fields, "arrived", "missed", "ttft_p99_seconds")


def rows(record: Record, true: Truth) -> Iterator[tuple[float | int, ...]]:
    """Yield the samples with their truth, as `COLUMNS` names them."""
    columns = (column.tolist() for column in true)
    for sample, arrived, missed, p99 in zip(record.samples, *columns, strict=True):
        yield (*sample, arrived, missed, p99)


class Told(NamedTuple):
    """One policy's run, for a file."""

    policy: str
    record: Record
    results: Results


def write_series(path: Path, told: Sequence[Told], objective: Objective) -> None:
    """Write the time series of each policy: CSV with a line per sample, or JSON with a list per column.

    Raises:
        UsageError: the file cannot be written.
    """
    tables = [(one, list(rows(one.record, truth(one.record, one.results, objective)))) for one in told]
    if path.suffix == ".json":
        _write_text(path, json.dumps([_object(one, table) for one, table in tables], allow_nan=False))
        return
    lines = ((one.policy, *map(_cell, row)) for one, table in tables for row in table)
    _write_csv(path, ("policy", *COLUMNS), lines)


def _object(one: Told, table: list[tuple[float | int, ...]]) -> dict[str, Any]:
    columns = {name: [_cell(row[place], None) for row in table] for place, name in enumerate(COLUMNS)}
    return {"policy": one.policy, "columns": columns, "changes": [change._asdict() for change in one.record.changes]}


def _cell(value: float, unknown: str | None = "") -> float | int | str | None:
    return value if isinstance(value, int) or math.isfinite(value) else unknown


def write_requests(path: Path, told: Sequence[tuple[str, Results]]) -> None:
    """Write what became of each request: CSV with a line per request, or `.npz` with arrays `policy/column`.

    Raises:
        UsageError: the file cannot be written.
    """
    if path.suffix == ".npz":
        arrays: dict[str, Any] = {
            f"{policy}/{name}": column
            for policy, results in told
            for name, column in zip(_REQUEST_COLUMNS, _columns(results), strict=True)
        }
        try:
            np.savez(path, **arrays)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
        return
    _write_csv(path, ("policy", *_REQUEST_COLUMNS), _request_lines(told))


_REQUEST_COLUMNS = (
    "arrival_seconds", "first_token_seconds", "finish_seconds", "outcome", "prompt_tokens", "output_tokens",
)  # fmt: skip


def _request_lines(told: Sequence[tuple[str, Results]]) -> Iterator[tuple[object, ...]]:
    for policy, results in told:
        columns = (column.tolist() for column in _columns(results))
        for arrival, first, finish, outcome, prompt, output in zip(*columns, strict=True):
            yield policy, arrival, _cell(first), _cell(finish), OUTCOMES[outcome], prompt, output


def _columns(results: Results) -> tuple[np.ndarray[Any, Any], ...]:
    return (
        results.arrival,
        results.first_token,
        results.finish,
        results.outcome,
        results.prompt_tokens,
        results.output_tokens,
    )


def check_output(path: Path | None, option: str, suffixes: Sequence[str]) -> None:
    """Refuse a file that could not be written after the work is done.

    Raises:
        UsageError: the ending is none of `suffixes`, or the folder does not exist.
    """
    if path is None:
        return
    if path.suffix not in suffixes:
        raise UsageError(f"{option} {str(path)!r}: must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {str(path)!r}: must be in a folder that exists (found {str(path.parent)!r})")
    if path.is_dir():
        raise UsageError(f"{option} {str(path)!r}: must be a file (found a folder)")


def _write_csv(path: Path, head: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(head)
            writer.writerows(lines)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
