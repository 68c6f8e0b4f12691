"""Values to JSON text and back, bit for bit."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.daemon.record import decision_from, observation_from, plain, text
from autoscaler.engine.decision import Decision, Reason, Stage
from autoscaler.engine.fleet import Fleet
from autoscaler.engine.observation import Observation, Quality, Replica, Signal
from autoscaler.engine.proposal import Kind, Notice, Proposal

numbers = st.floats(allow_nan=False)
counts = st.integers(0, 10**6)
words = st.text(max_size=12)
signals = st.builds(
    Signal,
    words,
    st.none() | numbers,
    words,
    numbers,
    st.sampled_from(Quality),
    counts,
    counts,
    st.none() | numbers,
    words,
)
replicas = st.builds(
    Replica, words, words, st.booleans(), numbers, st.none() | numbers, st.booleans(), words, words, counts
)
observations = st.builds(
    Observation,
    words,
    counts,
    st.lists(replicas, max_size=3).map(tuple),
    st.dictionaries(words, signals, max_size=3),
    st.sampled_from(Quality),
    st.booleans(),
    st.lists(words, max_size=2).map(tuple),
)
notices = st.lists(st.builds(Notice, words, words), max_size=2).map(tuple)
figures = st.lists(st.tuples(words, numbers), max_size=2).map(tuple)
proposals = st.builds(
    Proposal, st.sampled_from(Kind), numbers, words, st.booleans(), notices, st.none() | counts, figures
)
fleets = st.builds(
    Fleet,
    counts,
    counts,
    counts,
    counts,
    counts,
    counts,
    st.booleans(),
    counts,
    numbers,
    numbers,
    st.booleans(),
    st.none() | counts,
)
decisions = st.builds(
    Decision,
    words,
    numbers,
    counts,
    counts,
    st.sampled_from(Reason),
    st.lists(st.builds(Stage, words, counts, counts, words), max_size=3).map(tuple),
    st.lists(st.tuples(words, proposals), max_size=3).map(tuple),
    fleets,
    notices,
)


def through_text(value):
    """Return the value as it comes out of a line of text."""
    line = text(plain(value))
    assert "\n" not in line
    return json.loads(line)


@given(observations)
def test_observations_come_back(observation):
    """Every field and every bit, negative zero and infinity too."""
    again = observation_from(through_text(observation))
    assert again == observation
    assert repr(again.replicas) == repr(observation.replicas)
    assert text(plain(again)) == text(plain(observation))


@given(decisions)
def test_decisions_come_back(decision):
    """A decision out of a journal is the very value that was written, and explains itself alike."""
    again = decision_from(through_text(decision))
    assert repr(again) == repr(decision)
    assert again.explain() == decision.explain()


@given(decisions, decisions)
def test_different_decisions_have_different_text(one, other):
    """Comparing text is comparing decisions: no two of them look the same."""
    assert (text(plain(one)) == text(plain(other))) == (repr(one) == repr(other))


def test_defaults_are_left_out_and_look_alikes_are_not():
    """A field that equals its default in value but not in kind is written down."""
    assert plain(Replica("p", "Running", True, 1.0)) == {
        "name": "p",
        "phase": "Running",
        "ready": True,
        "created_at": 1.0,
    }
    assert plain(Replica("p", "Running", True, 1.0, restarts=False))["restarts"] is False
