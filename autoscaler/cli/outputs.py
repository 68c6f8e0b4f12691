"""The files that `autoscaler simulate` writes besides what it prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.experiments.compare import Keep
from autoscaler.experiments.series import (
    REQUESTS_SUFFIXES,
    SERIES_SUFFIXES,
    Told,
    check_output,
    write_requests,
    write_series,
)

if TYPE_CHECKING:
    from pathlib import Path

    from autoscaler.experiments.compare import Comparison

REPORT_SUFFIXES = (".html",)


class Outputs(NamedTuple):
    """Files that can be written."""

    series: Path | None
    requests: Path | None
    report: Path | None

    @property
    def keep(self) -> Keep:
        """What the runs must keep for them."""
        return Keep(record=self.series is not None or self.report is not None, results=self.requests is not None)


def check(series: Path | None, requests: Path | None, report: Path | None) -> Outputs:
    """Return the files, once it is known that they can be written.

    Raises:
        UsageError: one has an ending that nobody writes, or a folder that is not there.
    """
    check_output(series, "--series", SERIES_SUFFIXES)
    check_output(requests, "--requests", REQUESTS_SUFFIXES)
    check_output(report, "--report", REPORT_SUFFIXES)
    return Outputs(series, requests, report)


def write(comparison: Comparison, description: str, wanted: Outputs) -> None:
    """Write the files that are wanted.

    Raises:
        UsageError: one cannot be written.
    """
    objective = comparison.scene.objective
    if wanted.series is not None:
        told = [
            Told(run.score.policy, run.record, run.results)
            for run in comparison.runs
            if run.record is not None and run.results is not None
        ]
        write_series(wanted.series, told, objective)
    if wanted.requests is not None:
        kept = [(run.score.policy, run.results) for run in comparison.runs if run.results is not None]
        write_requests(wanted.requests, kept)
    if wanted.report is not None:
        # the page is only made when it is asked for
        from autoscaler.experiments.report import write_report  # noqa: PLC0415

        write_report(wanted.report, comparison, description)
