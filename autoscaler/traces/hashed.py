"""Traces as lines of JSON with prefix blocks: Mooncake's and Qwen Bailian's.

Mooncake: `timestamp` in milliseconds, `input_length`, `output_length`, `hash_ids` of 512 tokens each. Stamps of its
conversation trace stand on a grid of 3 s. kvcache-ai/Mooncake, Apache-2.0; Qin et al., FAST '25.
Bailian: besides these `chat_id`, `parent_chat_id`, `type` and `turn`; `timestamp` in seconds, blocks of 16 tokens.
alibaba-edu/qwen-bailian-usagetraces-anon, Apache-2.0; Wang et al., ATC '25.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.azure import SORTED
from autoscaler.traces.jsonl import blocks, check, number, objects, tokens
from autoscaler.traces.trace import Floats, Trace

if TYPE_CHECKING:
    from autoscaler.traces.jsonl import Key
    from autoscaler.traces.prefixes import PrefixCache

_GRID_SECONDS = 3.0
_NEAR_SECONDS = 0.0055
"""Stamps on the grid are up to a few milliseconds beside it."""
_FEWEST_SLOTS = 10
"""So many slots must be used before stamps on a grid are taken for one."""


class _Format(NamedTuple):
    keys: tuple[Key, ...]
    seconds: float
    """What one unit of a stamp is."""
    block_tokens: int


_LENGTHS = (tokens("input_length"), tokens("output_length"), blocks("hash_ids"))
_MOONCAKE = _Format((number("timestamp", "milliseconds"), *_LENGTHS), 1e-3, 512)
_BAILIAN = _Format((number("timestamp", "seconds"), *_LENGTHS), 1.0, 16)


def parse(path: object, text: str, prefix_cache: PrefixCache | None) -> Trace:
    """Return the trace, sorted, from its first stamp on; the first line tells whose it is.

    Raises:
        TraceError: naming line, key and value.
    """
    of = _MOONCAKE
    moments, prompts, outputs, hashes = array("d"), array("q"), array("q"), []
    for line, row in objects(path, text):
        if not moments:
            of = _format_of(path, line, row)
        check(path, line, row, of.keys)
        moments.append(row["timestamp"] * of.seconds)
        prompts.append(row["input_length"])
        outputs.append(row["output_length"])
        if prefix_cache is not None:
            hashes.append(_hashes(path, line, row))
    arrivals = np.array(moments)
    arrivals -= arrivals.min()
    order = np.argsort(arrivals, kind="stable")
    trace = Trace(str(path), arrivals, np.array(prompts, np.int32), np.array(outputs, np.int32))
    if prefix_cache is not None:
        # the cache sees requests in order of arrival, whatever the order of lines
        found = prefix_cache.hits(((prompts[one], hashes[one]) for one in order.tolist()), of.block_tokens)
        hits = np.empty_like(found)
        hits[order] = found
        trace = trace._replace(prefix_tokens=hits)
    return trace.ordered(SORTED)._replace(grid_seconds=_grid(arrivals))


def _format_of(path: object, line: int, row: dict[str, Any]) -> _Format:
    if "chat_id" in row:
        return _BAILIAN
    if "timestamp" in row and "input_length" in row:
        return _MOONCAKE
    raise TraceError(
        f"{path}: line {line}: must have Mooncake's keys timestamp, input_length, output_length and hash_ids, "
        f"or Bailian's, which has chat_id too (found {', '.join(sorted(row))[:80]!r})"
    )


def _hashes(path: object, line: int, row: dict[str, Any]) -> list[int]:
    hashes: list[int] | None = row.get("hash_ids")
    if hashes is None:
        raise TraceError(f"{path}: line {line}: must have the key hash_ids: prefix hits are computed from it")
    return hashes


def _grid(arrivals: Floats) -> float:
    """Return the width of the slots that stamps stand on, or 0."""
    slots = np.rint(arrivals / _GRID_SECONDS)
    on_grid = (np.abs(arrivals - slots * _GRID_SECONDS) < _NEAR_SECONDS).all()
    return _GRID_SECONDS if on_grid and len(np.unique(slots)) >= _FEWEST_SLOTS else 0.0
