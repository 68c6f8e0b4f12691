"""Any trace file: its format is recognised by its header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.errors import TraceError
from autoscaler.traces import azure, canonical
from autoscaler.traces.table import header_of, shown
from autoscaler.traces.text import read_text

if TYPE_CHECKING:
    from pathlib import Path

    from autoscaler.traces.trace import Trace

_FORMATS = ((canonical.recognises, canonical.parse), (azure.recognises, azure.parse))


def load_trace(path: Path | str) -> Trace:
    """Return the requests of a trace file.

    Raises:
        TraceError: it cannot be read, is of no known format, or has a wrong row: with line, column and value.
    """
    text = read_text(path)
    header = header_of(text)
    for recognises, parse in _FORMATS:
        if recognises(header):
            return parse(path, text)
    raise TraceError(
        f"{path}: line 1: must be the header arrival_seconds,prompt_tokens,output_tokens, "
        f"or Azure's TIMESTAMP,ContextTokens,GeneratedTokens (found {shown(','.join(header))})"
    )
