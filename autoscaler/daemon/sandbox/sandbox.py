"""World, daemon and what was seen so far, put together: what a run shows, and what a test steps through."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from autoscaler.daemon.catalog import FileCatalog
from autoscaler.daemon.sandbox import hardware
from autoscaler.daemon.sandbox.recorder import Record, watch
from autoscaler.daemon.sandbox.scene import Scene, Setting
from autoscaler.daemon.sandbox.world import World
from autoscaler.daemon.service import Listen, Options, build_daemon
from autoscaler.daemon.timing import Timing
from autoscaler.rules.latency import Latency
from autoscaler.sources.scrape import ScrapeSource

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from autoscaler.daemon.clock import Clock
    from autoscaler.daemon.report import TickReport
    from autoscaler.daemon.sandbox.summary import Summary
    from autoscaler.documents.compile import CompiledTarget
    from autoscaler.engine.observation import SignalRequest

_LOOPBACK = Listen("127.0.0.1", 0)


class Sandbox:
    """One sandbox with its daemon; `daemon.tick()` and `daemon.run()` are the caller's."""

    def __init__(
        self,
        clock: Clock,
        duration_seconds: float,
        *,
        horizon_seconds: float,
        backend: str = "vllm",
        seed: int = 0,
        dry_run: bool = False,
        journal: Path | None = None,
        listen: Listen = _LOOPBACK,
    ) -> None:
        self._lock = Lock()
        self._record = Record()
        self.world = World(lambda: clock.read().now, seed=seed, horizon_seconds=horizon_seconds, backend=backend)
        try:
            catalog = FileCatalog([self.world.documents])
            self.daemon = build_daemon(
                catalog,
                ScrapeSource(),
                self.world.deployment,
                clock,
                Options(Timing(jitter_seconds=0.0), dry_run, listen, journal, observers=[self._observe]),
            )
        except BaseException:
            self.world.close()
            raise
        target = catalog.load().targets[self.world.ref.key]
        latency, objective_seconds = _watched(target)
        self.setting = Setting(
            target=target.key,
            backend=target.backend,
            hardware=hardware.HARDWARE,
            speed=clock.speed,
            duration_seconds=duration_seconds,
            max_replicas=target.spec.max_replicas,
            latency=latency,
            objective_seconds=objective_seconds,
            daemon_address=f"{listen.host}:{self.daemon.port}",
            gateway_address=self.world.fleet.gateway.address,
            documents=str(self.world.documents),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.close()
        self.world.close()

    def scene(self) -> Scene:
        """Return the present state."""
        fleet = self.world.fleet.numbers()
        with self._lock:
            record = self._record
        return Scene(
            self.setting,
            fleet.at - self.world.fleet.started_at,
            self.world.deployment.wanted,
            fleet,
            record.moments,
            record.decision,
            record.changes,
        )

    def summary(self) -> Summary:
        """Return what the run amounted to up to now."""
        return self.world.fleet.summary(self.setting.objective_seconds)

    def _observe(self, report: TickReport) -> None:
        fleet, setting = self.world.fleet.numbers(), self.setting
        with self._lock:
            self._record = watch(
                self._record, report, setting.target, setting.latency, fleet, self.world.fleet.started_at
            )


def _watched(target: CompiledTarget) -> tuple[SignalRequest, float]:
    """Return what the first latency rule guards: the screen shows its signal, the summary counts by its objective."""
    guards = (rule for rule in target.spec.rules if isinstance(rule, Latency))
    return next((guard.needs[0], guard.objective_seconds) for guard in guards if guard.objective_seconds is not None)
