"""Telling people what a tick did: a log line for every decision, Events for what changed or went wrong."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from autoscaler.daemon import events
from autoscaler.daemon.report import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.daemon.events import Events
    from autoscaler.daemon.report import TargetReport, TickReport
    from autoscaler.engine.decision import Decision

SHOWN = 5
"""Targets named in a log line about many."""


class Announcer:
    """Reads the report of a tick out loud; `log` is a structlog logger."""

    def __init__(self, said: Events, log: Any) -> None:  # noqa: ANN401 - structlog's loggers have no common type
        self._events = said
        self._log = log

    def announce(self, report: TickReport) -> None:
        """Log every decision and failure of the tick, and post its Events."""
        self._events.tidy(report.at)
        if report.step_seconds:
            self._log.warning("the clock was set", by_seconds=round(report.step_seconds, 3))
        for target in report.targets:
            self._log_decision(target)
            for reason, message in _said_of(target, report.step_seconds):
                self._events.say(target.target, reason, message, report.at)
        self._log_failures(report)

    def _log_decision(self, target: TargetReport) -> None:
        decision, observation = target.decision, target.observation
        if decision is None or observation is None:
            return
        self._log.info(
            "decision",
            target=target.key,
            current=decision.current,
            replicas=decision.replicas,
            direction=decision.direction,
            reason=decision.reason.value,
            mode=str(target.mode),
            action=target.action.value,
            why=decisive(decision),
            signals={
                key: signal.value if signal.value is not None else signal.quality.value
                for key, signal in observation.signals.items()
            },
            figures={name: dict(proposal.figures) for name, proposal in decision.proposals if proposal.figures},
            trail=[f"{stage.name}: {stage.before} -> {stage.after}: {stage.why}" for stage in decision.trail],
        )

    def _log_failures(self, report: TickReport) -> None:
        """Log each different failure once, however many targets share it."""
        shared: dict[tuple[Stage, str], list[str]] = defaultdict(list)
        for target in report.targets:
            for failure in target.failures:
                shared[failure.stage, failure.message].append(target.key)
        for (stage, message), keys in shared.items():
            self._log.warning(message, stage=stage.value, targets=len(keys), first=keys[:SHOWN])


def decisive(decision: Decision) -> str:
    """Return why the count is what it is: the last stage that changed it, or the last of all."""
    for stage in reversed(decision.trail):
        if stage.before != stage.after:
            return f"{stage.name}: {stage.why}"
    return f"{decision.trail[-1].name}: {decision.trail[-1].why}" if decision.trail else ""


def _said_of(target: TargetReport, step_seconds: float) -> Iterator[tuple[str, str]]:
    """Yield the Events of one target as reason and message."""
    if step_seconds:
        yield events.CLOCK_STEP, f"the clock was set by {step_seconds:.0f} s: nothing is lowered for one window"
    yield from target.notices
    for failure in target.failures:
        if failure.stage is Stage.DECIDE:
            yield events.DECISION_FAILED, failure.message
        elif failure.stage is Stage.ACT:
            yield events.SCALE_FAILED, failure.message
        elif failure.missing:
            yield events.TARGET_MISSING, failure.message
    if target.decision is not None:
        yield from target.decision.notices
        if (change := _change(target.decision, target.action)) is not None:
            yield change


def _change(decision: Decision, action: Action) -> tuple[str, str] | None:
    message = f"{decision.current} -> {decision.replicas}: {decision.reason}: {decisive(decision)}"
    if action is Action.WRITTEN:
        return events.SCALED_UP if decision.direction == "up" else events.SCALED_DOWN, message
    return (events.WOULD_SCALE, message) if action is Action.DRY_RUN else None
