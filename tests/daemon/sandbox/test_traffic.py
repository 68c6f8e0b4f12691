"""The story's traffic follows its chapters, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.daemon.sandbox.traffic import STORY, Chapter, chapter_at, chapter_start, generate, story_seconds

RAMP = (
    Chapter("up", "", 1000.0, 0.0, 10.0),
    Chapter("off", "", 500.0, 0.0, 0.0),
    Chapter("one", "", 10.0, 0.0, 0.0, 1),
)


def test_same_seed_same_requests_whatever_the_length():
    """A longer run begins with the very requests of a shorter one; another seed gives others."""
    short, long = generate(7, 1800.0), generate(7, 5000.0)
    kept = long.seconds < 1800.0
    for one, other in zip(short, long, strict=True):
        assert np.array_equal(one, other[kept])
    assert not np.array_equal(short.seconds, generate(8, 1800.0).seconds)


def test_rate_follows_the_chapter():
    """A ramp from 0 to 10 requests/s over 1000 s brings about 5000, three quarters of them in its second half."""
    seconds = generate(1, story_seconds(RAMP), RAMP).seconds
    ramp = seconds[seconds < 1000.0]
    assert ramp.size == pytest.approx(5000, rel=0.1)
    assert (ramp >= 500.0).mean() == pytest.approx(0.75, abs=0.03)


def test_silence_is_silent_and_a_burst_comes_on_time():
    """No request in a chapter at rate 0; a burst comes at its chapter's first second."""
    seconds = generate(1, story_seconds(RAMP), RAMP).seconds
    assert seconds[seconds >= 1000.0].tolist() == [1500.0]


def test_story_is_half_an_hour_with_all_that_it_promises():
    """At speed 30 the story takes a minute; it has a rise, a long silence, and a request that ends it."""
    assert story_seconds() == 1800.0
    silence = next(index for index, chapter in enumerate(STORY) if chapter.rate_from == chapter.rate_to == 0)
    assert STORY[silence].seconds >= 480
    assert STORY[silence].burst == 0
    assert STORY[silence + 1].burst == 1
    assert max(chapter.rate_to for chapter in STORY[:silence]) >= 5 * STORY[0].rate_from


def test_captions_fit_a_narrow_terminal():
    """No caption is cut off at 80 columns."""
    assert all(len(chapter.caption) <= 76 for chapter in STORY)


def test_chapter_at_wraps_around():
    """After its end the story is told again."""
    assert chapter_at(0.0) == 0
    assert chapter_at(1799.9) == len(STORY) - 1
    assert chapter_at(1800.0) == 0


def test_chapter_start_is_its_first_second():
    """The second chapter begins when the first ends, and again one story later."""
    first = STORY[0].seconds
    assert chapter_start(first - 1) == 0.0
    assert chapter_start(first + 1) == first
    assert chapter_start(1800.0 + first + 1) == 1800.0 + first


def test_requests_have_tokens_and_an_order():
    """Arrivals ascend; every request has at least one token in and out, and no more than the limit."""
    arrivals = generate(3, 1800.0)
    assert (np.diff(arrivals.seconds) >= 0).all()
    assert arrivals.prompt_tokens.min() >= 1
    assert arrivals.output_tokens.max() <= 800
