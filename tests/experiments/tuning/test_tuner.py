"""From a question to an answer, with runs that are made up."""

from __future__ import annotations

import pytest

from autoscaler.experiments.tuning.outcome import Outcome, frontier, summary
from autoscaler.experiments.tuning.play import Played
from autoscaler.experiments.tuning.search import Grid
from autoscaler.experiments.tuning.space import Varied
from autoscaler.experiments.tuning.subject import Subject
from autoscaler.experiments.tuning.tuner import Question, Tuner

PATH = ("x",)


def run(attainment, hours):
    """Return a run."""
    return Outcome(attainment, hours, 0.0, 0.0, 1.0, 0.0)


class MadeUp:
    """Plays by a table of attainments: x costs x, and the fixed fleet of N costs 100·N and meets from 2 on."""

    def __init__(self, attained, stop_after=1000):
        self.attained = attained
        self.jobs = []
        self.left = stop_after

    def play(self, jobs, watch):
        for place, job in enumerate(jobs):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.jobs.append(job)
            spec = job.document["spec"]
            if job.document["metadata"]["name"] == "fixed":
                count = spec["parameters"]["replicas"]
                yield Played(place, run(1.0 if count >= 2 else 0.5, 100.0 * count))
            else:
                yield Played(place, run(self.attained(spec["x"], job.seed), float(spec["x"])))

    def close(self):
        pass


class Silent:
    """A bar that nobody sees."""

    def begin(self, tasks, description=""):
        pass

    def __call__(self, policy, share):
        pass


@pytest.fixture
def ask():
    """Return a function from made-up attainments and values to a tuning and the runs it took."""

    def ask(attained, values, start=50, stop_after=1000, is_valid=lambda _: True):
        document = {"kind": "ScalingPolicy", "metadata": {"name": "p"}, "spec": {"x": start}}
        varied = (Varied(PATH, tuple(values)),)
        question = Question(Subject(document, "p"), varied, 0.99, (1, 2, 3), (4, 5), 8, len(values))
        players = MadeUp(attained, stop_after)
        return Tuner(question, players, is_valid, Silent()).tune(Grid([(one,) for one in values])), players

    return ask


def smooth(x, _):
    """Return 99 % at 20, a little less below, a little more above."""
    return min(1.0, 0.9901 + (x - 20) / 10_000)


def test_the_cheapest_that_meets_the_target_is_chosen_and_judged(ask):
    """On the other seeds too, beside the start and the smallest fixed fleet that will do."""
    tuning, _ = ask(smooth, (10, 20, 40))
    assert tuning.chosen.setting == (20,)
    assert tuning.holds_nearby is True
    assert tuning.chosen.judged.mean == run(smooth(20, 4), 20.0)
    assert (tuning.fixed.tuned.mean.gpu_hours, tuning.fixed.judged.mean.gpu_hours) == (200.0, 200.0)
    assert tuning.start.tuned.mean.gpu_hours == 50.0
    assert not tuning.partial


def test_a_setting_on_a_cliff_is_passed_over(ask):
    """20 meets the target, but 18 meets nothing: the next one is taken."""

    def cliff(x, _):
        return 0.995 if x >= 20 else 0.3

    tuning, players = ask(cliff, (20, 30))
    assert tuning.chosen.setting == (30,)
    assert tuning.holds_nearby is True
    assert {job.document["spec"]["x"] for job in players.jobs if "x" in job.document["spec"]} >= {18, 22, 27, 33}


def test_where_all_are_cliffs_the_cheapest_is_taken_and_said_to_be_one(ask):
    """There is an answer, and a warning with it."""
    tuning, _ = ask(lambda x, _: 0.995 if x in (20, 30, 50) else 0.3, (20, 30))
    assert (tuning.chosen.setting, tuning.holds_nearby) == ((20,), False)


def test_one_bad_seed_is_enough_to_miss(ask):
    """A mean of 99.2 % with one seed at 98 % is no promise."""
    tuning, _ = ask(lambda x, seed: 0.98 if x == 20 and seed == 2 else 0.998, (20, 40))
    assert tuning.chosen.setting == (40,)


def test_the_start_is_kept_where_nothing_is_cheaper(ask):
    """Tuning may find that there is nothing to do."""
    tuning, _ = ask(smooth, (60, 70), start=30)
    assert tuning.start_is_best


def test_where_nothing_meets_the_target_nothing_is_chosen(ask):
    """No setting is better than a wrong one."""
    tuning, _ = ask(lambda *_: 0.9, (10, 20))
    assert tuning.chosen is None
    assert [one.setting for one in tuning.tried] == [(10,), (20,)]


def test_no_run_is_made_twice(ask):
    """Start, settings, surroundings and judges share what they have in common."""
    _, players = ask(smooth, (20, 22, 50), start=50)
    runs = [(str(job.document), job.seed) for job in players.jobs]
    assert len(runs) == len(set(runs))


def test_refused_settings_are_counted_and_not_played(ask):
    """A combination that the document refuses is no reason to stop."""
    tuning, players = ask(smooth, (10, 20, 40), is_valid=lambda document: document["spec"]["x"] != 40)
    assert tuning.invalid == 1
    assert 40 not in {job.document["spec"].get("x") for job in players.jobs}


@pytest.mark.parametrize(("runs", "tried", "chosen"), [(2, 0, None), (3 + 4, 1, None), (3 + 9, 3, (20,))])
def test_what_was_found_before_an_interruption_is_kept(ask, runs, tried, chosen):
    """Settings that were played on every seed stand; the best of them is chosen, and not judged."""
    tuning, _ = ask(lambda x, _: 0.995 if x >= 20 else 0.9, (10, 20, 40), start=5, stop_after=runs)
    assert tuning.partial
    assert len(tuning.tried) == tried
    assert (tuning.chosen.setting if tuning.chosen else None) == chosen
    assert tuning.chosen is None or tuning.chosen.judged is None


def test_the_frontier_has_what_nothing_beats():
    """Cheaper, or better, than every other one; equals stand beside each other."""
    points = [(0.9, 1.0), (0.95, 2.0), (0.94, 2.0), (0.99, 5.0), (0.99, 6.0), (0.9, 1.0)]
    assert frontier([summary([run(*point)]) for point in points]) == [True, True, False, True, False, True]
