"""One picture's worth of facts: what the screen, the plain lines and the summary are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.daemon.sandbox.traffic import STORY, chapter_at

if TYPE_CHECKING:
    from autoscaler.daemon.sandbox.history import Moment
    from autoscaler.daemon.sandbox.numbers import FleetNumbers
    from autoscaler.daemon.sandbox.traffic import Chapter
    from autoscaler.engine.decision import Decision, Stage


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
    objective_seconds: float
    """Of the time to first token."""
    daemon_address: str
    """`host:port` of the daemon's own endpoints."""
    gateway_address: str
    story: tuple[Chapter, ...] = STORY


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
    change: Decision | None
    """The last one that changed the count."""
    change_seconds: float
    """When that was, in simulated seconds since the start."""
    changes: tuple[str, ...] = ()
    """All changes so far, each as one line."""

    @property
    def chapter(self) -> int:
        """The index of the story's present chapter."""
        return chapter_at(self.elapsed_seconds, self.setting.story)

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
    """Return the deciding stage's words; where it only names a rule, that rule's numbers."""
    stage = deciding_stage(decision)
    why = stage.why if stage else ""
    return next((said.reason for name, said in decision.proposals if why.startswith(f"{name} ")), why)
