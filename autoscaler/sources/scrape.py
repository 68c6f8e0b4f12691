"""The source that fetches the pods' own pages: no Prometheus needed, at one request per pod and tick.

A sample is taken when it is asked for: the scrape interval is that of the ticks, and what rates need to remember of
the last minutes is kept here, and lost with the process. For some hundreds of pods; beyond that, ask Prometheus.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import urllib3

from autoscaler.errors import SourceError
from autoscaler.sources.assemble import assemble
from autoscaler.sources.body import read_body
from autoscaler.sources.crew import Crew
from autoscaler.sources.exposition import parse_page
from autoscaler.sources.histories import Histories
from autoscaler.sources.page_view import PageView, pages_for
from autoscaler.sources.reasons import innermost
from autoscaler.sources.tallies import Tallies
from autoscaler.sources.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.engine.observation import Signal
    from autoscaler.signals.page import Sample
    from autoscaler.sources.target import Target

_ASKING = 0.9
"""The part of the deadline that the fetches get; the rest is for making signals of the pages."""
_MOST_BYTES = 16 << 20
"""A page of metrics is longer than this only by mistake."""
_HEADERS = {
    "Accept": "text/plain;version=0.0.4",
    "Accept-Encoding": "gzip",
    "Connection": "close",
}


class ScrapeSource:
    """Collects signals from the pods themselves."""

    def __init__(
        self,
        *,
        timing: Timing = Timing(),  # noqa: B008 - immutable
        gpu_exporters: Sequence[str] = (),
        page_timeout_seconds: float = 2.0,
        connections: int = 64,
    ) -> None:
        """Prepare to fetch; nothing is sent yet.

        `gpu_exporters` are the addresses of DCGM exporters' pages; a pod's own page may show the GPU's series too.
        `page_timeout_seconds` is a page's share of the deadline: pods that hang free their connection for others.
        """
        self._timing = timing
        self._gpu_exporters = tuple(gpu_exporters)
        self._page_timeout_seconds = page_timeout_seconds
        self._histories = Histories(timing.rate_window_seconds)
        self._tallies = Tallies()
        self._crew: Crew[str, urllib3.PoolManager, tuple[Sample, ...]] = Crew(
            # One a thread: a shared one closes pools under other threads when there are more hosts than it keeps.
            "scrape",
            connections,
            lambda: urllib3.PoolManager(num_pools=1, headers=_HEADERS, retries=False),
            lambda pool: pool.clear(),
        )

    def collect(
        self, targets: Sequence[Target], now: float, deadline_seconds: float
    ) -> Mapping[str, Mapping[str, Signal]]:
        """Return all signals of all targets, as `Source.collect` has it."""
        seconds = _ASKING * deadline_seconds
        timeout_seconds = min(seconds, self._page_timeout_seconds)
        wanted = pages_for(targets, self._gpu_exporters)
        pages = self._crew.run(
            {url: partial(_fetch, url, names, timeout_seconds) for url, names in wanted.items()}, seconds
        )
        view = PageView(pages, self._gpu_exporters, self._histories, now, self._timing.rate_window_seconds)
        collected = {target.name: assemble(target, view, self._tallies) for target in targets}
        self._histories.forget(now)
        self._tallies.forget(now)
        return collected

    def close(self) -> None:
        """Close the connections."""
        self._crew.close()


def _fetch(url: str, names: frozenset[str], timeout_seconds: float, pool: urllib3.PoolManager) -> tuple[Sample, ...]:
    """Return the samples of these names on a page; SourceError if it cannot be had or read."""
    try:
        response = pool.request("GET", url, timeout=timeout_seconds, redirect=False, preload_content=False)
        body = read_body(response, timeout_seconds, _MOST_BYTES)
    except urllib3.exceptions.NewConnectionError as error:
        # A refused connection, though urllib3 has it as a kind of timeout.
        raise SourceError(innermost(error)) from error
    except urllib3.exceptions.TimeoutError as error:
        raise SourceError(f"no answer within {timeout_seconds:g} s") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise SourceError(innermost(error)) from error
    finally:
        # Servers close idle connections within seconds, told or untold, and would do so in the middle of the next one.
        pool.clear()
    if response.status != 200:
        raise SourceError(f"HTTP {response.status}")
    return parse_page(body.decode(errors="replace"), names)
