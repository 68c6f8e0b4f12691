"""Which settings are tried next."""

from __future__ import annotations

import builtins

import pytest

from autoscaler.errors import UsageError
from autoscaler.experiments.tuning.outcome import Outcome
from autoscaler.experiments.tuning.search import Grid, Study, Tried
from autoscaler.experiments.tuning.space import Range, Varied

VARIED = (Varied(("a",), Range(1, 100, log=True)), Varied(("b",), (1, 2)))


def outcome(setting):
    """Return a run that meets 99 % from a = 20 on and costs a."""
    return Outcome(min(1.0, 0.97 + setting[0] / 1000), float(setting[0]), 0.0, 0.0, 1.0, 0.0)


def search(study, at_once=1):
    """Return what a study asks for until it is done."""
    asked = []
    while settings := study.ask(at_once):
        asked += settings
        study.tell([Tried(one, (outcome(one),)) for one in settings])
    return asked


def test_a_grid_is_asked_for_once():
    """In its order."""
    grid = Grid([(1,), (2,), (3,)])
    assert [grid.ask(2), grid.ask(2), grid.ask(2)] == [[(1,), (2,)], [(3,)], []]


def test_the_same_seed_asks_for_the_same_and_comes_near_the_best():
    """The cheapest that meets the target costs 20; thirty trials of a hundred settings come within half of it."""
    first, again = (search(Study(VARIED, 30, 0.99, seed=1)) for _ in range(2))
    assert first == again
    assert len(first) == 30
    assert 20 <= min(setting[0] for setting in first if outcome(setting).slo_attainment >= 0.99) <= 30
    assert first != search(Study(VARIED, 30, 0.99, seed=2))


def test_a_search_that_is_kept_goes_on(tmp_path):
    """The storage's settings are known and count; another question has a search of its own."""
    storage = f"sqlite:///{tmp_path}/x.db"
    first = search(Study(VARIED, 5, 0.99, seed=1, storage=storage, subject="one"))
    later = Study(VARIED, 8, 0.99, seed=1, storage=storage, subject="one")
    assert [one.setting for one in later.known()] == first
    assert [one.outcomes for one in later.known()] == [(outcome(one),) for one in first]
    assert len(search(later)) == 3
    assert Study(VARIED, 5, 0.99, seed=1, storage=storage, subject="other").known() == []


def test_a_storage_that_is_none_is_refused_without_its_address():
    """An address may hold a password."""
    with pytest.raises(UsageError, match="--storage: cannot be opened") as refused:
        Study(VARIED, 5, 0.99, seed=1, storage="nosuchdb://me:secret@host/x")
    assert "secret" not in str(refused.value)


def test_without_optuna_a_search_says_how_to_get_it(monkeypatch):
    """And that lists do without."""
    real = builtins.__import__

    def absent(name, *rest):
        if name == "optuna":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError, match=r"pip install 'inference-autoscaler\[tune\]'.*lists of values do not"):
        Study(VARIED, 5, 0.99, seed=1)
