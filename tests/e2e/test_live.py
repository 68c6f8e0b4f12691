"""The whole loop for real: pods, Prometheus, API server and the installed daemon, under its own ServiceAccount."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.documents import MOST, PER_REPLICA, QUEUE, documents
from tests.e2e.stage import NAME, Pods, Stage
from tests.real.node_agent import PodPlan
from tests.real.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.control_plane import ControlPlane
    from tests.real.prometheus import StartPrometheus

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PLAN = PodPlan(cold_start_seconds=4.0, places=4, service_seconds=0.25)
PACE = {"interval_seconds": 2, "jitter_seconds": 0.1}
RESIDENT_MEGABYTES = 120


def settles(stage: Stage, daemon: Daemon, count: int) -> None:
    """Wait until the Deployment asks for so many pods, has them Ready and no other, and `/metrics` agrees."""
    pods = Pods(count, count, 0)
    eventually(lambda: (stage.wanted, stage.pods), lambda seen: seen == (count, pods), 60)
    eventually(lambda: shown(stage, daemon), lambda seen: seen == (count, count, count))


def shown(stage: Stage, daemon: Daemon) -> tuple[float | None, ...]:
    """Return the desired, current and ready counts that `/metrics` shows."""
    target = {"namespace": stage.namespace, "target": NAME}
    return (
        daemon.value("autoscaler_desired_replicas", **target),
        daemon.value("autoscaler_current_replicas", **target),
        daemon.value("autoscaler_replicas", state="ready", **target),
    )


def rise_fall_sleep_wake(stage: Stage, daemon: Daemon) -> None:
    """Load the target, unload it, leave it idle, ask for it again, and see it follow each time."""
    settles(stage, daemon, 1)
    stage.load.keep(PER_REPLICA * MOST)
    settles(stage, daemon, MOST)
    stage.load.keep(1)
    settles(stage, daemon, 1)
    stage.load.keep(0)
    settles(stage, daemon, 0)
    answered = stage.load.answered
    stage.load.keep(1)
    settles(stage, daemon, 1)
    eventually(lambda: stage.load.answered, lambda count: count > answered)


def holds_what_it_says(stage: Stage) -> None:
    """Check the Events against each other, against the writes that the API server saw, and the pods' own story."""
    steps = stage.steps()
    assert (steps[0][0], max(after for _, after in steps)) == (1, MOST)
    assert [before for before, _ in steps[1:]] == [after for _, after in steps[:-1]], "each begins where the last ended"
    assert steps[-2:] == [(1, 0), (0, 1)]
    assert len(steps) == stage.writes()
    assert [each for each in stage.requests() if not each.allowed] == []
    assert (stage.load.failed, stage.agent.faults) == (0, [])


def test_up_down_to_zero_and_awake_again(
    control_plane: ControlPlane, prometheus_server: StartPrometheus, tmp_path: Path
) -> None:
    """Load takes the target from 1 to 4, its end back to 1, idleness to 0, and a request at the gateway wakes it.

    Every request is answered in the end, every write has its Event, the metrics agree with the pods, and nothing was
    asked of the API server that deploy/base does not grant. The daemon stays small, and ends when it is told to.
    """
    with Stage(control_plane, "inference", PLAN) as stage:
        url = prometheus_server(stage.scrape_configs).url
        seen = {"prometheus": {"url": url, "scrape_interval_seconds": 1, "rate_window_seconds": 10}}
        told = documents(stage.namespace, {"query": f"sum({QUEUE})"})
        with Daemon(tmp_path, told, stage.kubeconfig, **PACE, **seen) as daemon:
            rise_fall_sleep_wake(stage, daemon)
            assert daemon.status("/healthz") == 200
            assert daemon.resident_megabytes < RESIDENT_MEGABYTES
            assert daemon.stop() == 0
    holds_what_it_says(stage)


def test_without_prometheus(control_plane: ControlPlane, tmp_path: Path) -> None:
    """The same story with the pods' own pages alone, and no Prometheus anywhere."""
    with Stage(control_plane, "scraped", PLAN) as stage:
        seen: dict[str, Any] = {"source": "scrape", "scrape": {"port": stage.agent.port, "rate_window_seconds": 10}}
        told = documents(stage.namespace, {"url": f"http://{stage.gateway.address}/metrics", "metric": QUEUE})
        with Daemon(tmp_path, told, stage.kubeconfig, **PACE, **seen) as daemon:
            rise_fall_sleep_wake(stage, daemon)
            assert daemon.stop() == 0
    holds_what_it_says(stage)
