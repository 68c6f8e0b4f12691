"""Lanes: what hangs keeps its own lane and nobody else's."""

from __future__ import annotations

import threading

import pytest

from autoscaler.daemon.lanes import Lanes
from tests.daemon.world import Gate


def threads() -> list[threading.Thread]:
    """Return the workers that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == "autoscaler-test"]


def settle() -> None:
    """Wait until no worker is left."""
    for thread in threads():
        thread.join(10)


@pytest.fixture
def gate():
    """Something that hangs until the test is over."""
    hung = Gate()
    yield hung
    hung.open()
    settle()


def test_values_and_errors_come_back_by_name():
    """Each call's value or error stands under its own name, in the order asked."""
    lanes: Lanes[int] = Lanes("test")
    outcomes = lanes.run({"one": lambda: 1, "bad": lambda: 1 // 0, "two": lambda: 2}, 10)
    assert list(outcomes) == ["one", "bad", "two"]
    assert outcomes["one"].value == 1
    assert outcomes["two"].value == 2
    assert isinstance(outcomes["bad"].error, ZeroDivisionError)


def test_a_hung_call_is_left_behind_and_not_called_again(gate):
    """The others are answered; the hung one is not begun a second time while it hangs, and is when it is back."""
    lanes: Lanes[object] = Lanes("test")
    first = lanes.run({"hung": gate, "fine": lambda: 7}, 0.2)
    assert first["fine"].value == 7
    assert first["hung"].late
    assert first["hung"].begun
    second = lanes.run({"hung": gate, "fine": lambda: 8}, 10)
    assert second["fine"].value == 8
    assert second["hung"].late
    assert not second["hung"].begun
    gate.open()
    settle()
    assert lanes.taken == frozenset()
    assert lanes.run({"hung": lambda: 9}, 10)["hung"].value == 9


def test_more_hung_calls_than_workers_starve_nobody(gate):
    """Workers whose call is slow are replaced, so the last of forty is answered although the first ten hang."""
    lanes: Lanes[object] = Lanes("test", workers=4)
    calls = {f"hung-{n}": gate for n in range(10)} | {f"fine-{n}": (lambda n=n: n) for n in range(30)}
    outcomes = lanes.run(calls, 3)
    assert [outcomes[f"fine-{n}"].value for n in range(30)] == list(range(30))
    assert all(outcomes[f"hung-{n}"].late for n in range(10))


def test_hung_calls_do_not_pile_up_threads(gate):
    """Ten ticks over five hung lanes hold five threads."""
    lanes: Lanes[object] = Lanes("test")
    for _ in range(10):
        lanes.run({f"hung-{n}": gate for n in range(5)}, 0.05)
    assert len(threads()) == 5


def test_what_was_not_begun_by_the_deadline_never_is(gate):
    """A call that waited behind hung ones is dropped, not made later when nobody wants it any more."""
    lanes: Lanes[object] = Lanes("test", workers=1)
    made = []
    outcomes = lanes.run({"hung": gate, "late": lambda: made.append(1)}, 0.1)
    assert not outcomes["late"].begun
    gate.open()
    settle()
    assert made == []


def test_a_call_that_ends_its_thread_frees_its_lane():
    """SystemExit in a call is that call's error, and frees its lane."""
    lanes: Lanes[object] = Lanes("test")

    def leave() -> None:
        raise SystemExit

    assert "SystemExit" in str(lanes.run({"leaver": leave}, 10)["leaver"].error)
    assert lanes.taken == frozenset()
