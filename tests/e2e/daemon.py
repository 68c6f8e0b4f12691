"""The installed `autoscaler run` as a process of its own, and what it says at its endpoints."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import urllib3
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.real.child import Child, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.real.api import Json

PROGRAM = Path(sys.executable).with_name("autoscaler")
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Daemon:
    """One running `autoscaler run`, told by files alone what to do."""

    def __init__(self, folder: Path, documents: Sequence[Json], kubeconfig: Path, **settings: object) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        written = write(folder, documents, kubeconfig, {"host": "127.0.0.1", "port": port}, settings)
        self.child = Child("autoscaler", [PROGRAM, "run", "--settings", written], folder, environment())
        try:
            self.child.wait_ready(lambda: self.status("/healthz") == 200, port)
        except BaseException:
            self.child.stop()
            raise

    def status(self, path: str) -> int:
        """Return the status of a GET, or 0 while nobody answers."""
        try:
            return urllib3.request("GET", self.url + path, timeout=5, retries=False).status
        except urllib3.exceptions.HTTPError:
            return 0

    def samples(self) -> Samples:
        """Return what `/metrics` shows, by name and sorted labels."""
        page = urllib3.request("GET", f"{self.url}/metrics", timeout=5, retries=False).data.decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of one series; None if there is no such series."""
        return self.samples().get((name, tuple(sorted(labels.items()))))

    @property
    def resident_megabytes(self) -> float:
        """How much memory the process holds now."""
        for line in Path(f"/proc/{self.child.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("the process is gone")

    def stop(self) -> int:
        """Send SIGTERM, and return the exit status."""
        return self.child.stop(15)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def write(
    folder: Path,
    documents: Sequence[Json],
    kubeconfig: Path,
    listen: Mapping[str, object],
    settings: Mapping[str, object],
) -> Path:
    """Write documents and settings into the folder, and return the settings' path."""
    (folder / "documents").mkdir()
    (folder / "documents" / "documents.yaml").write_text(yaml.safe_dump_all(documents))
    told = {
        **settings,
        "documents": [str(folder / "documents")],
        "kubernetes": {"kubeconfig": str(kubeconfig)},
        "listen": dict(listen),
        "journal": str(folder / "journal.jsonl"),
        "log_format": "json",
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(told))
    return folder / "settings.yaml"


def environment() -> dict[str, str]:
    """Return this environment without what could tell the program something besides."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AUTOSCALER_", "KUBE"))}
