"""The Prometheus text format, read for a few names out of the hundreds that a page has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from autoscaler.errors import SourceError
from autoscaler.signals.page import Sample
from autoscaler.sources.reasons import brief

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_page(text: str, names: Iterable[str]) -> tuple[Sample, ...]:
    """Return the samples of these names; SourceError when the page is none, or one of their lines is broken.

    Only their lines are parsed, since the parser is slow; and without the comments, at which it would rename counters
    that do not end in `_total`. Of two lines for the same series the first counts, as for Prometheus.
    """
    if re.match(r"\s*[<{\[]", text):
        raise SourceError(f"not a page of metrics: {brief(text)}")
    alternatives = "|".join(sorted(map(re.escape, names)))
    lines = re.findall(rf"^[ \t]*(?:{alternatives})(?=[{{ \t]).*$", text, re.MULTILINE)
    samples: dict[tuple[str, frozenset[tuple[str, str]]], Sample] = {}
    for line in lines:
        for sample in _parse_line(line):
            samples.setdefault((sample.name, frozenset(sample.labels.items())), sample)
    return tuple(samples.values())


def parse_selector(text: str) -> Sample:
    """Return the name and the labels of a series written as `name` or `name{label="value"}`; its value is 0.

    SourceError when it is written otherwise.
    """
    written = text.strip()
    expected = f'metric {brief(text)}: name or name{{label="value"}} expected'
    try:
        (sample,) = _parse_line(f"{written} 0")
    except (SourceError, ValueError) as error:
        raise SourceError(expected) from error
    # of `name 5` the 0 was taken for its time
    if sample.value != 0.0 or not (written == sample.name or written.endswith("}")):
        raise SourceError(expected)
    return sample


def _parse_line(line: str) -> list[Sample]:
    try:
        families = list(text_string_to_metric_families(line))
        return [Sample(s.name, s.labels, float(s.value)) for family in families for s in family.samples]
    except (ValueError, IndexError, KeyError) as error:
        raise SourceError(f"broken line in the page of metrics: {brief(line)}") from error
