"""Traces as they come out, kept as plain arrays in files that are mapped into memory: 44 M requests open in a blink.

An entry is a folder named by a key: one file of numbers for each column, and `trace.json` with what is known of them.
It is written beside its place, flushed, and moved there as a whole; one that is not as it was written is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION = 1
"""Raised whenever a loader, a transform or the generator makes something else of the same input."""
_COLUMNS = {"arrival_seconds": "<f8", "prompt_tokens": "<i4", "output_tokens": "<i4", "prefix_tokens": "<i4"}
_ABOUT = "trace.json"
_SAMPLES, _SAMPLE_BYTES = 256, 4096
"""A column's fingerprint is that of so many pieces, spread evenly: all of it would have to be read to know all."""
_DAMAGE = (OSError, ValueError, KeyError, TypeError, RecursionError)
_NEW, _OLD = ".new-", ".old-"
_DIGESTS = "digests"
_HASHED_AT_ONCE = 1 << 22
_REMEMBERED_BYTES = 1 << 25
"""Smaller files are read again each time."""
_ABANDONED_SECONDS = 86400
_RACY_NS = 2 * 10**9


class Cache(NamedTuple):
    """A folder of traces, which may be deleted at any time."""

    folder: Path
    fewest_requests: int = 100_000
    """Smaller traces are made as fast as they are found."""
    most_bytes: int = 8 * 2**30
    """Beyond it the entries that were used least recently are deleted."""

    def trace(self, key: str, build: Callable[[], Trace]) -> Trace:
        """Return the trace of a key: from the folder if it is there and sound, else built, and kept.

        Nothing that is wrong with the folder is an error: it is a note on the trace.
        """
        place = self.folder / key
        damage = ""
        if place.is_dir():
            try:
                return _read(place)
            except _DAMAGE as error:
                damage = f"the copy in {place} was damaged ({error}) and has been made anew"
        trace = build()
        if len(trace.arrival_seconds) >= max(1, self.fewest_requests):
            try:
                self._write(place, trace)
            except OSError as error:
                return trace.noted(f"no copy could be kept in {self.folder}: {error.strerror}")
        return trace.noted(damage) if damage else trace

    def digest(self, path: Path | str) -> str:
        """Return the fingerprint of a file's content.

        That of a large file is remembered for as long as its size, time and place stay the same.

        Raises:
            TraceError: it cannot be read.
        """
        source = Path(path)
        try:
            found = source.stat()
            facts = [str(source.absolute()), found.st_size, found.st_mtime_ns, found.st_ino]
            if found.st_size < _REMEMBERED_BYTES:
                return _digest(source)
            known = self.folder / _DIGESTS / key_of(facts[0])
            remembered = _remembered(known, facts, found.st_mtime_ns)
            if remembered is not None:
                return remembered
            fresh = _digest(source)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise TraceError(f"{path}: cannot be read: {reason}") from error
        _remember(known, facts, fresh)
        return fresh

    def _write(self, place: Path, trace: Trace) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.folder))
        try:
            _fill(beside, trace)
            if place.is_dir() and not _is_sound(place):
                place.rename(tempfile.mkdtemp(prefix=_OLD, dir=self.folder) + "/entry")
            beside.rename(place)
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
            # another process may have written the same entry meanwhile
            if not _is_sound(place):
                raise
        with contextlib.suppress(OSError):  # another process tidies too
            self._tidy(place)

    def _tidy(self, kept: Path) -> None:
        """Delete what was replaced or abandoned, then what was used least recently until the rest is small enough."""
        now = (kept / _ABOUT).stat().st_mtime
        entries = []
        for one in self.folder.iterdir():
            if one.name.startswith(_OLD) or (
                one.name.startswith(_NEW) and one.stat().st_mtime < now - _ABANDONED_SECONDS
            ):
                shutil.rmtree(one, ignore_errors=True)
            elif (one / _ABOUT).exists() and one != kept:
                entries.append(((one / _ABOUT).stat().st_mtime, one))
        left = self.most_bytes - _size(kept)
        for _, one in sorted(entries, reverse=True):
            left -= _size(one)
            if left < 0:
                shutil.rmtree(one, ignore_errors=True)


def user_folder(environment: Mapping[str, str]) -> Path:
    """Return where traces are kept for the user: in XDG_CACHE_HOME, or in `.cache` of the home folder."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or tempfile.gettempdir()) / ".cache"
    return Path(base) / "inference-autoscaler" / "traces"


def key_of(*parts: object) -> str:
    """Return the key of what a trace is made from: plain JSON values."""
    text = json.dumps([VERSION, np.__version__, *parts], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _fill(folder: Path, trace: Trace) -> None:
    about: dict[str, Any] = {
        "name": trace.name,
        "notes": trace.notes,
        "grid_seconds": trace.grid_seconds,
        "requests": len(trace.arrival_seconds),
        "columns": {},
    }
    for name, dtype in _COLUMNS.items():
        values = getattr(trace, name)
        if values is not None:
            flat = np.ascontiguousarray(values, dtype)
            with (folder / name).open("wb") as file:
                flat.tofile(file)
                os.fsync(file.fileno())
            about["columns"][name] = _fingerprint(flat)
    with (folder / _ABOUT).open("w") as file:
        json.dump(about, file)
        file.flush()
        os.fsync(file.fileno())


def _read(place: Path) -> Trace:
    """Return an entry.

    Raises:
        OSError, ValueError, KeyError, TypeError, RecursionError: it is not as it was written.
    """
    about = json.loads((place / _ABOUT).read_text())
    if not (isinstance(about, dict) and type(about["requests"]) is int and isinstance(about["columns"], dict)):
        raise ValueError(f"{_ABOUT} describes no trace")
    requests = about["requests"]
    columns = {}
    for name, fingerprint in about["columns"].items():
        dtype = np.dtype(_COLUMNS[name])
        size = (place / name).stat().st_size
        if size != requests * dtype.itemsize:
            raise ValueError(f"{name} has {size} bytes instead of {requests * dtype.itemsize}")
        columns[name] = np.asarray(np.memmap(place / name, dtype, "r", shape=(requests,)))
        if _fingerprint(columns[name]) != fingerprint:
            raise ValueError(f"{name} is not what was written")
    notes = tuple(map(str, about["notes"]))
    trace = Trace(str(about["name"]), notes=notes, grid_seconds=float(about["grid_seconds"]), **columns)
    with contextlib.suppress(OSError):  # of another user: it is only not known to be in use
        os.utime(place / _ABOUT)
    return trace


def _is_sound(place: Path) -> bool:
    try:
        _read(place)
    except _DAMAGE:
        return False
    return True


def _fingerprint(values: np.ndarray[Any, np.dtype[Any]]) -> str:
    content = values.view(np.uint8)
    sum_of = hashlib.blake2b(digest_size=16)
    for begin in np.linspace(0, max(0, len(content) - _SAMPLE_BYTES), _SAMPLES).astype(np.int64).tolist():
        sum_of.update(content[begin : begin + _SAMPLE_BYTES].tobytes())
    return sum_of.hexdigest()


def _size(entry: Path) -> int:
    return sum(file.stat().st_size for file in entry.iterdir())


def _digest(source: Path) -> str:
    sum_of = hashlib.blake2b(digest_size=16)
    with source.open("rb") as file:
        while block := file.read(_HASHED_AT_ONCE):
            sum_of.update(block)
    return sum_of.hexdigest()


def _remembered(known: Path, facts: list[object], changed_ns: int) -> str | None:
    """Return a file's digest; None unless it was written down well after the file's last change."""
    try:
        # a change within the clock's grain of the reading would leave the same time
        if known.stat().st_mtime_ns < changed_ns + _RACY_NS:
            return None
        found = json.loads(known.read_text())
        return str(found["digest"]) if found["facts"] == facts else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(known: Path, facts: list[object], digest: str) -> None:
    with contextlib.suppress(OSError):  # it is read again the next time
        known.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=known.parent, prefix=_NEW, delete=False) as file:
            json.dump({"facts": facts, "digest": digest}, file)
        Path(file.name).replace(known)
