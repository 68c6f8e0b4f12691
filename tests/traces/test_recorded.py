"""The recorded traces of the public: as many requests, and as long ones, as their publishers say."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from autoscaler.documents.scenario import PrefixCache, TraceLengths, TraceTraffic
from autoscaler.traces.load import load_trace
from autoscaler.traces.traffic import Surroundings, recorded

SHARED = Path(__file__).parents[3] / "shared" / "traces"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded traces are not here")


def play(name, **fields):
    """Return the requests of a scenario's trace."""
    return recorded(TraceTraffic(path=name, **fields), Surroundings(SHARED, 1))


@pytest.mark.parametrize(
    ("name", "requests", "seconds", "prompt", "output"),
    [
        ("azure-llm-2023-conv.csv.xz", 19_366, 3501.7, 1154.7, 211.1),
        ("azure-llm-2023-code-first-24min.csv.xz", 4_575, 1437.1, 2038.2, 27.4),
        ("mooncake-conversation.jsonl.xz", 12_031, 3537.0, 12_035.1, 342.6),
        ("mooncake-synthetic.jsonl.xz", 3_993, 1022.0, 15_325.5, 149.1),
    ],
)
def test_requests_are_read_whole(name, requests, seconds, prompt, output):
    """Counts are exact, spans and mean lengths too as far as they are written here."""
    trace = load_trace(SHARED / name)
    assert requests == len(trace.arrival_seconds)
    assert seconds == pytest.approx(trace.duration_seconds, abs=0.1)
    assert prompt == pytest.approx(trace.prompt_tokens.mean(), abs=0.1)
    assert output == pytest.approx(trace.output_tokens.mean(), abs=0.1)


def test_the_longest_prompt_is_there():
    """A prompt beyond every context is the simulator's to reject, and not the loader's."""
    assert load_trace(SHARED / "mooncake-conversation.jsonl.xz").prompt_tokens.max() == 126_195


def test_mooncakes_conversation_is_spread_inside_its_slots():
    """Ten requests at one instant become a stream; none leaves its slot of 3 s, and each slot keeps its count."""
    stamped = load_trace(SHARED / "mooncake-conversation.jsonl.xz")
    trace = play("mooncake-conversation.jsonl.xz")
    assert stamped.grid_seconds == 3
    assert load_trace(SHARED / "mooncake-synthetic.jsonl.xz").grid_seconds == 0
    slots = np.rint(stamped.arrival_seconds / 3).astype(int)
    assert np.bincount(slots).tolist() == np.bincount((trace.arrival_seconds // 3).astype(int)).tolist()
    assert len(np.unique(stamped.arrival_seconds)) < 1300
    assert len(np.unique(trace.arrival_seconds)) > 12_000
    assert stamped.prompt_tokens.sum() == trace.prompt_tokens.sum()


def test_mooncakes_prefixes_are_shared():
    """A cache that forgets nothing hits a good third of all prompt tokens of the conversation, a smaller one less."""

    def share(cache):
        trace = play("mooncake-conversation.jsonl.xz", prefix_cache=cache)
        return trace.prefix_tokens.sum() / trace.prompt_tokens.sum()

    assert 0.3 < share(PrefixCache()) < 0.5
    assert share(PrefixCache(capacity_tokens=1_000_000)) < share(PrefixCache())


def test_deepseeks_day_has_its_rate():
    """73 clients make as many requests as their rates sum up to, in all and in each window of ten minutes."""
    name = "servegen-deepseek-r1-clients.tar.xz"
    expected = np.zeros(144)
    with tarfile.open(SHARED / name) as archive:
        for member in archive:
            if member.name.endswith("-trace.csv"):
                rates = np.loadtxt(archive.extractfile(member), delimiter=",", usecols=1)
                expected += rates * 600
    tenth = play(name, rate_scale=0.1)
    counts = np.bincount((tenth.arrival_seconds // 600).astype(int), minlength=144)
    assert expected.sum() == pytest.approx(1_383_669, abs=1)
    np.testing.assert_allclose(counts, expected / 10, atol=73)
    assert tenth.prompt_tokens.mean() == pytest.approx(1269, rel=0.02)
    assert tenth.output_tokens.mean() == pytest.approx(1527, rel=0.02)


def test_a_large_models_week_has_its_rate():
    """The windows of 10 minutes hold what they say at a hundredth of the rate; the week is 7 days long."""
    trace = play("servegen-m-large-week1-rps-600s.csv.xz", rate_scale=0.01)
    assert len(trace.arrival_seconds) == pytest.approx(1_267_350, abs=1)
    counts = np.bincount((trace.arrival_seconds // 600).astype(int))
    assert len(counts) == 1008
    assert counts[0] == pytest.approx(212.78 * 6, abs=1)


def test_the_world_cup_has_its_shape():
    """45 days, ten minutes filled, 330,644,341 requests in the file: an hour of it with the lengths of a chat."""
    chat = TraceLengths(from_trace="azure-llm-2023-conv.csv.xz")
    name = "worldcup98-per-minute-to-1998-06-13.csv.xz"
    # the file begins at 21:30, and its first ten minutes count 2, 11, 16, 7 and so on
    hour = play(name, window_seconds=(0.0, 240.0), lengths=chat)
    assert np.bincount((hour.arrival_seconds // 60).astype(int)).tolist() == [2, 11, 16, 7]
    thousandth = play(name, rate_scale=0.001, lengths=chat)
    assert len(thousandth.arrival_seconds) == pytest.approx(330_644, rel=0.001)
    assert thousandth.prompt_tokens.mean() == pytest.approx(1154.7, rel=0.02)
    assert "10 steps of 60 s are missing" in thousandth.notes[0]
