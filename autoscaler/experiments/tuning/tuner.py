"""From a question to an answer: every setting on some seeds, the best that is no cliff, judged on others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, Protocol

from autoscaler.experiments.tuning.outcome import Outcome, Summary, summary
from autoscaler.experiments.tuning.play import Job
from autoscaler.experiments.tuning.search import Tried
from autoscaler.experiments.tuning.space import shifted
from autoscaler.experiments.tuning.subject import fixed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.experiments.tuning.play import Players
    from autoscaler.experiments.tuning.search import Search
    from autoscaler.experiments.tuning.space import Setting, Varied
    from autoscaler.experiments.tuning.subject import Document, Subject

NEARBY = 0.1
"""A setting is no cliff if each of its numbers may be this much higher or lower."""
_CANDIDATES = 5
"""How many settings are looked around, from the cheapest on."""


class Question(NamedTuple):
    """What is asked."""

    subject: Subject
    varied: tuple[Varied, ...]
    target: float
    """The share of requests that must meet the objective."""
    tuned_seeds: tuple[int, ...]
    judged_seeds: tuple[int, ...]
    max_replicas: int
    at_once: int = 1
    """Settings that are played together."""


class Entrant(NamedTuple):
    """One setting, or a fixed fleet, on the seeds of the search and on the others."""

    setting: Setting | None
    """None for a fixed fleet, and for a start that leaves a parameter to its default."""
    document: Document
    tuned: Summary
    judged: Summary | None = None
    """None where it was not judged."""


class Tuning(NamedTuple):
    """The answer, or what there is of it."""

    question: Question
    tried: tuple[Tried, ...]
    """In the order in which they were asked for."""
    start: Entrant | None = None
    fixed: Entrant | None = None
    """The smallest fixed fleet that meets the target; None if none does."""
    chosen: Entrant | None = None
    """The cheapest setting that meets the target and is no cliff; None if none meets it."""
    holds_nearby: bool | None = None
    """Whether the chosen one is no cliff; None where nobody looked."""
    invalid: int = 0
    """Settings that the document refused."""
    partial: bool = False

    @property
    def start_is_best(self) -> bool:
        """Whether nothing that was tried is cheaper than the start."""
        return self.start is not None and self.chosen is not None and self.chosen.document == self.start.document


class Bar(Protocol):
    """Shows how far the work is, and is told of each task."""

    def begin(self, tasks: int, description: str = "") -> None:
        """Begin again, with so many tasks."""

    def __call__(self, policy: str, share: float) -> None:
        """Take note of a share of a task; raise KeyboardInterrupt to stop."""


class Tuner:
    """Plays what the answer needs, and no run twice."""

    def __init__(self, question: Question, players: Players, is_valid: Callable[[Document], bool], bar: Bar) -> None:
        self._question = question
        self._players = players
        self._is_valid = is_valid
        self._bar = bar
        self._memo: dict[tuple[str, int], Outcome] = {}
        self._tuning = Tuning(question, ())

    def tune(self, search: Search) -> Tuning:
        """Return the answer; after a KeyboardInterrupt what there is of it, marked as partial."""
        for one in search.known():
            self._keep(one)
        try:
            self._start()
            self._search(search)
            self._find_fixed()
            self._choose()
            self._judge()
        except KeyboardInterrupt:
            self._tuning = self._tuning._replace(partial=True)
            if self._tuning.chosen is None:
                self._choose_untested()
        return self._tuning

    def _keep(self, one: Tried) -> None:
        document = self._document(one.setting)
        for seed, outcome in zip(self._question.tuned_seeds, one.outcomes, strict=False):
            self._memo[_key(document), seed] = outcome
        self._tuning = self._tuning._replace(tried=(*self._tuning.tried, one))

    def _document(self, setting: Setting) -> Document:
        return self._question.subject.with_setting(self._question.varied, setting)

    def _play(self, documents: Sequence[Document], seeds: Sequence[int], what: str) -> list[tuple[Outcome, ...]]:
        """Return each document's run on each seed."""
        keys = [_key(document) for document in documents]
        wanted = {
            (key, seed): Job(document, self._question.subject.origin, seed)
            for key, document in zip(keys, documents, strict=True)
            for seed in seeds
            if (key, seed) not in self._memo
        }
        places = list(wanted)
        self._bar.begin(len(places), what)
        for played in self._players.play(list(wanted.values()), self._bar):
            self._memo[places[played.place]] = played.outcome
        return [tuple(self._memo[key, seed] for seed in seeds) for key in keys]

    def _entrant(self, setting: Setting | None, document: Document, what: str) -> Entrant:
        (outcomes,) = self._play([document], self._question.tuned_seeds, what)
        return Entrant(setting, document, summary(outcomes))

    def _start(self) -> None:
        subject = self._question.subject
        values = tuple(subject.value(one) for one in self._question.varied)
        known = tuple(value for value in values if isinstance(value, int | float | str))
        setting = known if len(known) == len(values) else None
        self._tuning = self._tuning._replace(start=self._entrant(setting, subject.document, "start"))

    def _search(self, search: Search) -> None:
        while settings := search.ask(self._question.at_once):
            valid = [one for one in settings if self._is_valid(self._document(one))]
            self._tuning = self._tuning._replace(invalid=self._tuning.invalid + len(settings) - len(valid))
            try:
                self._play([self._document(one) for one in valid], self._question.tuned_seeds, "settings")
            finally:
                search.tell(self._note(valid))

    def _note(self, settings: Sequence[Setting]) -> list[Tried]:
        """Take up those of the settings that were played on every seed, and return them."""
        seeds, known = self._question.tuned_seeds, {one.setting for one in self._tuning.tried}
        done = []
        for setting in dict.fromkeys(settings):
            key = _key(self._document(setting))
            runs = [self._memo.get((key, seed)) for seed in seeds]
            outcomes = tuple(run for run in runs if run is not None)
            done += [Tried(setting, outcomes)] if len(outcomes) == len(seeds) else []
        new = [one for one in done if one.setting not in known]
        self._tuning = self._tuning._replace(tried=(*self._tuning.tried, *new))
        return done

    def _find_fixed(self) -> None:
        """Find the smallest fixed fleet that meets the target, by bisection."""
        low, high = 0, self._question.max_replicas
        best = self._entrant(None, fixed(high), "fixed fleets")
        if not best.tuned.meets(self._question.target):
            return
        while high - low > 1:
            middle = (low + high) // 2
            entrant = self._entrant(None, fixed(middle), "fixed fleets")
            if entrant.tuned.meets(self._question.target):
                best, high = entrant, middle
            else:
                low = middle
        self._tuning = self._tuning._replace(fixed=best)

    def _good(self) -> list[Entrant]:
        """Return what meets the target, the cheapest first, the start among them."""
        entrants = [Entrant(one.setting, self._document(one.setting), one.summary) for one in self._tuning.tried]
        if self._tuning.start is not None:
            known = {_key(one.document) for one in entrants}
            entrants += [self._tuning.start] if _key(self._tuning.start.document) not in known else []
        good = [one for one in entrants if one.tuned.meets(self._question.target)]
        return sorted(good, key=lambda one: one.tuned.mean.gpu_hours)

    def _choose(self) -> None:
        good = self._good()
        for one in good[:_CANDIDATES]:
            holds = self._holds_nearby(one)
            if holds is not False:
                self._tuning = self._tuning._replace(chosen=one, holds_nearby=holds)
                return
        if good:
            self._tuning = self._tuning._replace(chosen=good[0], holds_nearby=False)

    def _choose_untested(self) -> None:
        good = self._good()
        self._tuning = self._tuning._replace(chosen=good[0] if good else None)

    def _holds_nearby(self, one: Entrant) -> bool | None:
        """Return whether the target is nearly met with each number moved a little; None where none can be."""
        near = [] if one.setting is None else list(shifted(self._question.varied, one.setting, NEARBY))
        documents = [document for document in map(self._document, near) if self._is_valid(document)]
        if not documents:
            return None
        runs = self._play(documents, self._question.tuned_seeds, "around the best")
        return all(summary(outcomes).nearly_meets(self._question.target) for outcomes in runs)

    def _judge(self) -> None:
        seeds = self._question.judged_seeds
        named = {name: getattr(self._tuning, name) for name in ("start", "fixed", "chosen")}
        there = {name: one for name, one in named.items() if one is not None}
        if not seeds:
            return
        runs = self._play([one.document for one in there.values()], seeds, "judges")
        judged = {
            name: one._replace(judged=summary(outcomes))
            for (name, one), outcomes in zip(there.items(), runs, strict=True)
        }
        self._tuning = self._tuning._replace(**judged)


def _key(document: Document) -> str:
    """Return a text that is the same for the same document."""
    return json.dumps(document, sort_keys=True)
