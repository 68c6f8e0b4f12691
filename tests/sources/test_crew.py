"""Threads that never do one thing twice at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from autoscaler.errors import SourceError
from autoscaler.sources.crew import Crew
from tests.real.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TestCrew = Crew[str, list[str], object]


@pytest.fixture
def dropped() -> list[str]:
    """The tools that were dropped."""
    return []


@pytest.fixture
def crew(dropped: list[str]) -> Iterator[TestCrew]:
    """Two threads with a list as tool."""
    crew: TestCrew = Crew("test", 2, list, lambda tool: dropped.append("".join(tool)))
    yield crew
    crew.close()


def test_results_and_errors_come_by_key(crew: TestCrew) -> None:
    """What a job raises is its result, as an error of the source, whatever it was."""

    def fail(error: BaseException) -> object:
        raise error

    results = crew.run(
        {
            "good": lambda _: 7,
            "known": lambda _: fail(SourceError("known")),
            "bug": lambda _: fail(KeyError("x")),
            "exit": lambda _: fail(SystemExit(3)),
        },
        10.0,
    )
    assert results["good"] == 7
    assert {key: str(results[key]) for key in ("known", "bug", "exit")} == {
        "known": "known",
        "bug": "KeyError: 'x'",
        "exit": "SystemExit: 3",
    }
    assert all(isinstance(results[key], SourceError) for key in ("known", "bug", "exit"))
    assert crew.run({"good": lambda _: 8}, 10.0) == {"good": 8}


def test_a_tool_that_cannot_be_made_is_the_jobs_error() -> None:
    """The next job tries again: whatever was missing may be there by then."""
    ready = []

    def make() -> list[str]:
        if not ready:
            raise OSError("no such file")
        return ready

    crew: TestCrew = Crew("test", 1, make, lambda _: None)
    assert str(crew.run({"a": lambda _: 1}, 10.0)["a"]) == "OSError: no such file"
    ready.append("now")
    assert crew.run({"a": lambda tool: tool[0]}, 10.0) == {"a": "now"}
    crew.close()


def test_a_hung_job_is_left_behind_refused_and_taken_again_when_back(crew: TestCrew) -> None:
    """One in flight per key: a late result is thrown away, and the job is done anew."""
    go, calls = threading.Event(), []

    def hang(_: object) -> object:
        calls.append(1)
        go.wait(30)
        return len(calls)

    assert "no answer within 0.05 s" in str(crew.run({"a": hang}, 0.05)["a"])
    results = crew.run({"a": hang, "b": lambda _: 2}, 0.05)
    assert "still no answer to the request" in str(results["a"])
    assert results["b"] == 2
    assert len(calls) == 1
    go.set()
    while isinstance(result := crew.run({"a": hang}, 10.0)["a"], SourceError):
        pass
    assert result == 2


def test_jobs_that_failed_come_last_at_the_next_run() -> None:
    """With as many hung jobs as threads the others are told so once, and come first the next time, in their order."""
    crew: TestCrew = Crew("test", 1, list, lambda _: None)
    release = threading.Event()
    order = []

    def slow(_: object) -> object:
        release.wait(30)
        order.append("slow")
        return "late"

    def quick(name: str) -> Callable[[object], object]:
        return lambda _: order.append(name)

    first = crew.run({"a": slow, "c": quick("c")}, 0.05)
    assert "not asked: all 1 connections were busy" in str(first["c"])
    release.set()
    eventually(lambda: len(order), lambda count: count == 1)
    order.clear()
    assert crew.run({"a": slow, "c": quick("c"), "b": quick("b")}, 10.0)["a"] == "late"
    assert order == ["c", "b", "slow"]
    crew.close()


def test_threads_are_bounded_and_tools_dropped(crew: TestCrew, dropped: list[str]) -> None:
    """A hundred jobs share two tools, and closing gives them back."""
    before = threading.active_count()
    crew.run({str(i): lambda tool: tool.append("x") for i in range(100)}, 10.0)
    assert threading.active_count() <= before + 2
    crew.close()
    assert sum(len(text) for text in dropped) == 100
    assert 1 <= len(dropped) <= 2
    assert str(crew.run({"a": lambda _: 1}, 1.0)["a"]) == "the source is closed"
