"""One picture's worth of facts: what the screen, the plain lines and the summary are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.daemon.sandbox.traffic import STORY, chapter_at
from autoscaler.engine.decision import Reason

if TYPE_CHECKING:
    from autoscaler.daemon.sandbox.history import Moment
    from autoscaler.daemon.sandbox.numbers import FleetNumbers
    from autoscaler.daemon.sandbox.traffic import Chapter
    from autoscaler.engine.decision import Decision, Stage
    from autoscaler.engine.observation import SignalRequest


_SHORT = {"timeToFirstToken": "TTFT", "endToEnd": "E2E", "queueTime": "queue"}


class Setting(NamedTuple):
    """What does not change during a run."""

    target: str
    """`namespace/name`."""
    backend: str
    hardware: str
    """Model and GPU that the fleet pretends to be, for a person."""
    speed: float
    """Simulated seconds per second."""
    duration_seconds: float
    """Simulated; infinite when the run ends only by Ctrl-C."""
    max_replicas: int
    latency: SignalRequest
    """The latency signal that is shown, and that the objective is about."""
    objective_seconds: float
    daemon_address: str
    """`host:port` of the daemon's own endpoints."""
    gateway_address: str
    documents: str
    """The file that the daemon reads."""
    story: tuple[Chapter, ...] = STORY

    @property
    def latency_name(self) -> str:
        """`P99 TTFT` for the 0.99 quantile of the time to first token."""
        return f"P{100 * (self.latency.quantile or 0):g} {_SHORT.get(self.latency.name, self.latency.name)}"


class Change(NamedTuple):
    """A decision that changed the count."""

    at_seconds: float
    """Simulated, since the start."""
    decision: Decision
    dry_run: bool = False
    """It would have changed the count."""


class Scene(NamedTuple):
    """One moment of a run."""

    setting: Setting
    elapsed_seconds: float
    """Simulated, since the start."""
    wanted: int
    """The Deployment's count."""
    fleet: FleetNumbers
    moments: tuple[Moment, ...]
    """One a tick, the oldest first."""
    decision: Decision | None
    """The last one."""
    changes: tuple[Change, ...] = ()
    """All decisions that changed the count so far."""

    @property
    def chapter(self) -> int:
        """The index of the story's present chapter."""
        return chapter_at(self.elapsed_seconds, self.setting.story)

    @property
    def change(self) -> Change | None:
        """The last change."""
        return self.changes[-1] if self.changes else None

    @property
    def latest(self) -> Moment | None:
        """The last tick's moment."""
        return self.moments[-1] if self.moments else None


def clock_text(seconds: float) -> str:
    """Return minutes and seconds: `07:05`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"


def quantity(value: float | None, form: str) -> str:
    """Return the value in that format, or a dash where it is not known."""
    return "-" if value is None else form.format(value)


def deciding_stage(decision: Decision) -> Stage | None:
    """Return the last stage that changed the count; without one, the sizing, or whatever came first."""
    moved = [stage for stage in decision.trail if stage.before != stage.after]
    if moved:
        return moved[-1]
    sized = [stage for stage in decision.trail if stage.name in {"size", "asleep", "paused"}]
    return next(iter(sized or decision.trail), None)


def plain_reason(decision: Decision) -> str:
    """Return the deciding stage's words; where it only names a rule, that rule's numbers.

    A last replica that is kept although nothing is asked of it says how long it has been idle.
    """
    idle = next((stage.why for stage in decision.trail if stage.name == "idle"), "")
    if decision.reason is Reason.MIN_REPLICAS and idle.startswith("idle for "):
        return idle
    stage = deciding_stage(decision)
    why = stage.why if stage else ""
    return next((said.reason for name, said in decision.proposals if why.startswith(f"{name} ")), why)
