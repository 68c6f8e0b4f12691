"""Which settings to try next: all of a grid in its order, or those that Optuna thinks best."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from autoscaler.errors import UsageError
from autoscaler.experiments.tuning.outcome import SLACK, Outcome, Summary, summary
from autoscaler.experiments.tuning.space import Range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.experiments.tuning.space import Setting, Value, Varied

_MISSED = 1e12
INSTALL = "pip install 'inference-autoscaler[tune]'"


class Tried(NamedTuple):
    """A setting, and its run on each seed."""

    setting: Setting
    outcomes: tuple[Outcome, ...]

    @property
    def summary(self) -> Summary:
        """All of its runs together."""
        return summary(self.outcomes)


class Search(Protocol):
    """Asked for settings, and told what they came to."""

    def known(self) -> list[Tried]:
        """Return what an earlier search left."""

    def ask(self, count: int) -> list[Setting]:
        """Return up to `count` settings; none when the search is over."""

    def tell(self, tried: Sequence[Tried]) -> None:
        """Learn what the settings came to that were asked for last, in their order."""


class Grid:
    """Every setting of a list, once."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self._left = list(settings)

    def known(self) -> list[Tried]:
        """Return nothing: a grid is not kept."""
        return []

    def ask(self, count: int) -> list[Setting]:
        """Return the next ones."""
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def tell(self, tried: Sequence[Tried]) -> None:
        """Take no note: a grid learns nothing."""


class Study:
    """Optuna's tree-structured Parzen estimator: least GPU-hours; what misses the target comes after all that meets it.

    The estimator goes by order alone, so what a miss is called matters no more than that. The same seed asks for the
    same settings, as long as it is asked for the same number at a time.
    """

    def __init__(
        self,
        varied: Sequence[Varied],
        trials: int,
        target: float,
        *,
        seed: int,
        storage: str | None = None,
        subject: str = "",
    ) -> None:
        try:
            import optuna  # noqa: PLC0415 - an extra, and slow to import
        except ImportError as error:
            raise UsageError(f"searching ranges needs Optuna ({INSTALL}); lists of values do not") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._varied = varied
        self._target = target
        self._fail, self._complete = optuna.trial.TrialState.FAIL, optuna.trial.TrialState.COMPLETE
        name = f"autoscaler-{hashlib.sha256(subject.encode()).hexdigest()[:16]}"
        try:
            self._study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
        except Exception as error:  # whatever driver the address names
            # the address may hold a password
            raise UsageError(f"--storage: cannot be opened: {str(error).splitlines()[0]}") from error
        self._asked: list[Any] = []
        known = len(self.known())
        self._left = trials - known
        # who goes on must not ask again what the first draws asked
        self._study.sampler = optuna.samplers.TPESampler(seed=seed + known)

    def known(self) -> list[Tried]:
        """Return the settings that the storage holds of the same question."""
        done = [one for one in self._study.get_trials(deepcopy=False) if one.state == self._complete]
        return [
            Tried(
                tuple(one.params[varied.name] for varied in self._varied),
                tuple(Outcome(*row) for row in json.loads(one.user_attrs["outcomes"])),
            )
            for one in done
        ]

    def ask(self, count: int) -> list[Setting]:
        """Return the next ones."""
        count = min(count, self._left)
        self._left -= count
        self._asked = [self._study.ask() for _ in range(count)]
        return [tuple(_suggest(trial, varied) for varied in self._varied) for trial in self._asked]

    def tell(self, tried: Sequence[Tried]) -> None:
        """Learn; a setting that is missing was not valid, and failed."""
        found = {one.setting: one for one in tried}
        for trial in self._asked:
            one = found.get(tuple(trial.params[varied.name] for varied in self._varied))
            if one is None:
                self._study.tell(trial, state=self._fail)
                continue
            trial.set_user_attr("outcomes", json.dumps(one.outcomes))
            self._study.tell(trial, _price(one.summary, self._target))


def _price(found: Summary, target: float) -> float:
    """Return GPU-hours, or for what misses the target a number above all of those, by how much it misses."""
    if found.meets(target):
        return found.mean.gpu_hours
    return _MISSED * (1.0 + target - min(found.mean.slo_attainment, found.lowest_attainment + SLACK))


def _suggest(trial: Any, varied: Varied) -> Value:  # noqa: ANN401 - Optuna's own
    domain = varied.domain
    value: Value
    if not isinstance(domain, Range):
        value = trial.suggest_categorical(varied.name, list(domain))
    elif domain.whole:
        value = trial.suggest_int(varied.name, domain.low, domain.high, log=domain.log)
    else:
        value = trial.suggest_float(varied.name, domain.low, domain.high, log=domain.log)
    return value
