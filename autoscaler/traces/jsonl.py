"""Lines of JSON: one object a line, checked key by key."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.errors import TraceError
from autoscaler.traces.table import MOST_TOKENS, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MOST_BLOCK = 2**64 - 1


class Key(NamedTuple):
    """One key that is wanted."""

    name: str
    sound: Callable[[object], bool]
    allowed: str
    required: bool = True


def objects(path: object, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each object with its line; empty lines are passed over.

    Raises:
        TraceError: a line is no JSON object.
    """
    for line, row in enumerate(text.split("\n"), 1):
        if row and not row.isspace():
            yield line, _object(path, line, row)


def _object(path: object, line: int, row: str) -> dict[str, Any]:
    try:
        found = json.loads(row, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise TraceError(f"{path}: line {line}: must be one JSON object: {reason} (found {shown(row)})") from error
    if not isinstance(found, dict):
        raise TraceError(f"{path}: line {line}: must be one JSON object (found {shown(row)})")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def check(path: object, line: int, row: dict[str, Any], wanted: Sequence[Key]) -> None:
    """Check one object's keys.

    Raises:
        TraceError: naming line, key and value.
    """
    for key in wanted:
        if key.name not in row:
            if not key.required:
                continue
            raise TraceError(f"{path}: line {line}: must have the key {key.name} (found {shown(', '.join(row))})")
        if not key.sound(row[key.name]):
            raise TraceError(
                f"{path}: line {line}, key {key.name}: must be {key.allowed} (found {shown(row[key.name])})"
            )


def tokens(name: str) -> Key:
    """Return a key of token counts."""
    return Key(name, lambda value: _is_whole(value, MOST_TOKENS), f"a whole number from 0 to {MOST_TOKENS}")


def number(name: str, unit: str) -> Key:
    """Return a key of a finite number of `unit` that is not negative."""
    return Key(name, _is_number, f"a finite number of {unit}, 0 or more")


def blocks(name: str) -> Key:
    """Return a key of block hashes."""
    return Key(
        name,
        lambda value: isinstance(value, list) and all(_is_whole(one, _MOST_BLOCK) for one in value),
        f"a list of whole numbers from 0 to {_MOST_BLOCK}",
        required=False,
    )


def _is_whole(value: object, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _is_number(value: object) -> bool:
    if type(value) is int:
        return 0 <= value <= 2**53
    return type(value) is float and math.isfinite(value) and value >= 0
