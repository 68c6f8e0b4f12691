"""What tests of the daemon share: a world in memory, and a daemon in it that only the test makes tick."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from autoscaler.daemon.catalog import FileCatalog
from autoscaler.daemon.clock import SystemClock
from autoscaler.daemon.service import Options, build_daemon
from tests.daemon.world import MemoryCluster, MemorySource, Workload, write_documents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autoscaler.daemon.report import TickReport
    from autoscaler.daemon.service import Daemon
    from tests.conftest import FakeClock


class Rig:
    """One daemon, its documents' file, its cluster and its clock."""

    def __init__(self, folder: Path, clock: FakeClock, stack: ExitStack, names: tuple[str, ...]) -> None:
        self.clock = clock
        self.stack = stack
        self.cluster = MemoryCluster(clock.time, **{name: Workload() for name in names})
        self.source = MemorySource(self.cluster)
        self.documents = write_documents(folder, *names)
        self.journal = folder / "journal.jsonl"
        self.daemon: Daemon

    def start(self, **options: object) -> Daemon:
        chosen = Options(journal=self.journal)._replace(**options)
        clock = SystemClock(self.clock.time, self.clock.monotonic)
        self.daemon = build_daemon(FileCatalog([self.documents]), self.source, self.cluster, clock, chosen)
        self.stack.callback(self.daemon.close)
        return self.daemon

    def tick(self, count: int = 1, seconds: float = 15.0) -> TickReport:
        """Let `count` intervals pass, each with a tick at its end, and return the last report."""
        for _ in range(count):
            self.clock.advance(seconds)
            report = self.daemon.tick()
        return report

    def said(self) -> list[tuple[str, str, str]]:
        """Return the Events posted so far."""
        assert self.daemon._events.drain(10)
        return self.cluster.events


@pytest.fixture
def rig(tmp_path: Path, clock: FakeClock) -> Iterator[object]:
    """A function from target names to a rig whose daemon runs with a journal, and is closed at the end."""
    with ExitStack() as stack:

        def make(*names: str, **options: object) -> Rig:
            made = Rig(tmp_path, clock, stack, names or ("a",))
            made.start(**options)
            return made

        yield make
