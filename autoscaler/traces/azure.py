"""The Azure LLM inference traces of 2023: `TIMESTAMP,ContextTokens,GeneratedTokens`.

Stamps have no time zone and seven digits of a second. Azure/AzurePublicDataset, CC-BY-4.0; Patel et al., Splitwise.
"""

from __future__ import annotations

import re

import numpy as np

from autoscaler.traces.table import Column, Values, read_table, tokens
from autoscaler.traces.trace import Trace

_STAMP = "TIMESTAMP"
_NAMES = (_STAMP, "ContextTokens", "GeneratedTokens")
_FORM = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,9})?")


def _parse_stamp(text: str) -> np.datetime64:
    if not _FORM.fullmatch(text.strip()):
        raise ValueError(text)
    return np.datetime64(text.strip(), "ns")


def _are_stamps(values: Values) -> bool:
    try:
        return not np.isnat(values.astype("datetime64[ns]")).any()
    except ValueError:
        return False


_COLUMNS = (
    Column(_STAMP, "U40", _parse_stamp, "a moment such as 2023-11-16 18:15:46.6805900", _are_stamps),
    *map(tokens, _NAMES[1:]),
)


def recognises(header: tuple[str, ...]) -> bool:
    """Return whether a file with this header is meant to be of this format."""
    return set(_NAMES) <= set(header) or header[:1] == (_STAMP,)


def parse(path: object, text: str) -> Trace:
    """Return the trace, sorted, from its first stamp on.

    Raises:
        TraceError: naming line, column and value.
    """
    (stamps, prompts, outputs), unknown = read_table(path, text, _COLUMNS)
    moments = stamps.astype("datetime64[ns]").astype(np.int64)
    notes = [f"column {name} is not used" for name in unknown]
    if (np.diff(moments) < 0).any():
        order = np.argsort(moments, kind="stable")
        moments, prompts, outputs = moments[order], prompts[order], outputs[order]
        notes.append("rows were out of order and have been sorted")
    seconds = (moments - moments[0]) / 1e9
    return Trace(str(path), seconds, prompts.astype(np.int32), outputs.astype(np.int32), tuple(notes))
