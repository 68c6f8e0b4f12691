"""Traffic replayed through a decider: the kernel to the next tick, what monitoring shows, the decision, the scale."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from autoscaler.engine.observation import Observation, Replica
from autoscaler.engine.state import State, confirm_write
from autoscaler.simulator import kernel
from autoscaler.simulator.gateway import Gateway
from autoscaler.simulator.signals import Monitoring, Scraping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.engine.decision import Decider
    from autoscaler.engine.observation import SignalRequest
    from autoscaler.engine.spec import EngineSpec
    from autoscaler.simulator.fleet import Entry, SimulatedFleet

EPOCH_SECONDS = 1_700_006_400.0
"""The UTC epoch seconds of a fleet's time 0: a midnight, and a Wednesday."""
TARGET = "simulation/fleet"
_SCRAPING = Scraping()


class Contestant(NamedTuple):
    """Whatever runs the fleet."""

    name: str
    decider: Decider
    requests: tuple[SignalRequest, ...]
    """The signals that it wants to see."""
    spec: EngineSpec | None = None
    """Of a native engine: its rate limits count confirmed writes."""
    interval_seconds: float | None = None
    """How often it decides; None for as often as the course says."""
    samples_every_seconds: float | None = None
    """How often it samples the replicas for itself; None if it reads the course's monitoring."""


class Failure(NamedTuple):
    """Replicas that die at once."""

    at_seconds: float
    replicas: int
    gpus_back_after_seconds: float = 0.0
    """How long the quota is without their GPUs."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is the same for every contestant."""

    horizon_seconds: float
    """Capacity is billed up to here."""
    initial_replicas: int
    startup_seconds: float
    """What the replicas of the beginning are said to have taken."""
    interval_seconds: float = 15.0
    scraping: Scraping = _SCRAPING
    replicas_quota: int | None = None
    """Replicas that there are GPUs for; more stay unschedulable."""
    failures: tuple[Failure, ...] = ()


class Tick(NamedTuple):
    """The fleet at one decision."""

    at: float
    wanted: int
    """As decided."""
    ready: int
    starting: int
    unschedulable: int
    terminating: int
    waiting: int
    """At replicas and at the gateway."""


class Story(NamedTuple):
    """What happened besides the requests."""

    ticks: tuple[Tick, ...]
    scale_ups: int
    scale_downs: int
    decide_seconds: float
    """Spent in the decider, by `timer`."""


class Progress(Protocol):
    """Told of the simulated time, now and then."""

    def __call__(self, simulated_seconds: float) -> None:
        """Take note."""


def replay(
    fleet: SimulatedFleet,
    contestant: Contestant,
    course: Course,
    *,
    timer: Callable[[], float],
    progress: Progress = lambda _: None,
) -> Story:
    """Run a fleet that holds its requests, but has no replica yet, to the horizon.

    A contestant may have a pace of its own, and samples of its own, which it then sees at half their interval's age.
    `timer` gives the seconds that `decide_seconds` is made of.
    """
    course = _paced(course, contestant)
    run = _Run(fleet, contestant, course, timer)
    for at, kind, failure in _stops(course):
        fleet.advance(at)
        if kind is _Stop.SCRAPE:
            run.monitoring.scrape(fleet.snapshot(), run.gateway.requests())
        elif failure is not None:
            run.fail(failure)
        else:
            run.tick(at)
            progress(at)
    fleet.advance(course.horizon_seconds)
    progress(course.horizon_seconds)
    return run.story()


def _paced(course: Course, contestant: Contestant) -> Course:
    """Return the course with the contestant's own pace and samples, if it has any."""
    if contestant.interval_seconds is not None:
        course = replace(course, interval_seconds=contestant.interval_seconds)
    every = contestant.samples_every_seconds
    if every is not None:
        course = replace(course, scraping=replace(course.scraping, interval_seconds=every, phase_seconds=every / 2))
    return course


class _Stop(IntEnum):
    """What happens first at one moment."""

    SCRAPE = 0
    FAILURE = 1
    TICK = 2


def _stops(course: Course) -> Iterator[tuple[float, _Stop, Failure | None]]:
    """Yield the moments at which the fleet is looked at or changed, in order."""
    scraping = course.scraping
    scrapes = ((scraping.phase_seconds + n * scraping.interval_seconds, _Stop.SCRAPE, None) for n in itertools.count())
    ticks = ((n * course.interval_seconds, _Stop.TICK, None) for n in itertools.count(1))
    failures = ((failure.at_seconds, _Stop.FAILURE, failure) for failure in sorted(course.failures))
    merged = heapq.merge(scrapes, ticks, failures, key=lambda stop: stop[:2])
    return itertools.takewhile(lambda stop: stop[0] <= course.horizon_seconds, merged)


class _Run:
    """The state of one replay."""

    def __init__(
        self, fleet: SimulatedFleet, contestant: Contestant, course: Course, timer: Callable[[], float]
    ) -> None:
        self._fleet = fleet
        self._contestant = contestant
        self._course = course
        self._timer = timer
        self._state = State()
        self._wanted = course.initial_replicas
        self._unschedulable_since: list[float] = []
        self._lost: list[tuple[float, int]] = []
        self._ticks: list[Tick] = []
        self._replicas: dict[Entry, Replica] = {}
        self._ups = self._downs = 0
        self._decide_seconds = 0.0
        self.gateway = Gateway(fleet)
        self.monitoring = Monitoring(fleet.model, course.scraping, EPOCH_SECONDS)
        self._place(0.0)

    def tick(self, at: float) -> None:
        """Observe, decide, scale."""
        self._place(at)
        roster = self._fleet.roster()
        observation = self._observe(roster, at)
        now = EPOCH_SECONDS + at
        began = self._timer()
        decision, self._state = self._contestant.decider.decide(observation, self._state, now)
        self._decide_seconds += self._timer() - began
        if decision.replicas != self._wanted:
            self._scale(decision.replicas, at)
        self._note(at)

    def fail(self, failure: Failure) -> None:
        """Let replicas die; the Deployment replaces them at once, as far as there are GPUs."""
        at = failure.at_seconds
        self._lost.append((at + failure.gpus_back_after_seconds, failure.replicas))
        self._fleet.fail(failure.replicas, at)
        self._place(at)

    def _scale(self, replicas: int, at: float) -> None:
        before, self._wanted = self._wanted, replicas
        self._ups += replicas > before
        self._downs += replicas < before
        if self._contestant.spec is not None:
            self._state = confirm_write(self._state, self._contestant.spec, before, replicas, EPOCH_SECONDS + at)
        self._place(at)

    def _place(self, at: float) -> None:
        """Give the fleet the replicas that are wanted, as far as there are GPUs; draining ones still hold theirs."""
        quota = self._quota(at)
        states = self._fleet.states()
        live = states.starting + states.ready
        room = self._wanted if quota is None else max(live, quota - states.draining)
        placed = min(self._wanted, room)
        if placed != live:
            self._fleet.scale_to(placed, at)
        missing = self._wanted - placed
        del self._unschedulable_since[missing:]
        self._unschedulable_since += [at] * (missing - len(self._unschedulable_since))

    def _quota(self, at: float) -> int | None:
        quota = self._course.replicas_quota
        return None if quota is None else quota - sum(count for until, count in self._lost if at < until)

    def _observe(self, roster: list[Entry], at: float) -> Observation:
        ready = {entry.number: entry.created_at for entry in roster if entry.state == kernel.READY}
        stuck = (
            Replica(f"fleet-unschedulable-{place}", "Pending", False, EPOCH_SECONDS + since, reason="Unschedulable")  # noqa: FBT003
            for place, since in enumerate(self._unschedulable_since)
        )
        signals = self.monitoring.read(self._contestant.requests, ready, at)
        return Observation(TARGET, self._wanted, (*map(self._replica, roster), *stuck), signals)

    def _replica(self, entry: Entry) -> Replica:
        if entry not in self._replicas:
            created_at = EPOCH_SECONDS + entry.created_at
            if entry.number < self._course.initial_replicas:
                created_at -= self._course.startup_seconds
            serving = entry.state != kernel.STARTING
            self._replicas[entry] = Replica(
                f"fleet-{entry.number}",
                "Running" if serving else "Pending",
                entry.state == kernel.READY,
                created_at,
                EPOCH_SECONDS + entry.ready_at if serving else None,
                entry.state == kernel.DRAINING,
            )
        return self._replicas[entry]

    def _note(self, at: float) -> None:
        states, stuck = self._fleet.states(), len(self._unschedulable_since)
        waiting = self._fleet.waiting()
        self._ticks.append(Tick(at, self._wanted, states.ready, states.starting, stuck, states.draining, waiting))

    def story(self) -> Story:
        """Return what happened."""
        return Story(tuple(self._ticks), self._ups, self._downs, self._decide_seconds)
