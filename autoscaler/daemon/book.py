"""The journal as the loop uses it: whole ticks, a header whenever one is due, and no tick that fails for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.daemon import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autoscaler.daemon.catalog import Loaded
    from autoscaler.daemon.journal import Journal, Record
    from autoscaler.daemon.tracked import Tracked


class Book:
    """Writes to a journal, or to nothing; `failed` hears when the disk does not take it.

    After a write that failed nothing more is written until the next header, which brings every state along: what
    stands in the file always replays.
    """

    def __init__(self, file: Journal | None, interval_seconds: float, failed: Callable[[OSError], None]) -> None:
        self._file = file
        self._interval_seconds = interval_seconds
        self._failed = failed
        self._begun = False

    def begin(self, at: float, loaded: Loaded, tracked: Mapping[str, Tracked]) -> None:
        """Write a header: at the start, and after a reload."""
        self._write_header(at, loaded, tracked, rotate=False)

    def turn(self, at: float, loaded: Loaded, tracked: Mapping[str, Tracked]) -> None:
        """Between two ticks: go on to the next file if this one is full, and write a header if one is owed."""
        if self._file is not None and (self._file.full or not self._begun):
            self._write_header(at, loaded, tracked, rotate=self._file.full)

    def record(self, records: Iterable[Record]) -> None:
        """Append a tick's records."""
        if self._file is None or not self._begun:
            return
        try:
            self._file.write(records)
        except OSError as error:
            self._begun = False
            self._failed(error)

    def close(self) -> None:
        """Close the file; what a tick that was left behind still has to say is lost."""
        self._begun = False
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._failed(error)

    def _write_header(self, at: float, loaded: Loaded, tracked: Mapping[str, Tracked], *, rotate: bool) -> None:
        if self._file is None:
            return
        specs = {key: target.spec for key, target in loaded.targets.items()}
        first = journal.header(at, self._interval_seconds, specs, loaded.documents, tracked)
        try:
            if rotate:
                self._file.rotate(first)
            else:
                self._file.write([first])
            self._begun = True
        except OSError as error:
            self._begun = False
            self._failed(error)
