"""Time series: they change nothing, and what they say is what happened."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest

from autoscaler.errors import UsageError
from autoscaler.experiments.compare import Keep, compare
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.score import OUTCOMES, attained
from autoscaler.experiments.series import COLUMNS, Told, check_output, truth, write_requests, write_series

GROWING = {
    "traffic": {"generator": {"requestsPerSecond": 20, "durationSeconds": 300}},
    "preset": "l40s-llama-3.1-8b",
    "coldStart": {"seconds": 40},
    "horizonSeconds": 600,
}
GATED = {"initialReplicas": 0, "minReplicas": 0}


@pytest.fixture
def play(make):
    """Return a function that plays policies and keeps everything."""

    def play(*names, **spec):
        scene = make(**{**GROWING, **spec})
        players = [player for name in names for player in contestants(name, scene)]
        return compare(scene, players, compiled=None, timer=lambda: 0.0, keep=Keep(record=True, results=True))

    return play


def test_recording_changes_no_result(make, play):
    """The same run with and without a record has the same score, although more signals are read for it."""
    scene = make(**GROWING)
    bare = compare(scene, contestants("llm-interactive", scene), compiled=None, timer=lambda: 0.0)
    assert bare.scores == play("llm-interactive").scores
    assert (bare.runs[0].record, bare.runs[0].results) == (None, None)


def test_counts_agree_with_the_score(play):
    """Arrivals and misses add up to the score's; the changes are its scale-ups and scale-downs."""
    comparison = play("llm-interactive")
    run = comparison.runs[0]
    true = truth(run.record, run.results, comparison.scene.objective)
    missed = round((1 - run.score.slo_attainment) * run.score.requests)
    assert (true.arrived.sum(), true.missed.sum()) == (run.score.requests, missed)
    ups = sum(change.after > change.before for change in run.record.changes)
    assert (ups, len(run.record.changes) - ups) == (run.score.scale_ups, run.score.scale_downs)
    assert ups > 0
    assert run.record.changes[0].explanation.startswith("simulation/fleet: ")


def test_samples_stand_at_every_decision_and_at_the_horizon(play):
    """One sample per tick; replicas by state add up to what is wanted, draining ones aside."""
    run = play("llm-interactive", gpuQuota=3, horizonSeconds=607).runs[0]
    at = [sample.at_seconds for sample in run.record.samples]
    assert at == [*np.arange(15.0, 607.0, 15.0).tolist(), 607.0]
    assert all(s.ready + s.starting + s.unschedulable == s.wanted for s in run.record.samples)
    assert max(sample.unschedulable for sample in run.record.samples) > 0
    assert max(sample.ready + sample.starting for sample in run.record.samples) == 3


def test_the_true_quantile_is_that_of_the_window(play):
    """At each sample it is the quantile over the first tokens of the last two minutes, worked out the plain way."""
    comparison = play("fixed:2")
    run = comparison.runs[0]
    true = truth(run.record, run.results, comparison.scene.objective)
    waits = run.results.first_token - run.results.arrival
    for sample, found in zip(run.record.samples, true.ttft_p99_seconds, strict=True):
        inside = (run.results.first_token > sample.at_seconds - 120) & (run.results.first_token <= sample.at_seconds)
        expected = np.quantile(waits[inside], 0.99) if inside.any() else math.nan
        assert found == pytest.approx(expected, nan_ok=True)


def test_the_seen_quantile_is_near_the_true_one_and_later(play):
    """While traffic is steady, what is seen lies in the same histogram bucket; at first nothing is seen."""
    comparison = play("fixed:3", initialReplicas=3)
    run = comparison.runs[0]
    true = truth(run.record, run.results, comparison.scene.objective)
    assert math.isnan(run.record.samples[0].seen_ttft_p99_seconds)
    middle = run.record.samples[12]
    assert 0.5 < middle.seen_ttft_p99_seconds / true.ttft_p99_seconds[12] < 2.5
    assert middle.seen_gpu_percent > 90 > 100 * middle.utilization > 5


def test_utilization_adds_up_to_the_work(play):
    """Weighted by time, the samples' utilization is the score's."""
    run = play("fixed:2", initialReplicas=2).runs[0]
    values = [sample.utilization for sample in run.record.samples]
    assert np.mean(values) == pytest.approx(run.score.mean_utilization, rel=1e-6)


def test_without_replicas_nothing_is_known_of_them(play):
    """At zero replicas utilization and latency are unknown, and the gateway's queue is the queue."""
    first = play("fixed:1", coldStart={"seconds": 100, "jitter": 0}, **GATED).runs[0].record.samples[1]
    assert math.isnan(first.utilization)
    assert math.isnan(first.seen_ttft_p99_seconds)
    assert (first.ready, first.starting) == (0, 1)
    assert first.queue == first.pending > 100


def _told(comparison):
    return [Told(run.score.policy, run.record, run.results) for run in comparison.runs]


def test_series_are_written_as_csv_and_json(play, tmp_path):
    """Both hold the same samples; unknown values are empty or null, never NaN."""
    comparison = play("fixed:1", "scale-to-zero", **GATED)
    told, objective = _told(comparison), comparison.scene.objective
    write_series(tmp_path / "s.csv", told, objective)
    write_series(tmp_path / "s.json", told, objective)
    with (tmp_path / "s.csv").open() as file:
        lines = list(csv.DictReader(file))
    objects = json.loads((tmp_path / "s.json").read_text())
    assert tuple(lines[0]) == ("policy", *COLUMNS)
    assert [one["policy"] for one in objects] == ["fixed:1", "scale-to-zero"]
    for one in objects:
        mine = [line for line in lines if line["policy"] == one["policy"]]
        for name, column in one["columns"].items():
            assert [None if line[name] == "" else float(line[name]) for line in mine] == column
    assert objects[0]["columns"]["utilization"][0] is None
    assert objects[1]["changes"][0]["reason"]


def test_requests_are_written_as_csv_and_arrays(play, tmp_path):
    """Both hold what became of every request; the objective can be worked out again from them."""
    comparison = play("fixed:1", overload={"clientTimeoutSeconds": 2})
    run = comparison.runs[0]
    kept = [(run.score.policy, run.results)]
    write_requests(tmp_path / "r.csv", kept)
    write_requests(tmp_path / "r.npz", kept)
    with (tmp_path / "r.csv").open() as file:
        lines = list(csv.DictReader(file))
    with np.load(tmp_path / "r.npz") as arrays:
        again = type(run.results)(*(arrays[name] for name in arrays.files))
    assert set(OUTCOMES.values()) > {line["outcome"] for line in lines} > {"completed"}
    assert [float(line["arrival_seconds"]) for line in lines] == again.arrival.tolist()
    assert [line["finish_seconds"] == "" for line in lines] == np.isnan(again.finish).tolist()
    share = attained(again, *comparison.scene.objective).mean()
    assert share == pytest.approx(run.score.slo_attainment)


@pytest.mark.parametrize(
    ("name", "words"), [("a.txt", "must end in"), ("no/a.csv", "folder that exists"), ("d.csv", "a folder")]
)
def test_files_that_cannot_be_written_are_refused_beforehand(tmp_path, name, words):
    """Before an hour is simulated for it, a file is known to be writable."""
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(UsageError, match=f"--series .*{words}"):
        check_output(tmp_path / name, "--series", (".csv",))
    check_output(tmp_path / "a.csv", "--series", (".csv",))
    check_output(None, "--series", (".csv",))
