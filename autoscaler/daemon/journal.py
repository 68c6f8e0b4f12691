"""The journal: JSON lines that hold all that decisions were made from, so that they can be made again.

A `header` opens every file, every start and every reload: the documents as they were written and as they were
compiled, and the state of each target. Then, tick by tick, in this order:

- `clock`: the wall clock was set, and every history forgotten;
- `write`: a write whose answer was lost turned out to have happened;
- `decision`: mode, observation and decision of one target; `again` when it takes the place of the one before it,
  made after somebody else's write in the same tick;
- `write`: a confirmed write;
- `gone`: the state of a target was dropped.

A tick's lines are written in few calls, each of whole lines. A line that a crash cut off is followed by a header.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from autoscaler import __version__
from autoscaler.daemon.record import plain, text
from autoscaler.engine.state import state_to_json
from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from autoscaler.daemon.decide import Decided
    from autoscaler.daemon.tracked import Tracked, Write
    from autoscaler.engine.spec import EngineSpec

FORMAT = 1
"""Of the lines; a reader refuses any other."""
MAX_BYTES = 64 * 1024 * 1024
BACKUPS = 3
"""A file that has grown past the first is renamed to `<name>.1`, and so on up to the second."""

Record = dict[str, Any]


def header(
    at: float,
    interval_seconds: float,
    specs: Mapping[str, EngineSpec],
    documents: Mapping[str, str],
    tracked: Mapping[str, Tracked],
) -> Record:
    """Return what opens a file: documents by file name, specs and states by target."""
    return {
        "kind": "header",
        "format": FORMAT,
        "version": __version__,
        "at": at,
        "interval_seconds": interval_seconds,
        "documents": dict(documents),
        "specs": {key: plain(spec) for key, spec in specs.items()},
        "states": {key: state_to_json(kept.state) for key, kept in tracked.items()},
    }


def clock_record(at: float, step_seconds: float) -> Record:
    """Return the record of a wall clock that was set."""
    return {"kind": "clock", "at": at, "step_seconds": step_seconds}


def decision_record(decided: Decided, *, again: bool = False) -> Record:
    """Return the record of one decision and all that it was made from, besides the state."""
    record = {
        "kind": "decision",
        "at": decided.decision.at,
        "target": decided.decision.target,
        "mode": decided.mode.value,
        "observation": plain(decided.observation),
        "decision": plain(decided.decision),
    }
    return {**record, "again": True} if again else record


def write_record(target: str, write: Write) -> Record:
    """Return the record of a write that happened."""
    return {"kind": "write", "at": write.at, "target": target, "before": write.before, "after": write.after}


def gone_record(target: str, at: float) -> Record:
    """Return the record of a state that was dropped."""
    return {"kind": "gone", "at": at, "target": target}


class Journal:
    """One file that is appended to, and set aside when it has grown too long."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, backups: int = BACKUPS) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._size = 0
        self._torn = False
        try:
            self._file = self._open()
        except OSError as error:
            raise UsageError(f"journal {path}: cannot be written: {error.strerror}") from error

    @property
    def full(self) -> bool:
        """Whether it is time for the next file."""
        return self._size >= self._max_bytes

    @property
    def torn(self) -> bool:
        """Whether the last write failed half-way: the next one has to begin with a header."""
        return self._torn

    def write(self, records: Iterable[Record]) -> None:
        """Append the records with one call to the system.

        Raises:
            OSError: the disk is full, or gone.
        """
        data = "".join(text(record) + "\n" for record in records).encode()
        if not data:
            return
        if self._torn:
            data = b"\n" + data
        # a write that fails half-way leaves half a line, which the next one must not be glued to
        self._torn = True
        written = os.write(self._file, data)
        self._size += written
        if written < len(data):
            raise OSError(f"only {written} of {len(data)} bytes were written")
        self._torn = False

    def rotate(self, first: Record) -> None:
        """Set the file aside, and open a new one that begins with a header.

        Raises:
            OSError: the file cannot be renamed or opened.
        """
        os.close(self._file)
        for number in range(self._backups - 1, 0, -1):
            older = self._backup(number)
            if older.exists():
                older.replace(self._backup(number + 1))
        if self._backups:
            self._path.replace(self._backup(1))
        else:
            self._path.unlink()
        self._file = self._open()
        self.write([first])

    def close(self) -> None:
        """Write what the system still holds to the disk, and close."""
        os.fsync(self._file)
        os.close(self._file)

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        self._size = os.fstat(file).st_size
        self._torn = bool(self._size) and os.pread(file, 1, self._size - 1) != b"\n"
        return file


def read(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield the records with their line numbers; a line that a crash cut off is left out.

    Raises:
        UsageError: the file cannot be read, is no journal, or is damaged elsewhere than where a crash can.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from _records(path, file)
    except OSError as error:
        raise UsageError(f"journal {path}: {error.strerror}") from error


def _records(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Record]]:
    torn = 0
    for number, line in enumerate(lines, start=1):
        record = _parse(line)
        kind = record.get("kind") if record else None
        if torn and kind != "header":
            raise UsageError(f"journal {path}: line {torn} is not a record: the file is damaged, or not a journal")
        torn = 0
        if record is None:
            torn = number
            continue
        if number == 1 and kind != "header":
            raise UsageError(f"journal {path}: line 1 is no header: this is not a journal")
        if kind == "header" and record.get("format") != FORMAT:
            raise UsageError(
                f"journal {path}: line {number}: format {record.get('format')!r}; this version reads {FORMAT}"
            )
        yield number, record


def _parse(line: str) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "kind" in record else None
