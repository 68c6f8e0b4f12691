"""The Azure LLM inference traces of 2023 and 2024: `TIMESTAMP,ContextTokens,GeneratedTokens`.

Stamps of 2023 have no time zone and seven digits of a second; those of 2024 have `+00:00` and six digits, or none.
Azure/AzurePublicDataset, CC-BY-4.0; Patel et al., Splitwise (2023), and Stojkovic et al., DynamoLLM (2024).
"""

from __future__ import annotations

from autoscaler.traces.canonical import unused
from autoscaler.traces.stamps import stamps
from autoscaler.traces.table import read_table, tokens
from autoscaler.traces.trace import Trace

_STAMP = "TIMESTAMP"
_NAMES = (_STAMP, "ContextTokens", "GeneratedTokens")
_COLUMNS = (stamps(_STAMP), *map(tokens, _NAMES[1:]))
SORTED = "rows were out of order and have been sorted"


def recognises(header: tuple[str, ...]) -> bool:
    """Return whether a file with this header is meant to be of this format."""
    return set(_NAMES) <= set(header) or header[:1] == (_STAMP,)


def parse(path: object, text: str) -> Trace:
    """Return the trace, sorted, from its first stamp on.

    Raises:
        TraceError: naming line, column and value.
    """
    (moments, prompts, outputs), unknown = read_table(path, text, _COLUMNS)
    moments -= moments.min()
    return Trace(str(path), moments / 1e9, prompts, outputs, unused(unknown)).ordered(SORTED)
