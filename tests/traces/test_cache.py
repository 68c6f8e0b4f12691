"""The cache of traces: what is found again, what is made anew, and that nothing about the folder is ever an error."""

from __future__ import annotations

import json
import os
import shutil
import threading

import numpy as np
import pytest

from autoscaler.errors import TraceError
from autoscaler.traces import cache as module
from autoscaler.traces.cache import Cache, key_of, user_folder
from autoscaler.traces.trace import Trace

KEY = key_of("a", 1)


def make(count=5000, **changes):
    """Return a trace."""
    arrivals = np.arange(count) / 7
    tokens = np.arange(count, dtype=np.int32)
    return Trace("t", arrivals, tokens, tokens + 1, ("a note",), tokens // 2, 3.0)._replace(**changes)


@pytest.fixture
def cache(tmp_path):
    """Return an empty cache that keeps small traces too."""
    return Cache(tmp_path / "cache", fewest_requests=1)


def never():
    """Fail, for what must be found."""
    raise AssertionError("built again")


def same(left, right):
    """Return whether two traces are the same, notes and all."""
    plain = [[one.tolist() if isinstance(one, np.ndarray) else one for one in trace] for trace in (left, right)]
    return plain[0] == plain[1]


def test_what_was_kept_is_found(cache):
    """All columns, notes and the grid come back, mapped into memory, and cannot be written to."""
    trace = make()
    assert cache.trace(KEY, lambda: trace) is trace
    found = cache.trace(KEY, never)
    assert same(found, trace)
    with pytest.raises(ValueError, match="read-only"):
        found.arrival_seconds[0] = 1


def test_a_trace_without_hits_comes_back_without(cache):
    """None stays None, and is not a column of zeros."""
    cache.trace(KEY, lambda: make(prefix_tokens=None))
    assert cache.trace(KEY, never).prefix_tokens is None


def test_small_traces_are_not_kept(tmp_path):
    """They are made as fast as they are found, and leave no files behind."""
    Cache(tmp_path / "cache").trace(KEY, make)
    Cache(tmp_path / "cache", 1).trace(KEY, lambda: make(0))
    assert not (tmp_path / "cache").exists()


def flip(path, place=-1):
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "cut short": lambda entry: os.truncate(entry / "arrival_seconds", 100),
    "too long": lambda entry: (entry / "prompt_tokens").write_bytes(bytes(50_000)),
    "changed at its end": lambda entry: flip(entry / "output_tokens"),
    "changed at its beginning": lambda entry: flip(entry / "prefix_tokens", 0),
    "lost a column": lambda entry: (entry / "arrival_seconds").unlink(),
    "lost its description": lambda entry: (entry / "trace.json").unlink(),
    "an empty description": lambda entry: (entry / "trace.json").write_text(""),
    "binary description": lambda entry: (entry / "trace.json").write_bytes(b"\xff\xfe"),
    "another description": lambda entry: (entry / "trace.json").write_text("[]"),
    "a missing key": lambda entry: (entry / "trace.json").write_text('{"requests": 5000, "columns": {}}'),
    "an unknown column": lambda entry: (entry / "trace.json").write_text('{"requests": 1, "columns": {"../x": ""}}'),
    "a wrong count": lambda entry: describe(entry, requests=4999),
    "an endless count": lambda entry: describe(entry, requests=float("inf")),
    "a count of none": lambda entry: describe(entry, requests=None),
}


def describe(entry, **changes):
    """Change an entry's description."""
    about = json.loads((entry / "trace.json").read_text())
    (entry / "trace.json").write_text(json.dumps(about | changes))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_made_anew_with_a_word(cache, damage):
    """Whatever happened to an entry, the trace is right, a note says so once, and the next time it is found again."""
    cache.trace(KEY, make)
    damage(cache.folder / KEY)
    again = cache.trace(KEY, make)
    assert same(again._replace(notes=again.notes[:1]), make())
    assert "was damaged" in again.notes[1]
    assert "has been made anew" in again.notes[1]
    assert same(cache.trace(KEY, never), make())
    assert [one.name for one in cache.folder.iterdir()] == [KEY]


def test_a_folder_that_cannot_be_written_is_a_note(tmp_path):
    """A file where the folder should be keeps nothing, and the trace is there all the same."""
    (tmp_path / "cache").write_text("")
    trace = Cache(tmp_path / "cache", 1).trace(KEY, make)
    assert trace.notes[1].startswith("no copy could be kept in ")


def test_a_failed_build_leaves_nothing(cache):
    """An error of a loader goes through as it is."""

    def fail():
        raise TraceError("wrong")

    with pytest.raises(TraceError, match="wrong"):
        cache.trace(KEY, fail)
    assert not cache.folder.exists()


def test_an_interrupted_write_is_no_entry(cache, monkeypatch):
    """A disk that is full in the middle leaves neither an entry nor half of one."""

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    assert "No space left" in cache.trace(KEY, make).notes[1]
    assert list(cache.folder.iterdir()) == []


def test_several_may_write_the_same_entry(cache):
    """Whoever comes second leaves the first one's, and all get the right trace."""
    begin = threading.Barrier(8)
    found = []

    def one():
        begin.wait()
        found.append(cache.trace(KEY, make))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(same(trace, make()) for trace in found)
    assert same(cache.trace(KEY, never), make())


def test_the_least_recently_used_leave(cache):
    """Beyond the limit, entries leave by the time of their last use, never the one just written."""
    for name in "abc":
        cache.trace(name, make)
    for age, name in enumerate("cab"):
        os.utime(cache.folder / name / "trace.json", (age, age))
    small = cache._replace(most_bytes=2 * module._size(cache.folder / "a") + 1000)
    small.trace("d", make)
    assert sorted(one.name for one in cache.folder.iterdir()) == ["b", "d"]
    small._replace(most_bytes=1).trace("e", make)
    assert [one.name for one in cache.folder.iterdir()] == ["e"]


def test_abandoned_writes_are_cleared(cache):
    """What a killed process left behind goes after a day; what is being written stays."""
    for name in (".new-old", ".new-now"):
        (cache.folder / name).mkdir(parents=True)
    os.utime(cache.folder / ".new-old", (1, 1))
    cache.trace(KEY, make)
    assert sorted(one.name for one in cache.folder.iterdir()) == [".new-now", KEY]


def test_keys_tell_apart_what_makes_a_difference():
    """The same parts give the same key, in any order of a mapping; another value, type or order of parts another."""
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert len({key_of(1, 2), key_of(2, 1), key_of("1", 2), key_of(1), key_of([1, 2])}) == 5


def test_digests_are_of_the_content(cache, tmp_path, monkeypatch):
    """Equal content has an equal digest wherever it stands; that of a large file is remembered until it changes."""
    monkeypatch.setattr(module, "_REMEMBERED_BYTES", 10)
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"a" * 100)
    shutil.copy(one, other)
    os.utime(one, (1, 1))
    assert cache.digest(one) == cache.digest(other)
    monkeypatch.setattr(module, "_digest", lambda _: "read again")
    assert cache.digest(one) != "read again"
    # written down within moments of its change, so that another change could have the same time
    assert cache.digest(other) == "read again"
    one.write_bytes(b"b" * 100)
    assert cache.digest(one) == "read again"


def test_a_damaged_memory_of_digests_is_read_over(cache, tmp_path, monkeypatch):
    """What cannot be read there is counted again."""
    monkeypatch.setattr(module, "_REMEMBERED_BYTES", 10)
    path = tmp_path / "one"
    path.write_bytes(b"a" * 100)
    os.utime(path, (1, 1))
    digest = cache.digest(path)
    for known in (cache.folder / "digests").iterdir():
        known.write_bytes(b"\xff")
    assert cache.digest(path) == digest


def test_a_file_that_is_missing_is_an_error(cache, tmp_path):
    """The trace's own file must be there."""
    with pytest.raises(TraceError, match="cannot be read: No such file"):
        cache.digest(tmp_path / "nothing")


def test_the_users_folder_follows_the_environment():
    """XDG_CACHE_HOME first, then the home folder."""
    assert str(user_folder({"XDG_CACHE_HOME": "/x", "HOME": "/h"})) == "/x/inference-autoscaler/traces"
    assert str(user_folder({"HOME": "/h"})) == "/h/.cache/inference-autoscaler/traces"
