"""`autoscaler run` where something is missing, and where it may only look."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.daemon import PROGRAM, Daemon, environment, write
from tests.e2e.documents import QUEUE, documents
from tests.e2e.stage import NAME, Pods, Stage
from tests.real.child import free_port
from tests.real.node_agent import PodPlan
from tests.real.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.control_plane import ControlPlane
    from tests.real.prometheus import StartPrometheus

GATEWAY = {"query": f"sum({QUEUE})"}


def run_once(folder: Path, written: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    command: list[str | Path] = [PROGRAM, "run", "--once", "--settings", written, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A kubeconfig that leads to a port where nobody listens."""
    path = tmp_path / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{free_port()}"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": {"token": "secret-token"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_nothing_answers_once(tmp_path: Path, nowhere: Path) -> None:
    """With --once, an API server and a Prometheus that do not answer are exit code 1, both named, and no traceback."""
    settings = {"prometheus": {"url": f"http://127.0.0.1:{free_port()}"}}
    done = run_once(tmp_path, write(tmp_path, documents("a", GATEWAY), nowhere, {"port": 0}, settings))
    assert done.returncode == 1
    assert "the API server cannot be reached" in done.stderr
    assert "Prometheus" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "secret-token" not in done.stdout + done.stderr


def test_nothing_answers_at_first(tmp_path: Path, nowhere: Path) -> None:
    """The daemon stays alive and says that it is not ready, and why, until it is told to end."""
    settings = {"interval_seconds": 1, "jitter_seconds": 0, "prometheus": {"url": f"http://127.0.0.1:{free_port()}"}}
    with Daemon(tmp_path, documents("a", GATEWAY), nowhere, **settings) as daemon:
        eventually(lambda: daemon.value("autoscaler_errors_total", stage="observe"), lambda errors: (errors or 0) >= 2)
        assert (daemon.status("/healthz"), daemon.status("/readyz")) == (200, 503)
        assert daemon.stop() == 0
    assert "secret-token" not in daemon.child.log.read_text()


@pytest.mark.cluster
def test_dry_run_writes_nothing(
    control_plane: ControlPlane, prometheus_server: StartPrometheus, tmp_path: Path
) -> None:
    """With --dry-run the decision is explained, an Event says what would be, and no count is written."""
    with Stage(control_plane, "watched", PodPlan(cold_start_seconds=0.5)) as stage:
        server = prometheus_server(stage.scrape_configs)
        stage.load.keep(8)
        eventually(lambda: stage.pods, lambda pods: pods == Pods(1, 1, 0))
        eventually(lambda: server.query("sum(vllm:num_requests_running) > 0"), bool)
        settings = {"prometheus": {"url": server.url, "scrape_interval_seconds": 1, "rate_window_seconds": 10}}
        told = documents(stage.namespace, GATEWAY)
        written = write(tmp_path, told, stage.kubeconfig, {"port": 0}, settings)
        done = run_once(tmp_path, written, "--dry-run")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{stage.namespace}/{NAME}: 1 -> 4 (Demand)")
        assert stage.wanted == 1
        assert [note.split(":")[0] for note in stage.events("WouldScale")] == ["1 -> 4"]
        assert stage.writes() == 0
        assert [each for each in stage.requests() if not each.allowed] == []
