"""The daemon: documents, ticks and endpoints put together; the same object in a cluster, a sandbox and a test."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import structlog

from autoscaler import __version__
from autoscaler.daemon import events, health
from autoscaler.daemon.announce import Announcer
from autoscaler.daemon.book import Book
from autoscaler.daemon.decide import ref_of
from autoscaler.daemon.events import Events
from autoscaler.daemon.health import Health
from autoscaler.daemon.http import Endpoints
from autoscaler.daemon.journal import MAX_BYTES, Journal
from autoscaler.daemon.lanes import Lanes
from autoscaler.daemon.loop import Loop
from autoscaler.daemon.metrics import Metrics
from autoscaler.daemon.report import Stage, TickReport
from autoscaler.daemon.tick import Setting, Ticker
from autoscaler.daemon.timing import Timing
from autoscaler.engine.engine import Engine
from autoscaler.engine.observation import Quality
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from autoscaler.cluster.port import Cluster
    from autoscaler.daemon.catalog import Catalog
    from autoscaler.daemon.clock import Clock
    from autoscaler.daemon.tracked import Tracked
    from autoscaler.engine.decision import Decider
    from autoscaler.engine.spec import EngineSpec
    from autoscaler.sources.source import Source

PROBE_SECONDS = 2.0
"""How long a probe of the source or the cluster may take."""
DRAIN_SECONDS = 1.0
"""How long the last Events may take to be posted when the daemon stops."""


class Listen(NamedTuple):
    """Where the endpoints are served."""

    host: str
    port: int
    """0 for any free one."""


class Options(NamedTuple):
    """What a daemon does besides ticking."""

    timing: Timing = Timing()
    dry_run: bool = False
    listen: Listen | None = None
    """None for no endpoints."""
    journal: Path | None = None
    journal_max_bytes: int = MAX_BYTES
    probes: Mapping[str, Callable[[float], None]] = {}
    """By `source` or `cluster`: called with a deadline in seconds until it returns without raising, for `/readyz`.
    Without one, the first answer that a tick gets will do."""
    observers: Sequence[Callable[[TickReport], None]] = ()
    """Called with the report of every tick, in the thread that ticks."""
    decider: Callable[[EngineSpec], Decider] = Engine
    pod_port: int | None = None
    """Where pods serve `/metrics`; None for the preset's usual port."""


def build_daemon(
    catalog: Catalog, source: Source, cluster: Cluster, clock: Clock, options: Options | None = None
) -> Daemon:
    """Return a daemon that has loaded its documents, listens, and is about to tick for the first time.

    Raises:
        DocumentError: the documents are wrong.
        UsageError: the journal cannot be written, or the address is taken.
    """
    return Daemon(catalog, source, cluster, clock, options or Options())


class Daemon:
    """Ticks, and everything that a person or a probe looks at; `build_daemon` makes one."""

    def __init__(self, catalog: Catalog, source: Source, cluster: Cluster, clock: Clock, options: Options) -> None:
        timing = options.timing
        self._log = structlog.get_logger("autoscaler.daemon")
        self._catalog = catalog
        self._tried = catalog.fingerprint()
        self._loaded = catalog.load()
        self._source = source
        self._clock = clock
        self._options = options
        self._interval_seconds = timing.real_interval(clock.speed)
        self._stopping = threading.Event()
        self._closed = False
        self.metrics = Metrics(speed=clock.speed)
        self.health = Health(timing.health_intervals * self._interval_seconds)
        file = Journal(options.journal, options.journal_max_bytes) if options.journal else None
        self._book = Book(file, timing.interval_seconds, partial(self._failed, Stage.JOURNAL))
        self._events = Events(cluster.post_event, self._event_failed)
        self._announcer = Announcer(self._events, self._log)
        self._probe_lanes: Lanes[None] = Lanes("probe")
        self._ticker = Ticker(
            cluster, source, timing, self._book.record, self._stopping, options.decider, options.pod_port
        )
        self._started(clock.read().now)
        self._endpoints = None
        if options.listen:
            self._endpoints = Endpoints(*options.listen, self.metrics.registry, self.health)

    @property
    def port(self) -> int | None:
        """Where the endpoints are, if there are any."""
        return self._endpoints.port if self._endpoints else None

    @property
    def tracked(self) -> Mapping[str, Tracked]:
        """What is remembered of each target, by `namespace/name`."""
        return self._ticker.tracked

    def tick(self) -> TickReport:
        """Look at every target once, decide, write, and tell; returns what was seen and done."""
        reading = self._clock.read()
        self._reload(reading.now)
        self._probe()
        report = self._ticker.tick(Setting(self._loaded.targets, self._options.dry_run), reading)
        self._reached(report)
        if not self._stopping.is_set():
            self.health.ticked()
        self.metrics.ticked(report)
        self._announcer.announce(report)
        self._book.turn(report.at, self._loaded, self.tracked)
        for observer in self._options.observers:
            self._call(observer, report)
        return report

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set, then let a write that is in flight end, and close. Call it once.

        Raises:
            BaseException: what ended the loop, if it was not `stop`.
        """
        loop = Loop(
            self._tick_in_loop,
            self._interval_seconds,
            min(self._options.timing.jitter_seconds, self._interval_seconds / 2),
            skipped=self.metrics.skipped,
            failed=self._tick_failed,
        )
        self._log.info(
            "running",
            version=__version__,
            targets=len(self._loaded.targets),
            interval_seconds=self._options.timing.interval_seconds,
            dry_run=self._options.dry_run,
            port=self.port,
        )
        try:
            loop.run(stop, self._stopping.set)
        finally:
            self.close()
            self._log.info("stopped")

    def stop(self) -> None:
        """Let the tick under way begin nothing more."""
        self._stopping.set()

    def close(self) -> None:
        """Post the last Events, and let the port, the journal and the source go; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self._stopping.set()
        self._events.close(DRAIN_SECONDS)
        if self._endpoints:
            self._endpoints.close()
        self._book.close()
        self._source.close()

    def _started(self, now: float) -> None:
        self.health.reached(health.CONFIGURATION)
        self.metrics.loaded(ok=True, at=now)
        self._book.begin(now, self._loaded, {})

    def _tick_in_loop(self) -> None:
        self.tick()

    def _reload(self, now: float) -> None:
        """Read the documents again if their content changed; wrong ones change nothing, and say so."""
        fingerprint = self._catalog.fingerprint()
        if fingerprint == self._tried:
            return
        self._tried = fingerprint
        try:
            loaded = self._catalog.load()
        except AutoscalerError as error:
            self.metrics.loaded(ok=False, at=now)
            self._log.error("the changed documents are wrong: going on with the last good ones", error=str(error))
            self._tell_all(events.RELOAD_FAILED, f"going on with the last good documents: {error}", now)
            return
        self._loaded = loaded
        self.metrics.loaded(ok=True, at=now)
        self._log.info("documents reloaded", targets=len(loaded.targets))
        self._tell_all(events.RELOADED, "the documents changed and are in use", now)
        self._book.begin(now, loaded, self.tracked)

    def _tell_all(self, reason: str, message: str, now: float) -> None:
        for target in self._loaded.targets.values():
            self._events.say(ref_of(target), reason, message, now)

    def _probe(self) -> None:
        calls = {
            what: partial(probe, PROBE_SECONDS)
            for what, probe in self._options.probes.items()
            if not self.health.was_reached(what)
        }
        for what, outcome in self._probe_lanes.run(calls, PROBE_SECONDS).items():
            if outcome.error is None and not outcome.late:
                self.health.reached(what)
                continue
            why = str(outcome.error) if outcome.error is not None else f"the answer is {outcome.late}"
            self.health.unreached(what, why)
            self._log.warning("not ready", waiting_for=what, why=why)

    def _reached(self, report: TickReport) -> None:
        """Take a tick's answers for a sign that the source and the cluster can be reached."""
        signals = [s for target in report.targets if target.observation for s in target.observation.signals.values()]
        answered = any(signal.quality is not Quality.ERROR for signal in signals)
        if health.SOURCE not in self._options.probes and (answered or not report.targets):
            self.health.reached(health.SOURCE)
        seen = any(target.facts or any(f.missing for f in target.failures) for target in report.targets)
        if health.CLUSTER not in self._options.probes and (seen or not report.targets):
            self.health.reached(health.CLUSTER)

    def _call(self, observer: Callable[[TickReport], None], report: TickReport) -> None:
        try:
            observer(report)
        except Exception:  # noqa: BLE001 - whoever watches may fail, the watched does not
            self._log.exception("an observer of ticks failed")

    def _tick_failed(self, error: Exception) -> None:
        self._failed(Stage.TICK, error)

    def _failed(self, stage: Stage, error: Exception) -> None:
        self.metrics.failed(stage)
        self._log.error(f"{stage} failed: {error}", stage=stage.value, exc_info=error)

    def _event_failed(self, event: events.Event, why: str) -> None:
        self.metrics.failed(Stage.EVENT)
        self._log.warning("an Event could not be posted", target=event.target.key, reason=event.reason, why=why)
