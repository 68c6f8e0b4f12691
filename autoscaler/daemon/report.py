"""What one tick did, as values: for the log, the metrics, the journal, the terminal and whoever else watches."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from autoscaler.cluster.facts import TargetFacts, TargetRef
    from autoscaler.engine.decision import Decision
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Notice
    from autoscaler.engine.spec import Mode


class Stage(StrEnum):
    """Where something went wrong: the label of `autoscaler_errors_total`."""

    OBSERVE = "observe"
    COLLECT = "collect"
    DECIDE = "decide"
    ACT = "act"
    EVENT = "event"
    JOURNAL = "journal"
    RELOAD = "reload"
    TICK = "tick"


class Action(StrEnum):
    """What became of a decision."""

    NONE = "none"
    """There was nothing to write, or no decision."""
    WRITTEN = "written"
    DRY_RUN = "dry run"
    """Everything but the write."""
    CONFLICT = "conflict"
    """Somebody else wrote first: the next tick decides."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """No answer in time: it may have been written, and the next tick will see."""
    STOPPED = "stopped"
    """The daemon was asked to stop before the write began."""


class Failure(NamedTuple):
    """One thing that went wrong with one target."""

    stage: Stage
    message: str
    missing: bool = False
    """The target does not exist."""


class TargetReport(NamedTuple):
    """One target in one tick."""

    target: TargetRef
    facts: TargetFacts | None = None
    """None when the target could not be read, or was not looked at."""
    mode: Mode | None = None
    observation: Observation | None = None
    decision: Decision | None = None
    action: Action = Action.NONE
    failures: tuple[Failure, ...] = ()
    notices: tuple[Notice, ...] = ()
    """What the daemon has to say besides the decision's own notices."""

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return self.target.key


class TickReport(NamedTuple):
    """One tick: its time, and every target that the documents name."""

    at: float
    """UTC epoch seconds."""
    seconds: float
    """How long the tick took, in real seconds."""
    targets: tuple[TargetReport, ...]
    step_seconds: float = 0.0
    """By how much the wall clock was found to have been set; 0 normally."""

    @property
    def failed(self) -> bool:
        """Whether anything went wrong with any target."""
        return any(target.failures for target in self.targets)
