"""What the daemon keeps of one target from tick to tick, and how that changes: pure, `now` is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.state import State, confirm_write, forget_history

if TYPE_CHECKING:
    from autoscaler.engine.spec import EngineSpec

FIRST_RETRY_SECONDS = 15.0
LAST_RETRY_SECONDS = 300.0
"""A missing target is looked for again after a pause that doubles from the first of these to the last."""
KEPT_SECONDS = 3600.0
"""How long the state of a target outlives it."""


class Write(NamedTuple):
    """One write of a count."""

    before: int
    after: int
    at: float
    """UTC epoch seconds."""


class Tracked(NamedTuple):
    """One target, as remembered."""

    state: State = State()
    gone_since: float | None = None
    """Since when the target has not existed, or been in no document; in UTC epoch seconds."""
    retry_at: float = 0.0
    """A missing target is left alone until then, in UTC epoch seconds."""
    retry_seconds: float = 0.0
    unconfirmed: Write | None = None
    """A write of which nobody knows yet whether it happened: the next observation tells."""


def missing(tracked: Tracked, now: float) -> Tracked:
    """Return the target after it was looked for and not found."""
    pause = min(max(2 * tracked.retry_seconds, FIRST_RETRY_SECONDS), LAST_RETRY_SECONDS)
    since = now if tracked.gone_since is None else tracked.gone_since
    return tracked._replace(gone_since=since, retry_at=now + pause, retry_seconds=pause)


def found(tracked: Tracked) -> Tracked:
    """Return the target after it was seen."""
    return tracked._replace(gone_since=None, retry_at=0.0, retry_seconds=0.0)


def left(tracked: Tracked, now: float) -> Tracked:
    """Return the target after the documents stopped naming it."""
    return tracked._replace(gone_since=now if tracked.gone_since is None else tracked.gone_since, retry_at=0.0)


def due(tracked: Tracked, now: float) -> bool:
    """Return whether the target is to be looked at now."""
    return now >= tracked.retry_at


def expired(tracked: Tracked, now: float) -> bool:
    """Return whether the target has been gone for so long that its state is dropped."""
    return tracked.gone_since is not None and now - tracked.gone_since > KEPT_SECONDS


def stepped(tracked: Tracked) -> Tracked:
    """Return the target after the clock was set: its history says nothing any more."""
    return tracked._replace(state=forget_history(tracked.state))


def confirmed(tracked: Tracked, spec: EngineSpec, write: Write) -> Tracked:
    """Return the target after a write that really happened."""
    state = confirm_write(tracked.state, spec, write.before, write.after, write.at)
    return tracked._replace(state=state, unconfirmed=None)


def settle(tracked: Tracked, spec_replicas: int, *, in_flight: bool) -> tuple[Tracked, Write | None]:
    """Return the target, and the unconfirmed write if the count now seen proves that it happened.

    Without this, a write whose answer was lost would look as if somebody else had changed the count.
    """
    write = tracked.unconfirmed
    if write is None or (in_flight and spec_replicas == write.before):
        return tracked, None
    return tracked._replace(unconfirmed=None), write if spec_replicas == write.after else None
