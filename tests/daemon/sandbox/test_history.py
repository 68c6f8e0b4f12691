"""Curves: time in equal parts, and one character a part."""

from __future__ import annotations

from autoscaler.daemon.sandbox.history import Moment, columns, spark


def at(seconds, queue):
    """Return a moment with that queue."""
    return Moment(seconds, 0.0, queue, None, None, 0, 0, 0)


def curve(moments, span=(0.0, 100.0), width=10):
    """Return the queue's columns."""
    return columns(moments, lambda moment: moment.queue, span, width)


def test_each_part_shows_its_highest_value():
    """Two moments in one part: the higher one; what is outside of the span is left out."""
    moments = [at(-5.0, 9.0), at(1.0, 3.0), at(8.0, 5.0), at(15.0, 1.0), at(100.0, 7.0)]
    assert curve(moments)[:2] == [5.0, 1.0]
    assert not {7.0, 9.0} & set(curve(moments))


def test_parts_too_short_for_a_moment_have_no_gaps():
    """With a moment every 20 s and parts of 10 s, each part has a value up to the last moment, and none after it."""
    assert curve([at(0.0, 1.0), at(20.0, 2.0), at(40.0, 3.0)]) == [1.0, 1.0, 2.0, 2.0, 3.0, *[None] * 5]


def test_unknown_is_a_gap():
    """A moment that does not know leaves its part empty, and the short ones after it."""
    assert curve([at(0.0, 1.0), at(20.0, None), at(40.0, 3.0)]) == [1.0, 1.0, None, None, 3.0, *[None] * 5]


def test_nothing_yet_is_empty():
    """Before the first moment there is no curve."""
    assert curve([]) == [None] * 10


def test_spark_goes_from_a_low_line_to_a_full_block():
    """Zero is a low line, the top and above it a full block, unknown a space."""
    assert spark([0.0, None, 5.0, 10.0, 99.0], 10.0) == "▁ ▅██"
    assert spark([0.0, 1.0], 0.0) == "▁▁"
