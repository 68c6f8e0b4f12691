"""A comparison as one page of HTML that needs nothing else: table, plots, and where the figures come from."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from autoscaler import __version__
from autoscaler.errors import UsageError
from autoscaler.experiments.plot import clock, draw
from autoscaler.experiments.report_figure import figure
from autoscaler.experiments.series import truth
from autoscaler.experiments.table import HEAD, cells, foot_lines, head_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autoscaler.experiments.compare import Comparison, Run
    from autoscaler.experiments.record import Record
    from autoscaler.experiments.series import Truth

_MOST_DECISIONS = 300
_STYLE = """
:root { color-scheme: light dark; }
body { font: 14px/1.5 system-ui, sans-serif; max-width: 1040px; margin: 2rem auto; padding: 0 1rem;
       background: #fff; color: #1c2127; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; }
p.lead { font-size: 1.05rem; margin: .2rem 0 1rem; } p { margin: .25rem 0; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #8884; } th { font-weight: 600; }
th:first-child, td:first-child, table.facts td { text-align: left; }
svg { width: 100%; height: auto; margin: .3rem 0 1rem; }
svg .grid { stroke: #8883; } svg .rule { stroke: #b3261e; stroke-dasharray: 6 3; fill: none; }
svg .hover { fill: transparent; } svg .hover:hover { fill: #8883; }
.note { color: #666; } .partial { color: #b3261e; font-weight: 600; }
pre { overflow-x: auto; font-size: 12px; margin: .2rem 0 .8rem; } summary { cursor: pointer; }
@media (prefers-color-scheme: dark) { body { background: #15181c; color: #dfe3e8; } .note { color: #9aa3ad; } }
"""
MODELLED = {
    "Modelled": (
        "every engine iteration of every replica: continuous batching with chunked prefill, KV cache with "
        "preemption, cold starts, draining, the router, clients that leave; what the autoscaler sees passes through "
        "scrapes, rate windows, histogram buckets and Prometheus' interpolation."
    ),
    "Modelled, and no more than that": (
        "the GPUs' busy ratio: the share of time in which an iteration runs, which is near 100 % long before a "
        "replica is full."
    ),
    "Not modelled": (
        "the network, tokenization beyond a constant, uneven kernels, other tenants of a GPU, speculative decoding, "
        "disaggregated prefill, the hours that a node takes to be found. Near saturation an error of 10 % in a "
        "coefficient is one of 40 % in latency: read `load` beside every figure."
    ),
}


def write_report(path: Path, comparison: Comparison, description: str) -> None:
    """Write the page.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        path.write_text(page(comparison, description), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def page(comparison: Comparison, description: str) -> str:
    """Return the page as text."""
    title = f"{escape(comparison.scene.name)}: simulated"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n'
        + "\n".join(_body(comparison, description))
        + "\n</body></html>\n"
    )


def _body(comparison: Comparison, description: str) -> Iterator[str]:
    yield f"<h1>{escape(comparison.scene.name)}</h1>"
    if description:
        yield f'<p class="lead">{escape(description)}</p>'
    if comparison.partial:
        yield '<p class="partial">Partial: the simulation was interrupted.</p>'
    yield from (f"<p>{escape(line)}</p>" for line in head_lines(comparison))
    yield _table(comparison)
    yield from (f'<p class="note">{escape(line)}</p>' for line in foot_lines(comparison))
    for run in comparison.runs:
        if run.record is not None and run.results is not None and len(run.record.samples) > 1:
            yield from _policy(run, run.record, truth(run.record, run.results, comparison.scene.objective), comparison)
    yield from _provenance(comparison)


def _table(comparison: Comparison) -> str:
    heads = "".join(f"<th>{escape(name).replace(chr(10), '<br>')}</th>" for name in HEAD)
    rows = (
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells(run, comparison)) + "</tr>"
        for run in comparison.runs
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _policy(run: Run, record: Record, true: Truth, comparison: Comparison) -> Iterator[str]:
    yield f"<h2>{escape(run.score.policy)}</h2>"
    yield draw(figure(record, true, comparison.scene.objective.ttft_seconds))
    yield from _decisions(record)


def _decisions(record: Record) -> Iterator[str]:
    changes = record.changes
    shown = changes[:_MOST_DECISIONS]
    more = f", the first {len(shown)} of them shown" if len(shown) < len(changes) else ""
    yield f"<details><summary>{len(changes)} decisions that changed the count{more}</summary>"
    for change in shown:
        yield f"<pre>{clock(change.at_seconds)}  {escape(change.explanation)}</pre>"
    yield "</details>"


def _provenance(comparison: Comparison) -> Iterator[str]:
    preset = comparison.scene.preset
    yield "<h2>Where the figures come from</h2>"
    facts = preset._asdict().items()
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in facts)
    yield f'<table class="facts"><tbody>{rows}</tbody></table>'
    yield "<p>An iteration takes base + prefill·tokens + sequence·requests + context·tokens, in milliseconds.</p>"
    yield from (f"<p><b>{head}:</b> {escape(text)}</p>" for head, text in MODELLED.items())
    yield f'<p class="note">autoscaler {escape(__version__)}</p>'
