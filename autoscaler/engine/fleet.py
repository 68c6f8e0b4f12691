"""From raw facts of pods to what they mean for capacity: ready, starting, stuck, terminating."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.observation import Quality

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation, Replica
    from autoscaler.engine.spec import Startup

_CRASHING = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
UNSCHEDULABLE = "Unschedulable"
_ENDED = frozenset({"Succeeded", "Failed"})


class Fleet(NamedTuple):
    """One target's replicas, classified. Terminating pods are in no other count."""

    ready: int
    starting: int
    """On their way: created, not Ready, and within the learned start-up time."""
    unschedulable: int
    crashing: int
    slow: int
    """Not Ready long past the learned start-up time."""
    terminating: int
    rollout: bool
    """Live pods of more than one revision: a rolling update is under way."""
    spec_replicas: int
    startup_seconds: float
    """The learned time from creation to Ready, or what the policy expects until one was seen."""
    newest_ready_at: float
    """When the last of the ready replicas became Ready, in UTC epoch seconds; 0 without any."""
    known: bool = True
    """False when the pods could not be listed."""
    asked_replicas: int | None = None
    """What the policy asked for at the last decision, whatever rules had made of the bounds; None before the first."""

    @property
    def stuck(self) -> int:
        """Replicas that will not serve by waiting."""
        return self.unschedulable + self.crashing + self.slow

    @property
    def capacity(self) -> int:
        """Ready and starting replicas; a rolling update's surge does not count."""
        return min(self.ready + self.starting, self.spec_replicas)


def learned_startup(durations: tuple[float, ...], startup: Startup) -> float:
    """Return the median of the start-ups seen, in seconds, or what the policy expects if there were none."""
    if not durations:
        return startup.expected_seconds
    return sorted(durations)[len(durations) // 2]


def stuck_after(startup_seconds: float, startup: Startup) -> float:
    """Return the age in seconds past which a replica that is not Ready counts as stuck."""
    return max(startup.stuck_after_seconds, startup.stuck_factor * startup_seconds)


def classify(
    observation: Observation, startup_seconds: float, startup: Startup, now: float, asked_replicas: int | None = None
) -> Fleet:
    """Return the fleet that the observation's replicas make up."""
    limit_seconds = stuck_after(startup_seconds, startup)
    starting = unschedulable = crashing = slow = terminating = 0
    ready_count, newest_ready_at = 0, 0.0
    revisions = set()
    # unpacked, for looking up each of these by name takes longer
    for _, phase, ready, created_at, ready_changed_at, leaves, reason, revision, _ in observation.replicas:
        if leaves or phase in _ENDED:
            terminating += leaves
            continue
        revisions.add(revision)
        since = ready_changed_at or created_at
        if ready:
            ready_count += 1
            if since > newest_ready_at:  # noqa: PLR1730 - a call for each pod would be slower
                newest_ready_at = since
        elif reason == UNSCHEDULABLE:
            unschedulable += 1
        elif reason in _CRASHING:
            crashing += 1
        elif now - since > limit_seconds:
            slow += 1
        else:
            starting += 1
    return Fleet(
        ready_count,
        starting,
        unschedulable,
        crashing,
        slow,
        terminating,
        len(revisions) > 1,
        observation.spec_replicas,
        startup_seconds,
        newest_ready_at,
        observation.replicas_quality is Quality.OK,
        asked_replicas,
    )


def startup_of(replica: Replica) -> float | None:
    """Return how long this ready replica took from creation to Ready; None if a restart hides it."""
    if not replica.ready or replica.restarts or replica.ready_changed_at is None:
        return None
    return max(0.0, replica.ready_changed_at - replica.created_at)
