"""One tick: collect all, decide all, act. Nothing of one target is ever waited for by another."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.daemon import decide, events, journal, tracked
from autoscaler.daemon.actuator import Actuator, Wanted, Written
from autoscaler.daemon.collect import Collector
from autoscaler.daemon.report import Action, Failure, Stage, TargetReport, TickReport
from autoscaler.daemon.tracked import Tracked, Write
from autoscaler.engine.engine import Engine
from autoscaler.engine.observation import Quality
from autoscaler.engine.proposal import Notice
from autoscaler.engine.spec import Mode
from autoscaler.errors import TargetMissing

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping

    from autoscaler.cluster.facts import TargetFacts, TargetRef
    from autoscaler.cluster.port import Cluster
    from autoscaler.daemon.clock import Reading
    from autoscaler.daemon.decide import Decided
    from autoscaler.daemon.journal import Record
    from autoscaler.daemon.timing import Timing
    from autoscaler.documents.compile import CompiledTarget
    from autoscaler.engine.decision import Decider
    from autoscaler.engine.observation import Signal
    from autoscaler.engine.spec import EngineSpec
    from autoscaler.sources.source import Source


_NOTHING = Written(Action.NONE)


class Setting(NamedTuple):
    """What holds for one tick: the documents in use, by target."""

    targets: Mapping[str, CompiledTarget]
    dry_run: bool = False


@dataclass(slots=True)
class _Row:
    """One target while the tick is under way."""

    compiled: CompiledTarget
    ref: TargetRef
    before: Tracked
    facts: TargetFacts | None = None
    signals: Mapping[str, Signal] = field(default_factory=dict)
    decided: Decided | None = None
    written: Written = _NOTHING
    failures: list[Failure] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def fail(self, stage: Stage, message: str) -> None:
        self.failures.append(Failure(stage, message))

    @property
    def wanted(self) -> Wanted | None:
        """What is to be written, if anything may be."""
        if self.facts is None or self.decided is None or self.decided.mode is not Mode.ACTIVE:
            return None
        decision = self.decided.decision
        return None if decision.replicas == self.facts.spec_replicas else Wanted(self.facts, decision.replicas)

    def report(self) -> TargetReport:
        decided = self.decided
        if decided is None:
            return TargetReport(self.ref, self.facts, failures=tuple(self.failures), notices=tuple(self.notices))
        return TargetReport(
            self.ref,
            self.facts,
            decided.mode,
            decided.observation,
            decided.decision,
            self.written.action,
            tuple(self.failures),
            (*self.notices, *decided.notices),
        )


class Ticker:
    """Runs ticks, one at a time, and keeps the state of every target between them.

    `record` takes the journal's lines as they arise: decisions before anything is written, then what was.
    """

    def __init__(
        self,
        cluster: Cluster,
        source: Source,
        timing: Timing,
        record: Callable[[Iterable[Record]], None],
        stopping: threading.Event,
        decider: Callable[[EngineSpec], Decider] = Engine,
        pod_port: int | None = None,
    ) -> None:
        self._collector = Collector(cluster, source, timing, pod_port)
        self._actuator = Actuator(cluster)
        self._timing = timing
        self._record = record
        self._stopping = stopping
        self._decider = decider
        self._tracked: dict[str, Tracked] = {}

    @property
    def tracked(self) -> Mapping[str, Tracked]:
        """What is remembered of each target, by `namespace/name`."""
        return self._tracked

    def tick(self, setting: Setting, reading: Reading) -> TickReport:
        """Look at every target once, decide, and write; return what was seen and done.

        `reading` is the one look at the clock that this tick takes.

        Once the daemon is stopping, nothing more is begun, and what was not decided stays undecided.
        """
        started = time.monotonic()
        self._keep_up(setting.targets, reading)
        rows = {
            key: _Row(compiled, decide.ref_of(compiled), self._tracked.get(key, Tracked()))
            for key, compiled in setting.targets.items()
        }
        due = {key: row for key, row in rows.items() if tracked.due(row.before, reading.now)}
        self._observe(due, reading)
        seen = {key: row for key, row in due.items() if row.facts is not None}
        if not self._stopping.is_set():
            self._collect(seen, reading)
        if not self._stopping.is_set():
            self._decide(seen.values(), reading.now, setting)
            self._act(seen, reading, setting)
        reports = tuple(row.report() for row in rows.values())
        return TickReport(reading.now, time.monotonic() - started, reports, reading.step_seconds)

    def _keep_up(self, targets: Mapping[str, CompiledTarget], reading: Reading) -> None:
        """Take in what happened to the clock and to the documents since the last tick."""
        records = []
        if reading.step_seconds:
            self._tracked = {key: tracked.stepped(kept) for key, kept in self._tracked.items()}
            records.append(journal.clock_record(reading.now, reading.step_seconds))
        for key, before in list(self._tracked.items()):
            kept = before if key in targets else tracked.left(before, reading.now)
            if tracked.expired(kept, reading.now):
                records.append(journal.gone_record(key, reading.now))
                # one that is still in the documents goes on being looked for, with nothing remembered
                kept = kept._replace(state=Tracked().state, gone_since=reading.now)
            self._tracked[key] = kept
        self._tracked = {key: kept for key, kept in self._tracked.items() if key in targets or not _empty(kept)}
        self._record(records)

    def _observe(self, rows: Mapping[str, _Row], reading: Reading) -> None:
        records = []
        answers = self._collector.observe([row.ref for row in rows.values()])
        for key, row in rows.items():
            answer = answers[key]
            if isinstance(answer, Exception):
                gone = isinstance(answer, TargetMissing)
                row.failures.append(Failure(Stage.OBSERVE, str(answer), missing=gone))
                if gone:
                    self._tracked[key] = tracked.missing(row.before, reading.now)
                continue
            row.facts = decide.shift_facts(answer, reading.ahead_seconds)
            if answer.replicas_quality is not Quality.OK:
                row.fail(Stage.OBSERVE, answer.detail or "the pods could not be listed")
            elif answer.detail:
                row.notices.append(Notice(events.NOT_ALL_READ, answer.detail))
            row.before, write = tracked.settle(
                tracked.found(row.before), answer.spec_replicas, in_flight=key in self._actuator.in_flight
            )
            if write is not None:
                row.before = tracked.confirmed(row.before, row.compiled.spec, write)
                records.append(journal.write_record(key, write))
            self._tracked[key] = row.before
        self._record(records)

    def _collect(self, rows: Mapping[str, _Row], reading: Reading) -> None:
        pairs = {key: (row.compiled, row.facts) for key, row in rows.items() if row.facts is not None}
        for key, signals in self._collector.collect(pairs, reading.wall).items():
            rows[key].signals = decide.shift_signals(signals, reading.ahead_seconds)
            for signal in signals.values():
                if signal.quality is Quality.ERROR:
                    rows[key].fail(Stage.COLLECT, f"{signal.name}: {signal.detail}")

    def _decide(self, rows: Iterable[_Row], now: float, setting: Setting, *, again: bool = False) -> None:
        """Decide for every row from the state before this tick."""
        records = []
        for row in rows:
            if row.facts is None:
                continue
            key = row.ref.key
            row.decided = None
            try:
                row.decided = decide.decide(
                    row.compiled,
                    row.facts,
                    row.signals,
                    row.before.state,
                    now,
                    dry_run=setting.dry_run,
                    decider=self._decider,
                )
            except Exception as error:  # noqa: BLE001 - a rule may be anybody's code: its fault is its target's alone
                row.fail(Stage.DECIDE, f"{type(error).__name__}: {error}")
                continue
            self._tracked[key] = row.before._replace(state=row.decided.state)
            records.append(journal.decision_record(row.decided, again=again))
        self._record(records)

    def _act(self, rows: Mapping[str, _Row], reading: Reading, setting: Setting) -> None:
        """Write what was decided; where somebody else wrote first, read once more and decide again."""
        end = time.monotonic() + self._timing.act_seconds
        self._write(rows, reading.now, end)
        lost = {key: row for key, row in rows.items() if row.written.action is Action.CONFLICT}
        if lost and not self._stopping.is_set() and time.monotonic() < end:
            changed = self._read_again(lost, reading, end)
            self._decide(changed.values(), reading.now, setting, again=True)
            self._write(changed, reading.now, end)
        for row in rows.values():
            if row.written.action in (Action.CONFLICT, Action.FAILED, Action.UNKNOWN):
                row.fail(Stage.ACT, row.written.detail)

    def _read_again(self, rows: Mapping[str, _Row], reading: Reading, end: float) -> dict[str, _Row]:
        """Return the rows whose count is another than the one decided from."""
        changed = {}
        answers = self._collector.observe([row.ref for row in rows.values()], end - time.monotonic())
        for key, row in rows.items():
            answer = answers[key]
            if isinstance(answer, Exception) or row.facts is None:
                continue
            if answer.spec_replicas != row.facts.spec_replicas:
                row.facts = decide.shift_facts(answer, reading.ahead_seconds)
                row.written = _NOTHING
                changed[key] = row
        return changed

    def _write(self, rows: Mapping[str, _Row], now: float, end: float) -> None:
        wanted = {key: want for key, row in rows.items() if (want := row.wanted) is not None}
        for row in rows.values():
            if row.decided is not None and row.decided.mode is Mode.DRY_RUN:
                row.written = Written(Action.DRY_RUN if row.decided.decision.direction != "hold" else Action.NONE)
        outcomes: Mapping[str, Written] = dict.fromkeys(wanted, Written(Action.STOPPED))
        if not self._stopping.is_set():
            outcomes = self._actuator.write(wanted, max(0.0, end - time.monotonic()))
        records = []
        for key, outcome in outcomes.items():
            rows[key].written = outcome
            write = Write(wanted[key].facts.spec_replicas, wanted[key].replicas, now)
            if outcome.action is Action.WRITTEN:
                self._tracked[key] = tracked.confirmed(self._tracked[key], rows[key].compiled.spec, write)
                records.append(journal.write_record(key, write))
            elif outcome.action is Action.UNKNOWN:
                self._tracked[key] = self._tracked[key]._replace(unconfirmed=write)
        self._record(records)


def _empty(kept: Tracked) -> bool:
    return kept.gone_since is not None and kept.state == Tracked().state
