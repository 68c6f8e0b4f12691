"""A scenario's `traffic`, from the document to the requests."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.documents.scenario import Traffic
from autoscaler.errors import TraceError
from autoscaler.traces import load
from autoscaler.traces import traffic as module
from autoscaler.traces.cache import Cache
from autoscaler.traces.traffic import Surroundings, requests

HEADER = "arrival_seconds,prompt_tokens,output_tokens\n"
BURST = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
COUNTS = "period,count\n" + "".join(f"1998-04-30 21:{minute:02}:00,{30 + minute}\n" for minute in range(10))
CHAT = "\n".join(
    f'{{"timestamp": {1000 * at}, "input_length": 2048, "output_length": 9, "hash_ids": [1, {at % 3}]}}'
    for at in range(9)
)


@pytest.fixture
def play(write, tmp_path):
    """Return a function that plays a document; files that it may name are there."""
    write(HEADER + "".join(f"{at},{at + 1},{at + 101}\n" for at in range(100)), "own.csv")
    write(HEADER + "".join(f"{at / 2},7,8\n" for at in range(200)), "other.csv")
    write(BURST + "".join(f"{at // 5},m,3,4,7,a\n" for at in range(500)), "burst.csv")
    write(COUNTS, "counts.csv")
    write(CHAT, "chat.jsonl")

    def play(document, seed=1, cache=None, duration=None):
        return requests(Traffic.model_validate(document), duration, Surroundings(tmp_path, seed, cache))

    return play


def test_a_trace_without_wishes_is_as_it_is_recorded(play):
    """Arrivals and tokens are those of the file, and nothing is noted."""
    trace = play({"trace": {"path": "own.csv"}})
    assert trace.arrival_seconds.tolist() == list(range(100))
    assert trace.prompt_tokens.tolist() == list(range(1, 101))
    assert trace.notes == ()


def test_window_pace_and_repetition_follow_one_another(play):
    """Ten seconds of the trace at twice its rate take five, and three of them fifteen."""
    trace = play({"trace": {"path": "own.csv", "windowSeconds": [20, 30], "rateScale": 2, "repeat": 3}})
    assert trace.arrival_seconds.tolist() == (np.arange(30) / 2).tolist()
    assert trace.prompt_tokens.tolist() == list(range(21, 31)) * 3


def test_a_window_that_ends_after_the_trace_repeats_at_its_end(play):
    """The time without requests behind a trace is none of its own."""
    trace = play({"trace": {"path": "own.csv", "windowSeconds": [90, 1000], "repeat": 2}})
    assert trace.arrival_seconds.tolist() == list(range(20))


def test_stamps_in_slots_are_spread_unless_told_otherwise(play):
    """Whole seconds become moments inside their second, with a note; a jitter of 0 leaves them."""
    spread = play({"trace": {"path": "burst.csv"}})
    assert np.bincount(spread.arrival_seconds.astype(int)).tolist() == [5] * 100
    assert len(np.unique(spread.arrival_seconds)) == 500
    assert spread.notes == ("stamps stand in slots of 1 s: arrivals are spread inside theirs",)
    assert set(play({"trace": {"path": "burst.csv", "jitterSeconds": 0}}).arrival_seconds % 1) == {0}


def test_recorded_rates_scale_in_place(play):
    """Ten times the rate is ten times the requests in the same time, of which the window takes its part."""
    trace = play({"trace": {"path": "counts.csv", "rateScale": 10, "windowSeconds": [60, 180], "repeat": 2}})
    assert np.histogram(trace.arrival_seconds, [0, 60, 120, 180, 240])[0].tolist() == [310, 320, 310, 320]


def test_lengths_come_from_where_they_are_asked_for(play):
    """From another trace as pairs, or lognormal; also in place of a trace's own."""
    sampled = play({"trace": {"path": "counts.csv", "lengths": {"fromTrace": "own.csv"}}})
    assert (sampled.output_tokens - sampled.prompt_tokens == 100).all()
    fixed = {"promptTokens": {"mean": 50, "sigma": 0}, "outputTokens": {"mean": 5, "sigma": 0}}
    drawn = play({"trace": {"path": "own.csv", "lengths": fixed}})
    assert set(drawn.prompt_tokens.tolist()) == {50}
    assert set(drawn.output_tokens.tolist()) == {5}
    assert drawn.arrival_seconds.tolist() == list(range(100))


def test_lengths_cannot_come_from_counts(play):
    """A trace without lengths has none to draw."""
    with pytest.raises(TraceError, match="must be a trace of requests"):
        play({"trace": {"path": "own.csv", "lengths": {"fromTrace": "counts.csv"}}})


def test_prefix_hits_are_asked_for(play):
    """Without a cache nothing is known of hits; with one, they stay with their requests through all transforms."""
    assert play({"trace": {"path": "chat.jsonl"}}).prefix_tokens is None
    hits = play({"trace": {"path": "chat.jsonl", "prefixCache": {}, "windowSeconds": [1, 9]}}).prefix_tokens
    assert hits.tolist() == [1024, 512, *[1024] * 6]


def test_a_mix_has_each_trace_from_its_own_beginning(play):
    """Without weights all requests are there; with weights their numbers stand as the weights do."""
    both = play({"mix": [{"path": "own.csv"}, {"path": "other.csv"}]})
    assert len(both.arrival_seconds) == 300
    assert (np.diff(both.arrival_seconds) >= 0).all()
    even = play({"mix": [{"path": "own.csv", "weight": 1}, {"path": "other.csv", "weight": 1}]})
    assert (even.prompt_tokens != 7).sum() == pytest.approx(100, abs=1)
    assert (even.prompt_tokens == 7).sum() == pytest.approx(100, abs=30)


def test_two_of_the_same_in_a_mix_draw_differently(play):
    """Otherwise the same random request would come twice at the same moment."""
    twice = play({"mix": [{"path": "counts.csv"}, {"path": "counts.csv"}]})
    assert len(np.unique(twice.arrival_seconds)) == len(twice.arrival_seconds)


def test_the_seed_decides(play):
    """The same seed gives the same requests, another one others, for everything that is drawn."""
    document = {"trace": {"path": "burst.csv", "keep": 0.5}}
    one, same, other = play(document), play(document), play(document, seed=2)
    np.testing.assert_array_equal(one.arrival_seconds, same.arrival_seconds)
    assert one.arrival_seconds[0] != other.arrival_seconds[0]


def test_a_generator_needs_an_end(play):
    """From the document, or from the scenario's horizon."""
    assert play({"generator": {}}, duration=60).duration_seconds < 60
    with pytest.raises(TraceError, match="durationSeconds"):
        play({"generator": {}})


def test_a_missing_trace_is_an_error_with_and_without_a_cache(play, tmp_path):
    """The message names the file and the reason."""
    for cache in (None, Cache(tmp_path / "cache", 1)):
        with pytest.raises(TraceError, match=r"nothing\.csv: cannot be read: No such file"):
            play({"trace": {"path": "nothing.csv"}}, cache=cache)


DOCUMENTS = {
    "trace": {"trace": {"path": "burst.csv", "keep": 0.9}},
    "rates": {"trace": {"path": "counts.csv", "lengths": {"fromTrace": "own.csv"}}},
    "generator": {"generator": {"durationSeconds": 100}},
    "mix": {"mix": [{"path": "own.csv", "weight": 1}, {"path": "other.csv", "weight": 1}]},
    "twice the same": {"mix": [{"path": "counts.csv"}, {"path": "counts.csv"}]},
    "hits": {"trace": {"path": "chat.jsonl", "prefixCache": {"capacityTokens": 4096}}},
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_cache_changes_no_request(play, tmp_path, monkeypatch, document):
    """Made, kept and found again, requests are the same; the second time nothing is parsed or generated."""
    cache = Cache(tmp_path / "cache", 1)
    plain, first = play(document), play(document, cache=cache)
    monkeypatch.setattr(load, "parse", None)
    monkeypatch.setattr(module, "generate", None)
    second = play(document, cache=cache)
    for trace in (first, second):
        assert trace.notes == plain.notes
        for left, right in zip(trace[1:4], plain[1:4], strict=True):
            np.testing.assert_array_equal(left, right)
    assert (second.prefix_tokens is None) == (plain.prefix_tokens is None)


def test_a_cache_sees_every_change(play, tmp_path, write):
    """Another seed, field, source or source of lengths is another trace."""
    cache = Cache(tmp_path / "cache", 1)
    document = {"trace": {"path": "counts.csv", "lengths": {"fromTrace": "own.csv"}}}
    before = play(document, cache=cache)
    assert play(document, seed=2, cache=cache).arrival_seconds[0] != before.arrival_seconds[0]
    slower = {"trace": document["trace"] | {"rateScale": 0.5}}
    assert len(play(slower, cache=cache).arrival_seconds) < len(before.arrival_seconds)
    write(HEADER + "0,77,78\n", "own.csv")
    assert set(play(document, cache=cache).prompt_tokens.tolist()) == {77}
    write(COUNTS.replace(",30", ",500"), "counts.csv")
    assert len(play(document, cache=cache).arrival_seconds) == len(before.arrival_seconds) + 470
