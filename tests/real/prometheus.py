"""A real Prometheus on a free loopback port, with the scrape configuration that the test gives."""

from __future__ import annotations

import json
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.real.child import Child, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class PrometheusServer:
    """One running Prometheus; its configuration, data and log lie in `folder`.

    `scrape_configs` and `settings` (the `global` section) are what Prometheus' own configuration has there: a job with
    `static_configs`, `file_sd_configs` or `http_sd_configs` and its `relabel_configs`.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        scrape_configs: Sequence[Mapping[str, Any]],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        intervals = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        # JSON is YAML.
        configuration = {"global": intervals | dict(settings or {}), "scrape_configs": list(scrape_configs)}
        path = folder / "prometheus.yml"
        path.write_text(json.dumps(configuration, indent=2))
        self.child = Child(
            "prometheus",
            [
                program,
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=1h",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            folder,
        )
        try:
            self.child.wait_ready(self._is_ready, self.port)
        except BaseException:
            self.child.stop()
            raise

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the result of an instant query, as Prometheus writes it."""
        return self._data("query", {"query": promql})["result"]  # type: ignore[no-any-return]

    def up(self) -> dict[str, bool]:
        """Return for each target, by its address, whether its last scrape succeeded."""
        targets = self._data("targets", {"state": "active"})["activeTargets"]
        return {target["labels"]["instance"]: target["health"] == "up" for target in targets}

    def stop(self) -> None:
        """Stop Prometheus."""
        self.child.stop()

    def _data(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=10) as response:
            return json.load(response)["data"]  # type: ignore[no-any-return]

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class StartPrometheus(Protocol):
    """What the fixture `prometheus_server` gives."""

    def __call__(
        self, scrape_configs: Sequence[Mapping[str, Any]], settings: Mapping[str, Any] | None = None
    ) -> PrometheusServer:
        """Return a Prometheus that is ready; it is stopped at the end of the test."""


def find_prometheus() -> Path:
    """Return the program; skip the test where there is none, but fail it on CI, which must have one."""
    found = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
    if found:
        return Path(found)
    text = "no prometheus: apt-get install prometheus, or name the program in PROMETHEUS"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture
def prometheus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartPrometheus]:
    """A way to start real Prometheus servers; their logs stay in pytest's folder for temporary files."""
    program = find_prometheus()
    started: list[PrometheusServer] = []

    def start(
        scrape_configs: Sequence[Mapping[str, Any]], settings: Mapping[str, Any] | None = None
    ) -> PrometheusServer:
        server = PrometheusServer(program, tmp_path_factory.mktemp("prometheus"), scrape_configs, settings)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()
