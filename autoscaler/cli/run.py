"""`autoscaler run`: the daemon, once, for good, or in a sandbox."""

from __future__ import annotations

import math
import threading
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.daemon import health, logs
from autoscaler.daemon.catalog import FileCatalog
from autoscaler.daemon.clock import SystemClock
from autoscaler.daemon.service import Listen, Options, build_daemon
from autoscaler.daemon.shutdown import Shutdown
from autoscaler.daemon.timing import Timing
from autoscaler.documents.plugins import registry
from autoscaler.errors import UsageError
from autoscaler.settings import LogLevel, SourceKind, load_settings
from autoscaler.sources.timing import SCRAPES_UNTIL_STALE
from autoscaler.sources.timing import Timing as SourceTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.cluster.kubernetes import KubernetesCluster
    from autoscaler.daemon.report import TickReport
    from autoscaler.daemon.service import Daemon
    from autoscaler.settings import Settings
    from autoscaler.sources.source import Source


def run(
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="The daemon's settings, YAML; AUTOSCALER_* variables win."),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", metavar="FILE|DIR", help="A file or folder of documents; may be given again."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and say so, but write nothing.")] = False,  # noqa: FBT002
    once: Annotated[bool, typer.Option("--once", help="Decide once, explain it, and exit.")] = False,  # noqa: FBT002
    sandbox: Annotated[  # noqa: FBT002
        bool, typer.Option("--sandbox", help="Scale a simulated fleet on this machine: no cluster, no GPU.")
    ] = False,
    speed: Annotated[
        float | None, typer.Option("--speed", metavar="X", help="Sandbox: simulated seconds per second.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", metavar="SECONDS", help="Sandbox: end after so many seconds.")
    ] = None,
) -> None:
    """Scale the targets of some documents, for good or once; --sandbox needs no cluster.

    Runs until SIGTERM or Ctrl-C. With --once, the exit code is 1 if anything went wrong with any target.
    """
    chosen = load_settings(settings)
    if sandbox:
        if files or once:
            raise UsageError("--file and --once do not go with --sandbox: it brings documents and a story of its own")
        _run_sandbox(chosen, dry_run=dry_run, speed=speed, duration=duration)
        return
    if speed is not None or duration is not None:
        raise UsageError("--speed and --duration belong to --sandbox: nobody can hurry a cluster")
    shutdown = Shutdown()
    logs.configure(chosen.log_format, LogLevel.ERROR if once else chosen.log_level)
    daemon, cluster = _build(chosen, tuple(files or ()), dry_run=dry_run, once=once)
    try:
        code = _run_once(daemon, shutdown) if once else _run_on(daemon, shutdown)
    finally:
        cluster.close()
    raise typer.Exit(code)


def _run_sandbox(settings: Settings, *, dry_run: bool, speed: float | None, duration: float | None) -> None:
    # simulator and screen: nothing that a daemon in a cluster needs
    from autoscaler.daemon.sandbox.run import SandboxOptions, run_sandbox  # noqa: PLC0415

    options = SandboxOptions(dry_run=dry_run or settings.dry_run, journal=settings.journal, duration_seconds=duration)
    run_sandbox(options if speed is None else options._replace(speed=speed))


def _build(settings: Settings, files: Sequence[Path], *, dry_run: bool, once: bool) -> tuple[Daemon, KubernetesCluster]:
    paths = tuple(files) or settings.documents
    if not paths:
        raise UsageError("no documents: name files or folders with -f, or as `documents` in the settings")
    rules = registry(settings.rule_files)
    catalog = FileCatalog(paths, settings.interval_seconds, rules, settings.namespaces)
    # wrong documents are told before anything is connected to
    catalog.load()
    from autoscaler.cluster.kubernetes import KubernetesCluster  # noqa: PLC0415 - a second, and 60 MB

    cluster = KubernetesCluster.from_kubeconfig(settings.kubernetes.kubeconfig)
    source, probes = build_source(settings)
    listen = None if once else Listen(settings.listen.host, settings.listen.port)
    options = Options(_timing(settings), settings.dry_run or dry_run, listen, settings.journal, probes=probes)
    options = options._replace(pod_port=settings.scrape.port)
    return build_daemon(catalog, source, cluster, SystemClock(), options), cluster


def build_source(settings: Settings) -> tuple[Source, dict[str, Callable[[float], None]]]:
    """Return the source that the settings ask for, and what can tell whether it is reached, by name.

    Raises:
        UsageError: a setting cannot be right.
    """
    if settings.source is SourceKind.SCRAPE:
        from autoscaler.sources.scrape import ScrapeSource  # noqa: PLC0415 - one source's clients, not both

        timing = SourceTiming(
            scrape_interval_seconds=settings.interval_seconds,
            rate_window_seconds=settings.scrape.rate_window_seconds,
            stale_after_seconds=SCRAPES_UNTIL_STALE * settings.interval_seconds,
        )
        scraper = ScrapeSource(
            timing=timing,
            page_timeout_seconds=settings.scrape.pod_deadline_seconds,
            connections=settings.scrape.concurrency,
        )
        return scraper, {}
    from autoscaler.sources.credentials import Credentials  # noqa: PLC0415
    from autoscaler.sources.prometheus import PrometheusSource  # noqa: PLC0415

    asked = settings.prometheus
    credentials = Credentials(asked.token_file, asked.username_file, asked.password_file)
    scrape = asked.scrape_interval_seconds
    timing = SourceTiming(scrape, asked.rate_window_seconds, stale_after_seconds=SCRAPES_UNTIL_STALE * scrape)
    source = PrometheusSource(asked.url, credentials=credentials, ca_file=asked.ca_file, timing=timing)
    return source, {health.SOURCE: source.ready}


def _timing(settings: Settings) -> Timing:
    deadlines = settings.deadlines
    one = settings.prometheus.query_deadline_seconds if settings.source is SourceKind.PROMETHEUS else math.inf
    return Timing(
        settings.interval_seconds,
        settings.jitter_seconds,
        deadlines.observe_seconds,
        min(deadlines.collect_seconds, one),
        deadlines.act_seconds,
    )


def _run_on(daemon: Daemon, shutdown: Shutdown) -> int:
    daemon.run(shutdown.event)
    return shutdown.exit_code


def _run_once(daemon: Daemon, shutdown: Shutdown) -> int:
    def stop_when_told() -> None:
        shutdown.event.wait()
        daemon.stop()

    threading.Thread(target=stop_when_told, name="autoscaler-stop", daemon=True).start()
    try:
        report = daemon.tick()
    finally:
        daemon.close()
    _print(report)
    ready = daemon.health.ready()
    if not ready.ok:
        typer.echo(f"autoscaler: {ready.detail}", err=True)
    return shutdown.exit_code or int(report.failed or not ready.ok)


def _print(report: TickReport) -> None:
    for target in report.targets:
        if target.decision is not None:
            typer.echo(f"{target.decision.explain()}\n  {target.mode}: {target.action}")
        for failure in target.failures:
            typer.echo(f"autoscaler: {target.key}: {failure.stage}: {failure.message}", err=True)
