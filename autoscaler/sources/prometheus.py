"""The source that asks a Prometheus server: a few queries for all targets, whatever their number.

Documents' own queries come on top, one each. All are asked at once, each under the deadline, so that one that hangs
delays none; see `Crew`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from autoscaler.errors import SourceError, UsageError
from autoscaler.signals.promql import existing_query
from autoscaler.sources.address import http_address
from autoscaler.sources.answer_view import AnswerView, Key, Outcome, OwnKey, queries_for
from autoscaler.sources.assemble import assemble
from autoscaler.sources.credentials import Credentials
from autoscaler.sources.crew import Crew
from autoscaler.sources.tallies import Tallies
from autoscaler.sources.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from autoscaler.engine.observation import Signal
    from autoscaler.sources.answer import Answer
    from autoscaler.sources.query_client import QueryClient
    from autoscaler.sources.target import Target

_ASKING = 0.9
"""The part of the deadline that the queries get; the rest is for making signals of the answers."""


class PrometheusSource:
    """Collects signals from one Prometheus, or from what speaks its query API (Thanos, Mimir, VictoriaMetrics)."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials = Credentials(),  # noqa: B008 - immutable
        ca_file: Path | None = None,
        timing: Timing = Timing(),  # noqa: B008 - immutable
        connections: int = 32,
    ) -> None:
        """Prepare to ask; nothing is sent yet. Raises UsageError when an argument cannot be right."""
        credentials.check()
        self._url = _checked(url)
        self._timing = timing
        self._tallies = Tallies()
        self._crew: Crew[Key, QueryClient, Answer] = Crew(
            "prometheus", connections, _client_maker(self._url, credentials, ca_file), lambda client: client.close()
        )

    def ready(self, deadline_seconds: float) -> None:
        """Return if Prometheus answers queries; SourceError, naming its address, if it does not."""
        self._answer("vector(1)", deadline_seconds)

    def existing(self, names: Iterable[str], deadline_seconds: float) -> frozenset[str]:
        """Return which of these metric names Prometheus has now; SourceError if it does not answer."""
        answer = self._answer(existing_query(names), deadline_seconds)
        return frozenset(row.labels.get("__name__", "") for row in answer.rows)

    def collect(
        self, targets: Sequence[Target], now: float, deadline_seconds: float
    ) -> Mapping[str, Mapping[str, Signal]]:
        """Return all signals of all targets, as `Source.collect` has it."""
        queries = queries_for(targets, self._timing.rate_window_seconds)
        view = AnswerView(self._ask(queries, deadline_seconds), self._timing, now)
        collected = {target.name: assemble(target, view, self._tallies) for target in targets}
        self._tallies.forget(now)
        return collected

    def close(self) -> None:
        """Close the connections."""
        self._crew.close()

    def _answer(self, text: str, deadline_seconds: float) -> Answer:
        outcome = self._ask({OwnKey(text): text}, deadline_seconds)[OwnKey(text)]
        if isinstance(outcome, SourceError):
            raise SourceError(f"Prometheus at {self._url}: {outcome}") from outcome
        return outcome

    def _ask(self, queries: Mapping[Key, str], deadline_seconds: float) -> dict[Key, Outcome]:
        seconds = _ASKING * deadline_seconds
        return self._crew.run({key: partial(_query, text, seconds) for key, text in queries.items()}, seconds)


def _query(text: str, timeout_seconds: float, client: QueryClient) -> Answer:
    return client.query(text, timeout_seconds)


def _checked(url: str) -> str:
    parts = http_address(url)
    if parts is None:
        raise UsageError(f"Prometheus address {url}: http://host[:port][/path] or https://… expected")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"Prometheus address at {parts.hostname}: no user, password, query or fragment allowed;"
            " credentials belong in files"
        )
    return url.rstrip("/")


def _client_maker(url: str, credentials: Credentials, ca_file: Path | None) -> Callable[[], QueryClient]:
    # Imported here, so that a daemon that scrapes never loads the client; and before the first deadline runs.
    from autoscaler.sources.query_client import QueryClient  # noqa: PLC0415

    return lambda: QueryClient(url, credentials, ca_file)
