"""Any trace file: its format is recognised by its content, packed or not, and not by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces import azure, burstgpt, canonical, columnar, counts, hashed, servegen, servegen_rates
from autoscaler.traces.recorded import Asked
from autoscaler.traces.table import header_of, shown
from autoscaler.traces.text import decode, decompress, read_bytes
from autoscaler.traces.trace import Trace

if TYPE_CHECKING:
    from pathlib import Path

    from autoscaler.traces.prefixes import PrefixCache
    from autoscaler.traces.recorded import Rates

_TABLES = (
    (canonical.recognises, canonical.parse),
    (azure.recognises, azure.parse),
    (burstgpt.recognises, burstgpt.parse),
    (counts.recognises, counts.parse),
    (servegen_rates.recognises, servegen_rates.parse),
)
_MOST_SECONDS = 1e9
"""More than thirty years: stamps in another unit, or counted from 1970."""


def load_trace(path: Path | str) -> Trace:
    """Return the requests of a trace file as they are recorded; of recorded rates, the requests of seed 0.

    Raises:
        TraceError: it cannot be read, is of no known format, or has a wrong row: with line, column and value.
    """
    found = parse(path, read_bytes(path))
    if isinstance(found, Trace):
        return found
    return found.requests(Asked(), np.random.Generator(np.random.PCG64(0)))


def parse(path: object, data: bytes, prefix_cache: PrefixCache | None = None) -> Trace | Rates:
    """Return what the content of a trace file holds: requests, or rates of which requests can be made.

    With a prefix cache, the hits of a trace with block hashes are computed.

    Raises:
        TraceError: it is damaged, of no known format, or has a wrong row: with line, column and value.
    """
    content = decompress(path, data)
    # a large trace is not held packed, unpacked and decoded at once
    del data
    if servegen.recognises(content):
        return _checked(path, servegen.parse(path, content), prefix_cache)
    if columnar.recognises(content):
        return _checked(path, columnar.parse(path, content), prefix_cache)
    text = decode(path, content)
    del content
    if text.lstrip().startswith("{"):
        return _checked(path, hashed.parse(path, text, prefix_cache), None)
    header = header_of(text)
    for recognises, parse_table in _TABLES:
        if recognises(header):
            return _checked(path, parse_table(path, text), prefix_cache)
    raise TraceError(
        f"{path}: line 1: must be the header arrival_seconds,prompt_tokens,output_tokens, Azure's "
        "TIMESTAMP,ContextTokens,GeneratedTokens, BurstGPT's Timestamp,Model,Request tokens,Response tokens, counts as "
        "period,count, ServeGen's model,window_start_s,rps, or an object of Mooncake's or Bailian's JSON lines "
        f"(found {shown(','.join(header))})"
    )


def _checked(path: object, found: Trace | Rates, prefix_cache: PrefixCache | None) -> Trace | Rates:
    if prefix_cache is not None:
        raise TraceError(f"{path}: must be a trace with block hashes, Mooncake's or Bailian's, for a prefixCache")
    if isinstance(found, Trace) and found.duration_seconds > _MOST_SECONDS:
        raise TraceError(
            f"{path}: must end at most {_MOST_SECONDS:g} seconds after its start (found {found.duration_seconds:g}): "
            "are its stamps in another unit, or counted from 1970?"
        )
    return found
