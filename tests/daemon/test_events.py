"""Events: throttled, in order, and never waited for."""

from __future__ import annotations

from autoscaler.cluster.facts import TargetRef
from autoscaler.cluster.port import EventType
from autoscaler.daemon.events import CAPACITY, REPEAT_SECONDS, SCALED_UP, Events
from tests.daemon.world import Gate

REF = TargetRef("inference", "a")


def test_same_words_pass_once_in_ten_minutes():
    """The same reason and message about the same target are posted again after ten minutes, not before."""
    posted = []
    events = Events(lambda *given: posted.append(given[:4]), lambda *_: None)
    events.say(REF, SCALED_UP, "1 -> 2", 0.0)
    events.say(REF, SCALED_UP, "1 -> 2", REPEAT_SECONDS - 1)
    events.say(REF, SCALED_UP, "2 -> 3", REPEAT_SECONDS - 1)
    events.say(TargetRef("inference", "b"), SCALED_UP, "1 -> 2", REPEAT_SECONDS - 1)
    events.say(REF, SCALED_UP, "1 -> 2", REPEAT_SECONDS)
    events.close(10)
    assert [(ref.name, message) for ref, _, message, _ in posted] == [
        ("a", "1 -> 2"),
        ("a", "2 -> 3"),
        ("b", "1 -> 2"),
        ("a", "1 -> 2"),
    ]
    assert {kind for *_, kind in posted} == {EventType.NORMAL}


def test_a_hung_api_server_holds_nobody_up():
    """While one post hangs, saying more returns at once; what does not fit is dropped and told."""
    gate, lost = Gate(), []
    events = Events(lambda *_: gate(), lambda event, why: lost.append(why))
    events.say(REF, "First", "hangs", 0.0)
    assert gate.entered.acquire(timeout=10)
    for number in range(CAPACITY + 3):
        events.say(REF, "More", str(number), 0.0)
    assert len(lost) == 3
    assert not events.drain(0.05)
    gate.open()
    events.close(10)


def test_a_post_that_raises_ends_nothing():
    """Whatever a post raises is told, and the next Event is posted."""
    posted, lost = [], []

    def post(_ref, reason, *_):
        if reason == "Bad":
            raise RuntimeError("a bug")
        posted.append(reason)

    events = Events(post, lambda event, why: lost.append((event.reason, why)))
    events.say(REF, "Bad", "", 0.0)
    events.say(REF, "Good", "", 0.0)
    events.close(10)
    assert posted == ["Good"]
    assert lost == [("Bad", "RuntimeError: a bug")]


def test_memory_of_what_was_said_is_bounded():
    """Old words are forgotten, however many were said."""
    events = Events(lambda *_: None, lambda *_: None)
    for number in range(1000):
        events.say(REF, "Many", str(number), float(number))
        events.tidy(float(number))
    assert len(events._throttle._said) <= REPEAT_SECONDS
    events.close(10)
