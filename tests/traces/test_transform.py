"""Transforms of traces: what each keeps, moves, drops and says."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.errors import TraceError
from autoscaler.traces import transform
from autoscaler.traces.lengths import SampledLengths
from autoscaler.traces.trace import Trace


def make(arrivals, **changes):
    """Return a trace whose prompts count from 1 and whose outputs from 101."""
    count = len(arrivals)
    prompts, outputs = np.arange(1, count + 1, dtype=np.int32), np.arange(101, count + 101, dtype=np.int32)
    return Trace("t", np.array(arrivals, float), prompts, outputs)._replace(**changes)


def stream(seed=1):
    """Return seeded draws."""
    return np.random.Generator(np.random.PCG64(seed))


def poisson(count, seed=1):
    """Return a trace of Poisson arrivals, one a second."""
    return make(np.cumsum(stream(seed).standard_exponential(count)))


def test_a_window_starts_at_zero_and_excludes_its_end():
    """Requests keep their tokens and their prefix hits, the start becomes time 0."""
    trace = make([0, 10, 20, 30], prefix_tokens=np.array([5, 6, 7, 8], np.int32))
    part = transform.window(trace, 10.0, 30.0)
    assert part.arrival_seconds.tolist() == [0.0, 10.0]
    assert (part.prompt_tokens.tolist(), part.output_tokens.tolist()) == ([2, 3], [102, 103])
    assert part.prefix_tokens.tolist() == [6, 7]


def test_a_window_beyond_the_trace_is_empty():
    """Nothing arrives there, and that is no error of the transform."""
    assert not len(transform.window(make([0, 1]), 5.0, 6.0).arrival_seconds)


def test_squeezing_keeps_the_requests_and_their_cv():
    """A rate scale of 4 makes every gap a quarter."""
    trace = poisson(1000)
    faster = transform.squeeze(trace, 4.0)
    np.testing.assert_allclose(np.diff(faster.arrival_seconds), np.diff(trace.arrival_seconds) / 4, atol=1e-9)
    assert len(faster.prompt_tokens) == 1000


def test_thinning_pulls_the_cv_towards_one():
    """Of gaps with CV 3, a tenth kept has the squared CV 1 - keep + keep·CV², and the note says that it changed."""
    gaps = stream().standard_gamma(1 / 9, 400_000) * 9
    whole = make(np.cumsum(gaps))
    part = transform.thin(whole, 0.1, stream(2))
    kept = np.diff(part.arrival_seconds)
    assert len(part.arrival_seconds) == pytest.approx(40_000, rel=0.02)
    assert kept.var() / kept.mean() ** 2 == pytest.approx(0.9 + 0.1 * 9, rel=0.05)
    assert "0.1 of the requests" in part.notes[0]


def test_keeping_all_changes_nothing():
    """No draw is made and no note is added."""
    trace = make([0, 1])
    assert transform.thin(trace, 1.0, stream()) is trace


def test_jitter_stays_inside_its_slot():
    """Stamps on a grid, even those a few milliseconds beside it, are spread over their own slot; tokens follow."""
    arrivals = [0.0, 0.0, 2.999, 3.0, 6.002]
    spread = transform.jitter(make(arrivals, grid_seconds=3.0), 3.0, stream(3))
    slots = {1: 0, 2: 0, 3: 1, 4: 1, 5: 2}
    for arrival, prompt in zip(spread.arrival_seconds, spread.prompt_tokens.tolist(), strict=True):
        assert slots[prompt] * 3 <= arrival < slots[prompt] * 3 + 3
    assert (np.diff(spread.arrival_seconds) > 0).all()
    assert spread.grid_seconds == 0


@pytest.mark.parametrize("share", [0.0, 0.999])
def test_slots_begin_exactly_on_their_grid(share):
    """However little or much a request is moved, a stamp beside the grid is first put on it."""

    class Same:
        def random(self, count):
            return np.full(count, share)

    moved = transform.jitter(make([2.999, 6.002], grid_seconds=3.0), 3.0, Same()).arrival_seconds
    np.testing.assert_allclose(moved, [3 + 3 * share, 6 + 3 * share], rtol=1e-12)


def test_jitter_of_another_width_does_not_snap():
    """Without a grid of this width, every request is moved later by less than the width."""
    trace = make([0.2, 1.7, 9.9])
    moved = transform.jitter(trace, 0.1, stream()).arrival_seconds - trace.arrival_seconds
    assert ((moved >= 0) & (moved < 0.1)).all()
    assert transform.jitter(trace, 0.0, stream()) is trace


def test_repeating_plays_the_trace_again_after_its_period():
    """Every request comes as often as asked for, each time one period later."""
    twice = transform.repeat(make([0, 4], prefix_tokens=np.array([0, 1], np.int32)), 3, 10.0)
    assert twice.arrival_seconds.tolist() == [0, 4, 10, 14, 20, 24]
    assert twice.prompt_tokens.tolist() == [1, 2] * 3
    assert twice.prefix_tokens.tolist() == [0, 1] * 3


def test_a_trace_of_its_own_lasts_one_mean_gap_longer():
    """Otherwise the last request of one play and the first of the next would come together."""
    assert transform.own_period(make([0, 2, 4])) == 6
    assert transform.own_period(make([0])) == 1


def test_repetition_that_would_not_fit_is_refused():
    """A typing error must not take all memory."""
    with pytest.raises(TraceError, match="at most 200000000 requests"):
        transform.repeat(make([0, 1]), 10**9, 1.0)


def test_lengths_of_another_trace_are_drawn_as_pairs():
    """Prompt and output of a request stay together."""
    other = make(np.arange(50))
    changed = transform.relength(make(np.arange(500)), SampledLengths(other), stream())
    assert (changed.output_tokens - changed.prompt_tokens == 100).all()
    assert len(np.unique(changed.prompt_tokens)) > 40
    assert changed.notes == ("lengths drawn from t",)


def test_a_mix_without_weights_holds_every_request():
    """Requests stand in order of arrival; where hits are known of one trace only, the other has none."""
    hit = make([0, 2], prefix_tokens=np.array([9, 9], np.int32), notes=("a",))
    both = transform.mix([hit, make([1, 3])], None, stream())
    assert both.arrival_seconds.tolist() == [0, 1, 2, 3]
    assert both.prompt_tokens.tolist() == [1, 1, 2, 2]
    assert both.prefix_tokens.tolist() == [9, 0, 9, 0]
    assert both.notes == ("t: a",)


def test_weights_are_shares_of_the_requests():
    """With weights 3 to 1 of two like traces, one is kept whole and a third is kept of the other."""
    one, other = poisson(30_000, 1)._replace(name="one"), poisson(30_000, 2)._replace(name="other")
    mixed = transform.mix([one, other], [3.0, 1.0], stream())
    assert len(mixed.arrival_seconds) == pytest.approx(40_000, rel=0.01)
    assert [note.split(":")[0] for note in mixed.notes] == ["other"]


def test_a_weight_of_an_empty_trace_is_refused():
    """Its share could only be met by no requests at all."""
    with pytest.raises(TraceError, match="cannot be met"):
        transform.mix([make([0, 1]), make([])], [1.0, 1.0], stream())
