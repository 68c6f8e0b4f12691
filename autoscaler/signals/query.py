"""A document's own way to a signal: a PromQL query, or a series on a page that is fetched directly."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Across(StrEnum):
    """How several numbers become one."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"


class SignalQuery(NamedTuple):
    """Where one signal of one document comes from, instead of the preset.

    The source `prometheus` reads `query`; the source `scrape` reads `url` and `metric`. A document may give both
    forms, and then works with either source.
    """

    query: str = ""
    """PromQL with a single value as its answer: several series are an error, so aggregate in the query.
    It stands for the whole target: it is not joined with the target's pods."""
    unit: str = ""
    """`requests`, `seconds`, `percent`, `requests/s`, `tokens/s`; empty for the usual one of the signal's name."""
    url: str = ""
    """For the source `scrape`: an http or https address that answers in the Prometheus text format."""
    metric: str = ""
    """For the source `scrape`: the series on that page, as `name` or `name{label="value"}` (equality only)."""
    across: Across = Across.SUM
    """For the source `scrape`: how several matching series of the page become one value."""
    label: str = ""
    """Of several series that `query` returns, the one is meant that has `value` in this label; empty for a single one.
    So one query serves all targets behind one gateway."""
    value: str = ""
    origin: str = ""
    """Who wrote it, where that was not the user: `gateway envoy`."""
