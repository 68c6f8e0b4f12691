"""The seam between the loop and whatever the samples come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.engine.observation import Signal
    from autoscaler.sources.target import Target


class Source(Protocol):
    """Collects the signals of all targets at once."""

    def collect(
        self, targets: Sequence[Target], now: float, deadline_seconds: float
    ) -> Mapping[str, Mapping[str, Signal]]:
        """Return each target's signals, by `Target.name` and then by `SignalRequest.key`; every request is answered.

        `now` is UTC epoch seconds. Never raises for a query, pod or server that fails: that is a signal whose
        quality and `detail` say so. Returns within `deadline_seconds` of real time even if something hangs, and what
        hangs delays nobody else and is not asked a second time until it has come back. One caller at a time.
        """

    def close(self) -> None:
        """Release connections and threads; `collect` may not be called again."""
