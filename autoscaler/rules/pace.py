"""How slow the replicas really are, against what their coefficients say: the check on a preset that is not theirs.

A replica that never idles spends each second iterating: with i iterations a second and rho replica-seconds of work a
second its coefficients account for `a·i + rho` of it. So the true times are

    slowness = 1 / (a·i + rho)

times those of the coefficients. By Little's law i is tokens a second per running request. No integral of anybody's
misses, so it cannot wind up: in the simulator it is 0.97 to 1.01 of a right preset at any load above eight running
requests a replica, and 2.6 for an 8B model's coefficients on a 70B one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.rules.work import number

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.proposal import Memory
    from autoscaler.rules.arrivals import Bin
    from autoscaler.rules.work import Coefficients, Lengths

_FEWEST_RUNNING = 8.0
"""With fewer requests running per replica some replica may idle, and the identity does not hold."""
_PRIOR_SECONDS = 60.0
"""Replica-seconds for which the coefficients are taken at their word, before anything was seen."""
_HALF_LIFE_SECONDS = 900.0
_READY = "pace.ready"
_LEAST, _MOST = 1.0 / 8.0, 8.0


class Pace(NamedTuple):
    """Replica-seconds as they were, and as the coefficients account for them; forgotten with a half-life."""

    real_seconds: float = 0.0
    modelled_seconds: float = 0.0

    def learn(self, real_seconds: float, modelled_seconds: float, seconds: float) -> Pace:
        """Return the pace after so many more replica-seconds within so many seconds."""
        kept = 0.5 ** (seconds / _HALF_LIFE_SECONDS)
        return Pace(self.real_seconds * kept + real_seconds, self.modelled_seconds * kept + modelled_seconds)

    @property
    def slowness(self) -> float:
        """What to multiply the coefficients by, between an eighth and eight; 1 before anything was seen."""
        ratio = (_PRIOR_SECONDS + self.real_seconds) / (_PRIOR_SECONDS + self.modelled_seconds)
        return min(_MOST, max(_LEAST, ratio))


def recall_pace(memory: Memory) -> Pace:
    """Return the pace in a rule's memory."""
    return Pace(*(number(memory, f"pace.{name}") for name in Pace._fields))


def store_pace(pace: Pace) -> dict[str, float]:
    """Return the pace as entries of a rule's memory."""
    return {f"pace.{name}": value for name, value in pace._asdict().items()}


def observe(
    memory: Memory, bin_: Bin, fleet: Fleet, coefficients: Coefficients, lengths: Lengths
) -> tuple[float, dict[str, float]]:
    """Return how slow replicas are against their coefficients, and the memory entries that change.

    Nothing is learned while the count of ready replicas changes, nor where prompts take a good part of the time: then
    a running request need not be decoding.
    """
    pace = recall_pace(memory)
    ready = fleet.ready if fleet.known else 0
    steady = ready > 0 and ready == number(memory, _READY)
    if steady and bin_.running >= _FEWEST_RUNNING * ready and lengths.mostly_decodes(coefficients):
        iterating_seconds = coefficients.base_seconds * ready * bin_.output_tokens / bin_.running
        decoding_seconds = lengths.decoding_seconds(coefficients) * bin_.output_tokens
        reading_seconds = coefficients.prompt_token_seconds * bin_.prompt_tokens
        modelled_seconds = iterating_seconds + decoding_seconds + reading_seconds
        pace = pace.learn(ready * bin_.seconds, modelled_seconds, bin_.seconds)
    return pace.slowness, {**store_pace(pace), _READY: float(ready)}
