"""Whether the daemon is alive, and whether it is ready: what its probes ask."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIGURATION = "configuration"
SOURCE = "source"
CLUSTER = "cluster"


class Probe(NamedTuple):
    """An answer to a probe, with words for the person who asks too."""

    ok: bool
    detail: str


class Health:
    """The age of the last completed tick, and what has been reached at least once."""

    def __init__(self, limit_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit_seconds = limit_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._ticked_at = monotonic()
        self._missing = {CONFIGURATION: "not loaded yet", SOURCE: "not reached yet", CLUSTER: "not reached yet"}

    def ticked(self) -> None:
        """Note that a tick was completed."""
        with self._lock:
            self._ticked_at = self._monotonic()

    def reached(self, what: str) -> None:
        """Note that the configuration was loaded, or that the source or the cluster answered; once is for good."""
        with self._lock:
            self._missing.pop(what, None)

    def unreached(self, what: str, why: str) -> None:
        """Note why something has not been reached, if it never was."""
        with self._lock:
            if what in self._missing:
                self._missing[what] = why

    def was_reached(self, what: str) -> bool:
        """Return whether it ever was."""
        with self._lock:
            return what not in self._missing

    @property
    def age_seconds(self) -> float:
        """How long ago the last tick was completed, or before the first, the start."""
        with self._lock:
            return self._monotonic() - self._ticked_at

    def alive(self) -> Probe:
        """Answer `/healthz`: bad once no tick was completed for longer than the limit."""
        age = self.age_seconds
        if age <= self._limit_seconds:
            return Probe(ok=True, detail=f"ok: last tick {age:.1f} s ago")
        return Probe(ok=False, detail=f"no tick completed for {age:.1f} s; the limit is {self._limit_seconds:g} s")

    def ready(self) -> Probe:
        """Answer `/readyz`: good for ever once everything was reached once."""
        with self._lock:
            missing = dict(self._missing)
        if not missing:
            return Probe(ok=True, detail="ok")
        return Probe(ok=False, detail="; ".join(f"{what}: {why}" for what, why in missing.items()))
